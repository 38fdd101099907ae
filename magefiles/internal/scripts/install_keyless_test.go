package scripts

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/make/installer"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
)

// TestInstallCertified has cosign itself verify pages that runs of workflows
// signed, with certificates of a Fulcio of this machine. That has no log of
// certificates and dates signatures by a timestamp authority, which cosign is
// told: the script knows the public Sigstore's way.
func TestInstallCertified(t *testing.T) {
	o := sigstorekit.Options{Dir: filepath.Join(t.TempDir(), "sigstore"), Log: true, Wait: 5 * time.Minute}
	if missing := sigstorekit.Missing(o); len(missing) > 0 && testing.Short() {
		t.Skipf("%s is not there: %s builds it", strings.Join(missing, ", "), sigstorekit.Install)
	}
	i, err := sigstorekit.Start(t.Context(), o)
	ok(t, err)
	t.Cleanup(func() { ok(t, i.Close()) })
	cosign := testkit.Cosign(t)

	const home = "https://github.com" + repository
	workflow := home + "/.github/workflows/release.yml"
	// by is a run of a workflow on a tag.
	by := func(path, tag string) attest.Signer {
		signer, err := attest.NewKeyless(t.Context(), attest.KeylessOptions{
			Services: i.Services,
			Token: func(context.Context) (string, error) {
				return i.Token(sigstorekit.GitHub, sigstorekit.Run{
					Repository: repository[1:], Workflow: path, Ref: "refs/tags/" + tag, Commit: strings.Repeat("ab", 20), Event: "push",
				})
			},
			Accept: func([]byte) error { return nil }, Verify: func([]byte, []byte) (string, error) { return "", nil }, // cosign does, at the end
		})
		ok(t, err)
		return signer
	}
	right := strings.TrimPrefix(workflow, home+"/")
	for _, tt := range []struct {
		name   string
		signer attest.Signer
		page   func(p *page)
		says   string
	}{
		{name: "the tag's own run", signer: by(right, "v0.2.0"), says: "verified by cosign"},
		{name: "the run of another tag", signer: by(right, "v0.1.0"), says: "cosign does not accept the signature of SHA256SUMS"},
		{name: "another workflow", signer: by(".github/workflows/edge.yml", "v0.2.0"), says: "cosign does not accept the signature of SHA256SUMS"},
		{name: "a list that was changed", signer: by(right, "v0.2.0"), page: func(p *page) { p.put("SHA256SUMS", p.text("SHA256SUMS")+"\n") }, says: "cosign does not accept"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &page{
				t: t, signer: func(string) attest.Signer { return tt.signer },
				trust: installer.Trust{Issuer: sigstorekit.GitHub, Stable: []string{workflow}},
			}
			p.serve("0.2.0")
			script := p.text(installer.Name)
			if tt.page != nil {
				tt.page(p)
			}
			for shell, start := range shells(t) {
				s := start(p)
				s.stub("cosign", "exec '"+cosign+"' \"$@\" --use-signed-timestamps --insecure-ignore-sct")
				root := filepath.Join(s.home, "trusted_root.json")
				ok(t, os.WriteFile(root, i.TrustedRoot, 0o644))
				said, code := s.run(script, "--dir", s.dir, "--from", p.server.URL+repository, "--trusted-root", root, "0.2.0")
				held := s.holds()
				if good := tt.says == "verified by cosign"; !strings.Contains(said, tt.says) || (code == 0) != good || (len(held) == 1) != good || (len(held) == 0) == good {
					t.Errorf("%s: exit code %d, %d files, said\n%s", shell, code, len(held), said)
				}
			}
		})
	}
}
