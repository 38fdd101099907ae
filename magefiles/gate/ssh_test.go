package gate

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// TestCheckSSHSigners tries what allowed_signers can say about a key, on the
// tag that Sam signed.
func TestCheckSSHSigners(t *testing.T) {
	_, key, _ := strings.Cut(strings.TrimSpace(string(sam.Public)), "ssh-ed25519 ")
	key = "ssh-ed25519 " + key
	_, other, _ := strings.Cut(string(sal.Public), "ssh-ed25519 ")
	tests := map[string]struct {
		signers string
		owner   string
		is      any
		says    string
	}{
		"plain":               {"sam@example.com " + key, "sam@example.com", nil, ""},
		"several principals":  {"team@example.com,sam@example.com " + key, "team@example.com", nil, ""},
		"a second line":       {"# a\n\nsal@example.com ssh-ed25519 " + other + "sam@example.com " + key, "sam@example.com", nil, ""},
		"valid until later":   {`sam@example.com valid-before="20990101" ` + key, "sam@example.com", nil, ""},
		"expired, then valid": {`old@example.com valid-before="20200101" ` + key + "\nsam@example.com " + key, "sam@example.com", nil, ""},
		"expired":             {`sam@example.com valid-before="20200102030405Z" ` + key, "", new(*ExpiredKeyError), "which expired on 2020-01-02T03:04:05"},
		"not valid yet":       {`sam@example.com valid-after="20990101" ` + key, "", new(*UnusableKeyError), "key is not yet valid"},
		"for files":           {`sam@example.com namespaces="file" ` + key, "", new(*UnusableKeyError), `not permitted for use in signature namespace "git"`},
		"a CA's line":         {"sam@example.com cert-authority " + key, "", new(*UnknownKeyError), sam.Fingerprint},
		"another key":         {"sam@example.com ssh-ed25519 " + other, "", new(*UnknownKeyError), sam.Fingerprint},
		"empty":               {"", "", new(*UnknownKeyError), sam.Fingerprint},
		"nonsense":            {"sam@example.com ssh-ed25519 AAAA\n\x00\xff", "", new(*UnknownKeyError), sam.Fingerprint},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepository(t)
			r.write(".release/allowed_signers", tt.signers)
			r.commit("pin keys")
			r.tag("v0.4.0", sam)
			report := check(t, r.Repo, "v0.4.0")
			err := report.Err()
			if tt.is == nil {
				if err != nil {
					t.Fatal(err)
				}
				if s := report.Source.Tag.Signature; s.Owner != tt.owner || s.Key != sam.Fingerprint || s.File != ".release/allowed_signers" {
					t.Errorf("signature is %+v", s)
				}
				return
			}
			if err == nil || !errors.As(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want a %T that says %q", err, tt.is, tt.says)
			}
		})
	}
}

// TestCheckSSHAtNow sees that the time of the check counts, and neither the
// clock nor the tag's date.
func TestCheckSSHAtNow(t *testing.T) {
	r := newRepository(t)
	r.tag("v0.4.0", sid)
	for at, want := range map[time.Time]string{
		time.Date(2020, 12, 31, 0, 0, 0, 0, time.UTC): "pass",
		time.Date(2021, 1, 2, 0, 0, 0, 0, time.UTC):   "fail",
	} {
		report, err := Check(t.Context(), r.Repo, theProduct(), parse(t, "v0.4.0"), at)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(report.Gates[1].State); got != want {
			t.Errorf("on %s the signature is %s, want %s: %v", at, got, want, report.Err())
		}
	}
}

func TestCheckSSHCertificate(t *testing.T) {
	dir := t.TempDir()
	keygen := func(args ...string) {
		t.Helper()
		if err := run.Do(t.Context(), run.Cmd{Name: "ssh-keygen", Args: append([]string{"-q"}, args...), Dir: dir}); err != nil {
			t.Fatal(err)
		}
	}
	keygen("-t", "ed25519", "-N", "", "-f", "ca")
	keygen("-t", "ed25519", "-N", "", "-f", "id")
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pub"))
	if err != nil {
		t.Fatal(err)
	}
	who := sam.Git()
	who.Config = append(who.Config, "user.signingKey="+filepath.Join(dir, "id-cert.pub"))
	try := func(validity string) (Report, error) {
		keygen("-s", "ca", "-I", "kim", "-n", "kim@example.com", "-V", validity, "id.pub")
		r := newRepository(t)
		r.write(".release/allowed_signers", "*@example.com cert-authority "+string(ca))
		r.commit("pin a CA")
		r.tagAs("v0.4.0", who, true)
		report := check(t, r.Repo, "v0.4.0")
		return report, report.Err()
	}
	report, err := try("-1d:+1d")
	if err != nil {
		t.Fatal(err)
	}
	if s := report.Source.Tag.Signature; s.Owner != "kim@example.com" {
		t.Errorf("signature is %+v", s)
	}
	_, err = try("20200101:20200201")
	var unusable *UnusableKeyError
	if !errors.As(err, &unusable) || !strings.Contains(err.Error(), "has expired or names nobody who is pinned") {
		t.Errorf("an expired certificate: %v", err)
	}
}
