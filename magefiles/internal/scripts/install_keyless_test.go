package scripts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	authority "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/certified"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/make/installer"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
)

// TestInstallCertified has cosign itself verify pages that runs of workflows
// signed, with certificates of a Fulcio of this machine, which has no log of
// certificates. The script holds the trusted root, and knows what there is.
func TestInstallCertified(t *testing.T) {
	for name, o := range map[string]sigstorekit.Options{"with a log": {Log: true}, "without a log": {}} {
		t.Run(name, func(t *testing.T) {
			o.Dir, o.Wait = filepath.Join(t.TempDir(), "sigstore"), 5*time.Minute
			if missing := sigstorekit.Missing(o); len(missing) > 0 && testing.Short() {
				t.Skipf("%s is not there: %s builds it", strings.Join(missing, ", "), sigstorekit.Install)
			}
			i, err := sigstorekit.Start(t.Context(), o)
			ok(t, err)
			t.Cleanup(func() { ok(t, i.Close()) })
			certified(t, i)
		})
	}
}

const (
	home     = "https://github.com" + repository
	right    = ".github/workflows/release.yml"
	workflow = home + "/" + right
)

// by is a run of a workflow on a tag.
func by(t *testing.T, i *sigstorekit.Instance, path, tag string) attest.Signer {
	t.Helper()
	return proofs.Run(t, i, sigstorekit.Run{
		Repository: repository[1:], Workflow: path, Ref: "refs/tags/" + tag, Commit: strings.Repeat("ab", 20), Event: "push",
	})
}

func certified(t *testing.T, i *sigstorekit.Instance) {
	const refused = "cosign does not accept the signature of SHA256SUMS: "
	elsewhere := authority.New(t).TrustedRoot()
	for _, tt := range []struct {
		name   string
		signer attest.Signer
		page   func(p *page)
		// root is what the script holds, given what the operator names.
		root, given []byte
		env         string
		says        string
	}{
		{name: "the tag's own run", signer: by(t, i, right, "v0.2.0"), says: "verified by cosign"},
		{name: "the run of another tag", signer: by(t, i, right, "v0.1.0"), says: refused},
		{name: "another workflow", signer: by(t, i, ".github/workflows/edge.yml", "v0.2.0"), says: refused},
		{name: "a list that was changed", signer: by(t, i, right, "v0.2.0"), page: func(p *page) { p.put("SHA256SUMS", p.text("SHA256SUMS")+"\n") }, says: refused},
		{name: "a binary that was changed", signer: by(t, i, right, "v0.2.0"), page: func(p *page) { p.put(assetHere(t), p.text(assetHere(t))+"x") }, says: assetHere(t) + " has the checksum "},
		{name: "another instance", signer: by(t, i, right, "v0.2.0"), root: elsewhere, says: refused},
		{name: "another instance, and the operator names the right one", signer: by(t, i, right, "v0.2.0"), root: elsewhere, given: i.TrustedRoot, says: "verified by cosign"},
		{name: "an instance with a log of certificates", signer: by(t, i, right, "v0.2.0"), root: having(t, i.TrustedRoot, "ctlogs"), says: refused},
		{name: "the same, and a variable of cosign that does without", signer: by(t, i, right, "v0.2.0"), root: having(t, i.TrustedRoot, "ctlogs"), env: "COSIGN_INSECURE_IGNORE_SCT=true", says: refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := i.TrustedRoot
			if tt.root != nil {
				root = tt.root
			}
			p := &page{
				t: t, signer: func(string) attest.Signer { return tt.signer },
				trust: installer.Trust{Issuer: sigstorekit.GitHub, Stable: []string{workflow}, Root: root},
			}
			p.serve("0.2.0")
			script := p.script()
			if tt.page != nil {
				tt.page(p)
			}
			for shell, start := range shells(t) {
				s := start(p)
				s.link("cosign", testkit.Cosign(t))
				if tt.env != "" {
					s.env = append(s.env, tt.env)
				}
				args := []string{"--dir", s.dir, "--from", p.server.URL + repository}
				if tt.given != nil {
					file := filepath.Join(s.home, "root.json")
					ok(t, os.WriteFile(file, tt.given, 0o644))
					args = append(args, "--trusted-root", file)
				}
				said, code := s.run(script, args...)
				good := tt.says == "verified by cosign"
				if held := s.holds(); !strings.Contains(said, tt.says) || (code == 0) != good || (len(held) == 1) != good || (len(held) == 0) == good {
					t.Errorf("%s: exit code %d, %d files, said\n%s", shell, code, len(held), said)
				}
			}
		})
	}
}

// What cosign is told is what the pinned root names, and nothing where none is
// pinned.
func TestInstallInstance(t *testing.T) {
	stamps := authority.New(t).TrustedRoot()
	for _, tt := range []struct {
		name string
		root []byte
		want string // or the error
	}{
		{"the public Sigstore", nil, "trusted_root=''\ninstance=''\n"},
		{"all there is", having(t, having(t, stamps, "tlogs"), "ctlogs"), "instance='--use-signed-timestamps'\n"},
		{"no log of certificates", having(t, stamps, "tlogs"), "instance='--use-signed-timestamps --insecure-ignore-sct'\n"},
		{"no log of signatures", having(t, stamps, "ctlogs"), "instance='--use-signed-timestamps --insecure-ignore-tlog'\n"},
		{"timestamps alone", stamps, "instance='--use-signed-timestamps --insecure-ignore-tlog --insecure-ignore-sct'\n"},
		{"logs alone", having(t, having(t, without(t, stamps, "timestampAuthorities"), "tlogs"), "ctlogs"), "instance=''\n"},
		{"by its other name", renamed(t, stamps, "timestampAuthorities", "timestamp_authorities"), "instance='--use-signed-timestamps "},
		{"nothing that dates", without(t, stamps, "timestampAuthorities"), "reading the trusted root: it names neither a timestamp authority nor a log: nothing could say when a certificate was used"},
		{"another file", []byte("{}"), "reading the trusted root: it is not Sigstore's trusted_root.json: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := installer.Render(product.RustShare(), installer.Trust{Issuer: sigstorekit.GitHub, Stable: []string{workflow}, Root: tt.root})
			if err != nil {
				text = err.Error()
			} else if line := "\ntrusted_root='" + strings.TrimSpace(string(tt.root)) + "'\n"; !strings.Contains(text, line) {
				t.Errorf("the script lacks\n%s", line)
			}
			if !strings.Contains(text, tt.want) {
				t.Errorf("got\n%.2000s\nwant\n%s", text, tt.want)
			}
		})
	}
}

func without(t *testing.T, text []byte, name string) []byte {
	return testkit.Edited(t, text, func(root map[string]any) { delete(root, name) })
}

func renamed(t *testing.T, text []byte, from, to string) []byte {
	return testkit.Edited(t, text, func(root map[string]any) { root[to] = root[from]; delete(root, from) })
}

// having gives a trusted root "tlogs" or "ctlogs": one, with a key of its own.
func having(t *testing.T, text []byte, logs string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	ok(t, err)
	id := sha256.Sum256(der)
	return testkit.Edited(t, text, func(root map[string]any) {
		root[logs] = []any{map[string]any{
			"baseUrl": "https://log.example", "hashAlgorithm": "SHA2_256", "logId": map[string]any{"keyId": id[:]},
			"publicKey": map[string]any{"rawBytes": der, "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": map[string]any{"start": "2026-01-01T00:00:00Z"}},
		}}
	})
}
