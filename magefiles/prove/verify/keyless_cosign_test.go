package verify_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
)

// TestKeylessJudges has cosign's command line and us judge the same bundles over
// a file's provenance: both accept the one that is right and refuse the others,
// we each with a sentence.
func TestKeylessJudges(t *testing.T) {
	i, other := instance(t), untimed(t)
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, text, 0o600))
		return path
	}
	artifact := []byte("a binary\n")
	sum := sha256.Sum256(artifact)
	statement, err := intoto.Encode(intoto.Provenance, map[string]any{"buildDefinition": map[string]any{"buildType": "https://example.org/x"}, "runDetails": map[string]any{}},
		intoto.SHA256("binary", hex.EncodeToString(sum[:])))
	must(t, err)
	of := func(s attest.Signer) []byte {
		text, err := s.Bundle(t.Context(), statement)
		must(t, err)
		return text
	}
	plain := product.Services{Fulcio: i.Services.Fulcio, Timestamps: i.Services.Timestamps}
	by := func(r sigstorekit.Run) []byte {
		return of(proofs.Anyone(t, plain, func() (string, error) { return i.Token(sigstorekit.GitHub, r) }))
	}
	right := by(stable)
	old := proofs.Lapse(t, i, stable)
	unlogged, err := rootWith(t, i.TrustedRoot, noLog)()
	must(t, err)
	roots := map[bool]string{false: file("root.json", unlogged), true: file("root-log.json", i.TrustedRoot)}
	binary, another := file("binary", artifact), file("another", []byte("another binary\n"))
	logged := of(proofs.Anyone(t, i.Services, func() (string, error) { return i.Token(sigstorekit.GitHub, stable) }))

	for _, c := range []struct {
		name   string
		bundle []byte
		file   string
		log    bool
		want   string // "" passes
	}{
		{"right", right, binary, false, ""},
		{"right, in a log", logged, binary, true, ""},
		{"another digest", right, another, false, "another"},
		{"not in the log", right, binary, true, "no log that the trusted root names has the signature"},
		{"taken out of the log", stripped(t, logged, "tlogEntries"), binary, true, "no log that the trusted root names has the signature"},
		{"without its timestamp", stripped(t, right, "timestampVerificationData"), binary, false, "nothing that the trusted root names says when"},
		{"expired, without a timestamp", old.Bundle(t, product.Services{}, statement), binary, false, "nothing that the trusted root names says when"},
		{"expired when it signed", old.Bundle(t, plain, statement), binary, false, "when its certificate was not valid: that was from "},
		{"another workflow", by(is(func(r *sigstorekit.Run) { r.Workflow = ".github/workflows/ci.yml" })), binary, false, "which is nobody whose signatures count"},
		{"a fork", by(is(func(r *sigstorekit.Run) { r.Repository = "evil/rustshare" })), binary, false, "a workflow of another repository"},
		{"another issuer", of(proofs.Anyone(t, plain, func() (string, error) { return i.Token(sigstorekit.Elsewhere, stable) })), binary, false, "the issuer https://token.actions.elsewhere.invalid vouches"},
		{"edge for a stable tag", by(is(func(r *sigstorekit.Run) {
			r.Workflow, r.Ref = ".github/workflows/pilot-release.yml", "refs/heads/main"
		})), binary, false, "has to be signed by a run on that very ref"},
		{"another authority", of(proofs.Anyone(t, product.Services{Fulcio: other.Services.Fulcio, Timestamps: i.Services.Timestamps},
			func() (string, error) { return other.Token(sigstorekit.GitHub, stable) })), binary, false, "an authority that the trusted root does not name"},
		{"a changed statement", bytes.Replace(right, []byte(`"payload":"`), []byte(`"payload":"e30K`), 1), binary, false, "another statement"},
		{"no bundle", []byte("{}"), binary, false, "it is no Sigstore bundle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			trust := trustIn(i)
			text, err := os.ReadFile(roots[c.log])
			must(t, err)
			trust.Keyless.Root = func() ([]byte, error) { return text, nil }
			_, err = trust.Bundle(c.bundle, statement, expect.Ref)
			if c.file == binary && c.want == "" {
				must(t, err)
			} else if c.file == binary && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			args := []string{
				"verify-blob-attestation", "--new-bundle-format", "--bundle", file("bundle.json", c.bundle), "--trusted-root", roots[c.log],
				"--use-signed-timestamps", "--insecure-ignore-sct", "--type", intoto.Provenance, "--certificate-oidc-issuer", sigstorekit.GitHub,
				"--certificate-identity", "https://github.com/" + stable.String(),
			}
			if !c.log {
				args = append(args, "--insecure-ignore-tlog")
			}
			cmd := exec.CommandContext(t.Context(), testkit.Cosign(t), append(args, c.file)...)
			cmd.Env = []string{"HOME=" + dir, "TUF_ROOT=" + filepath.Join(dir, "tuf"), "HTTPS_PROXY=http://127.0.0.1:9"}
			if out, err := cmd.CombinedOutput(); (err == nil) != (c.want == "") {
				t.Errorf("cosign: %v\n%s", err, out)
			}
		})
	}
}
