package keys

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
)

func TestNew(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("a", 90), "keys")
	tests := map[string]struct {
		make   func(context.Context) (*Signer, error)
		public string
		kept   string
	}{
		"openpgp": {func(ctx context.Context) (*Signer, error) { return NewOpenPGP(ctx, "", "Ada", "ada@example.com") },
			"-----BEGIN PGP PUBLIC KEY BLOCK-----", ""},
		"openpgp, a directory too long for a socket": {func(ctx context.Context) (*Signer, error) {
			return NewOpenPGP(ctx, long, "Ada", "ada@example.com")
		}, "-----BEGIN PGP PUBLIC KEY BLOCK-----", long},
		"ssh":           {func(ctx context.Context) (*Signer, error) { return NewSSH(ctx, "", "Ada", "ada@example.com") }, `ada@example.com namespaces="git" ssh-ed25519 `, ""},
		"what there is": {func(ctx context.Context) (*Signer, error) { return New(ctx, "", "Ada", "ada@example.com") }, "-----BEGIN PGP PUBLIC KEY BLOCK-----", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := tt.make(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(s.Public, []byte(tt.public)) {
				t.Errorf("public key is %.60q, want it to begin with %q", s.Public, tt.public)
			}
			if s.Fingerprint == "" {
				t.Error("no fingerprint")
			}
			repo, err := git.Init(t.Context(), t.TempDir(), "main")
			if err != nil {
				t.Fatal(err)
			}
			at := time.Unix(1700000000, 0)
			commit, err := repo.Commit(t.Context(), s.Git(), at, "first")
			if err != nil {
				t.Fatal(err)
			}
			if err := repo.MakeTag(t.Context(), s.Git(), at, "v0.1.0", commit, "Release v0.1.0", true); err != nil {
				t.Fatal(err)
			}
			ref, err := repo.Tag(t.Context(), "v0.1.0")
			if err != nil {
				t.Fatal(err)
			}
			tag, err := repo.ReadTag(t.Context(), ref.Object)
			if err != nil {
				t.Fatal(err)
			}
			if tag.Format() != s.Format {
				t.Errorf("the tag's signature is %q, want %q", tag.Format(), s.Format)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(s.Home); !os.IsNotExist(err) {
				t.Errorf("after Close, %s: %v, want it gone", s.Home, err)
			}
			if tt.kept != "" {
				if _, err := os.Stat(filepath.Join(tt.kept, "pubring.kbx")); err != nil {
					t.Errorf("the key was to be kept: %v", err)
				}
			}
		})
	}
}

func TestNewFails(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	_, err := NewOpenPGP(t.Context(), "", "Ada", "ada@example.com", Algorithm("no-such-curve"))
	if err == nil || !strings.Contains(err.Error(), "making an OpenPGP key: `gpg ") {
		t.Errorf("got %v, want gpg's error", err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
