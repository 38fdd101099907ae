package gate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

func check(t *testing.T, repo git.Repo, name string) Report {
	t.Helper()
	report, err := Check(t.Context(), repo, theProduct(), parse(t, name), now)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// states gives "tag=pass signature=fail …".
func states(r Report) string {
	var out []string
	for _, g := range r.Gates {
		out = append(out, g.Name+"="+string(g.State))
	}
	return strings.Join(out, " ")
}

const allPass = "tag=pass signature=pass branch=pass head=pass tree=pass"

func TestCheckPasses(t *testing.T) {
	tests := map[string]struct {
		tag string
		by  *keys.Signer
		key string
	}{
		"Ed25519, one of two keys in a file": {"v0.4.0", ada, ada.Fingerprint},
		"RSA":                                {"v0.4.0", rex, rex.Fingerprint},
		"ECDSA":                              {"v0.4.0", eve, eve.Fingerprint},
		"SSH":                                {"v0.4.0", sam, sam.Fingerprint},
		"a signed candidate":                 {"v0.4.0-rc.1", ada, ada.Fingerprint},
		"build metadata":                     {"v0.4.0+build.7", sam, sam.Fingerprint},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepository(t)
			r.tag(tt.tag, tt.by)
			report := check(t, r.Repo, tt.tag)
			if got := states(report); got != allPass {
				t.Fatalf("gates are %s, want %s: %v", got, allPass, report.Err())
			}
			if report.Err() != nil {
				t.Errorf("Err() = %v, want none", report.Err())
			}
			src := report.Source
			if !src.Signed() || src.Tag.Signature.Key != tt.key {
				t.Fatalf("signature is %+v, want one by %s", src.Tag.Signature, tt.key)
			}
			if src.Commit != r.git("rev-parse", "HEAD") || src.FullRef != "refs/tags/"+tt.tag || !src.CommitTime.Equal(time.Unix(1700000000, 0)) || src.CommitTime.Location() != time.UTC {
				t.Errorf("source is %+v", src)
			}
			if src.Tag.Object != r.git("rev-parse", "refs/tags/"+tt.tag) || src.Tag.Tagger != tt.by.Name+" <"+tt.by.Email+">" || !src.Tag.Time.Equal(signed) {
				t.Errorf("tag is %+v", src.Tag)
			}
			if s := src.Tag.Signature; !strings.Contains(s.Owner, tt.by.Email) || !strings.HasPrefix(s.File, ".release/") || !strings.HasPrefix(s.From, "main (") {
				t.Errorf("signature is %+v", s)
			}
		})
	}
}

func TestCheckRefuses(t *testing.T) {
	tests := map[string]struct {
		tag    string // v0.4.0 where empty
		make   func(r repository)
		states string
		says   []string
		is     any
	}{
		"no such tag": {
			make:   func(repository) {},
			states: "tag=fail tree=pass",
			says:   []string{"there is no tag v0.4.0", "git fetch --tags"},
			is:     new(*TagMissingError),
		},
		"a longer tag": {
			make:   func(r repository) { r.tag("v0.4.0/x", ada) },
			states: "tag=fail tree=pass",
			says:   []string{"there is no tag v0.4.0"},
			is:     new(*TagMissingError),
		},
		"a branch of that name": {
			make:   func(r repository) { r.git("branch", "v0.4.0") },
			states: "tag=fail tree=pass",
			is:     new(*TagMissingError),
		},
		"lightweight": {
			make:   func(r repository) { r.git("tag", "v0.4.0") },
			states: "tag=fail branch=pass head=pass tree=pass",
			says:   []string{"v0.4.0 is a lightweight tag", "annotated", "git fetch --force --tags", "git tag -s -f v0.4.0"},
			is:     new(*LightweightTagError),
		},
		"lightweight candidate": {
			tag:    "v0.4.0-rc.1",
			make:   func(r repository) { r.git("tag", "v0.4.0-rc.1") },
			states: "tag=fail branch=pass head=pass tree=pass",
			is:     new(*LightweightTagError),
		},
		"unsigned": {
			make:   func(r repository) { r.tag("v0.4.0", nil) },
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"v0.4.0 by Nobody <nobody@example.com> is not signed", "git tag -s v0.4.0"},
			is:     new(*UnsignedTagError),
		},
		"unknown OpenPGP key": {
			make:   func(r repository) { r.tag("v0.4.0", mal) },
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"signed by key " + mal.Fingerprint + ", which is not pinned", ".release/keys/ada.asc", ".release/keys/rex.asc", "on main ("},
			is:     new(*UnknownKeyError),
		},
		"unknown SSH key": {
			make:   func(r repository) { r.tag("v0.4.0", sal) },
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"signed by key " + sal.Fingerprint + ", which is not pinned: looked at .release/allowed_signers on main ("},
			is:     new(*UnknownKeyError),
		},
		"candidate signed by an unknown key": {
			tag:    "v0.4.0-rc.1",
			make:   func(r repository) { r.tag("v0.4.0-rc.1", mal) },
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			is:     new(*UnknownKeyError),
		},
		"no keys pinned": {
			make: func(r repository) {
				r.git("rm", "-r", "-q", ".release")
				r.commit("no keys")
				r.tag("v0.4.0", ada)
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"which is not pinned: there is no .release/keys/*.asc on main ("},
			is:     new(*UnknownKeyError),
		},
		"no SSH keys pinned": {
			make: func(r repository) {
				r.git("rm", "-r", "-q", ".release")
				r.commit("no keys")
				r.tag("v0.4.0", sam)
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{sam.Fingerprint + ", which is not pinned: there is no .release/allowed_signers on main ("},
			is:     new(*UnknownKeyError),
		},
		"keys that only the tagged commit has": {
			make: func(r repository) {
				r.git("switch", "-q", "-c", "hotfix/v0.3.1")
				r.write(".release/keys/mal.asc", string(mal.Public))
				r.commit("pin my own key")
				r.tag("v0.4.0", mal)
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{mal.Fingerprint},
			is:     new(*UnknownKeyError),
		},
		"keys that only the working tree has": {
			make: func(r repository) {
				r.tag("v0.4.0", mal)
				r.write(".release/keys/mal.asc", string(mal.Public))
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=fail",
			says:   []string{mal.Fingerprint, "differs from the commit in .release/keys/mal.asc"},
			is:     new(*UnknownKeyError),
		},
		"expired OpenPGP key": {
			make:   func(r repository) { r.tagAs("v0.4.0", faked(r.t, old), true) },
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"key " + old.Fingerprint + " of Old <old@example.com>, which expired on 2021-01-01 00:00 UTC", "the signature says 2020-06-01 12:00 UTC", ".release/keys/old.asc"},
			is:     new(*ExpiredKeyError),
		},
		"expired SSH key": {
			make:   func(r repository) { r.tag("v0.4.0", sid) },
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"key " + sid.Fingerprint + ", which expired on 2021-01-01T00:00:00", "the signature says 2020-06-01"},
			is:     new(*ExpiredKeyError),
		},
		"revoked key": {
			make:   func(r repository) { r.tag("v0.4.0", rev) },
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"key " + rev.Fingerprint + " of Rev <rev@example.com>, which was revoked on " + now.UTC().Format("2006-01-02"), ".release/keys/rev.asc"},
			is:     new(*RevokedKeyError),
		},
		"changed after an OpenPGP signature": {
			make: func(r repository) {
				r.tag("v0.4.0-x", ada)
				r.rewrite("v0.4.0-x", "v0.4.0", func(s string) string { return strings.ReplaceAll(s, "v0.4.0-x", "v0.4.0") })
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"the signature of v0.4.0 by key " + ada.Fingerprint + " is bad: it does not fit the tag's content"},
			is:     new(*BadSignatureError),
		},
		"changed after an SSH signature": {
			make: func(r repository) {
				r.tag("v0.4.0-x", sam)
				r.rewrite("v0.4.0-x", "v0.4.0", func(s string) string { return strings.ReplaceAll(s, "v0.4.0-x", "v0.4.0") })
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"the signature of v0.4.0 is bad: ssh-keygen says", "incorrect signature"},
			is:     new(*BadSignatureError),
		},
		"candidate changed after it was signed": {
			tag: "v0.4.0-rc.1",
			make: func(r repository) {
				r.tag("v0.4.0-rc.1", ada)
				r.rewrite("v0.4.0-rc.1", "v0.4.0-rc.1", func(s string) string { return strings.ReplaceAll(s, "Release", "Rerelease") })
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			is:     new(*BadSignatureError),
		},
		"damaged signature": {
			make: func(r repository) {
				r.tag("v0.4.0", ada)
				r.rewrite("v0.4.0", "v0.4.0", func(s string) string {
					head, _, _ := strings.Cut(s, "-----BEGIN PGP")
					return head + "-----BEGIN PGP SIGNATURE-----\n\n????\n-----END PGP SIGNATURE-----\n"
				})
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"is bad: it cannot be read"},
			is:     new(*BadSignatureError),
		},
		"text after the signature": {
			make: func(r repository) {
				r.tag("v0.4.0", ada)
				r.rewrite("v0.4.0", "v0.4.0", func(s string) string { return s + "and more\n" })
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"text follows it that it does not cover"},
			is:     new(*BadSignatureError),
		},
		"X.509 signature": {
			make: func(r repository) {
				r.tag("v0.4.0", nil)
				r.rewrite("v0.4.0", "v0.4.0", func(s string) string {
					return s + "-----BEGIN SIGNED MESSAGE-----\nAAAA\n-----END SIGNED MESSAGE-----\n"
				})
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"v0.4.0 has an X.509 signature, want a signature that the product accepts (OpenPGP or SSH)"},
			is:     new(*UnsupportedSignatureError),
		},
		"renamed": {
			make: func(r repository) {
				r.tag("v0.3.0", ada)
				r.git("update-ref", "refs/tags/v0.4.0", "refs/tags/v0.3.0")
			},
			states: "tag=fail signature=pass branch=pass head=pass tree=pass",
			says:   []string{"the ref v0.4.0 holds the tag object of v0.3.0", "git fetch --force --tags"},
			is:     new(*RenamedTagError),
		},
		"a tag of a tag": {
			make: func(r repository) {
				r.tag("v0.3.0", ada)
				r.git("tag", "-a", "-m", "x", "v0.4.0", "refs/tags/v0.3.0")
			},
			states: "tag=fail tree=pass",
			says:   []string{"v0.4.0 is a tag of a tag, want a tag of a commit"},
			is:     new(*WrongObjectError),
		},
		"a tag of a tree": {
			make:   func(r repository) { r.git("tag", "-a", "-m", "x", "v0.4.0", "HEAD^{tree}") },
			states: "tag=fail tree=pass",
			says:   []string{"v0.4.0 is a tag of a tree"},
			is:     new(*WrongObjectError),
		},
		"a ref to a blob": {
			make:   func(r repository) { r.git("update-ref", "refs/tags/v0.4.0", r.git("rev-parse", "HEAD:README.md")) },
			states: "tag=fail tree=pass",
			says:   []string{"v0.4.0 is a tag of a blob"},
			is:     new(*WrongObjectError),
		},
		"a malformed tag object": {
			make: func(r repository) {
				r.tag("v0.4.0", ada)
				r.rewrite("v0.4.0", "v0.4.0", func(s string) string { return strings.Replace(s, "\ntagger", "\nextra 1\ntagger", 1) })
			},
			states: "tag=fail branch=pass head=pass tree=pass",
			says:   []string{"v0.4.0 is no tag object as git writes it", "its header has 5 lines"},
			is:     new(*MalformedTagError),
		},
		"another branch": {
			make: func(r repository) {
				r.git("switch", "-q", "-c", "feature/main")
				r.commit("not merged")
				r.git("branch", "hotfix/v0.3.1", "main")
				r.tag("v0.4.0", ada)
			},
			states: "tag=pass signature=pass branch=fail head=pass tree=pass",
			says:   []string{"is on none of the branches that a release may come from (main, hotfix/*): looked at hotfix/v0.3.1, main; merge it"},
			is:     new(*WrongBranchError),
		},
		"no main branch": {
			make: func(r repository) {
				r.tag("v0.4.0", ada)
				r.git("branch", "-q", "-m", "trunk")
			},
			states: "tag=pass signature=fail branch=fail head=pass tree=pass",
			says:   []string{"the main branch is not here: looked for refs/heads/main"},
			is:     new(*NoMainBranchError),
		},
		"another HEAD": {
			make: func(r repository) {
				r.tag("v0.4.0", ada)
				r.commit("later")
			},
			states: "tag=pass signature=pass branch=pass head=fail tree=pass",
			says:   []string{"HEAD is ", "run `git switch --detach v0.4.0`"},
			is:     new(*WrongHeadError),
		},
		"dirty": {
			make: func(r repository) {
				r.tag("v0.4.0", ada)
				r.write("README.md", "three")
				r.write("new file", "x")
			},
			states: "tag=pass signature=pass branch=pass head=pass tree=fail",
			says:   []string{"the working tree differs from the commit in README.md, new file: commit"},
			is:     new(*DirtyTreeError),
		},
		"dirty, staged": {
			make: func(r repository) {
				r.tag("v0.4.0", ada)
				r.git("mv", "README.md", "READ.me")
			},
			states: "tag=pass signature=pass branch=pass head=pass tree=fail",
			says:   []string{"READ.me, README.md"},
			is:     new(*DirtyTreeError),
		},
		"dirty, hidden from git status": {
			make: func(r repository) {
				r.tag("v0.4.0", ada)
				r.git("update-index", "--assume-unchanged", "README.md")
				r.write("README.md", "three")
			},
			states: "tag=pass signature=pass branch=pass head=pass tree=fail",
			says:   []string{"README.md (hidden by git update-index)"},
			is:     new(*DirtyTreeError),
		},
		"many dirty files": {
			make: func(r repository) {
				r.tag("v0.4.0", ada)
				for i := range 8 {
					r.write(fmt.Sprintf("f%d", i), "x")
				}
			},
			states: "tag=pass signature=pass branch=pass head=pass tree=fail",
			says:   []string{"f0, f1, f2, f3, f4 and 3 more"},
			is:     new(*DirtyTreeError),
		},
		"everything at once": {
			make: func(r repository) {
				r.git("switch", "-q", "-c", "feature/x")
				r.commit("not merged")
				r.tag("v0.4.0", nil)
				r.git("switch", "-q", "main")
				r.write("README.md", "three")
			},
			states: "tag=pass signature=fail branch=fail head=fail tree=fail",
			says:   []string{"is not signed", "is on none of the branches", "git switch --detach", "README.md"},
			is:     new(*WrongHeadError),
		},
		"a broken key file": {
			make: func(r repository) {
				r.write(".release/keys/new.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nnonsense\n")
				r.commit("pin a key")
				r.tag("v0.4.0", ada)
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"the pinned key file .release/keys/new.asc on main (", "cannot be used", "gpg --armor --export"},
			is:     new(*BrokenKeyFileError),
		},
		"a key file that is a link": {
			make: func(r repository) {
				if err := os.Symlink("ada.asc", filepath.Join(r.Dir, ".release/keys/new.asc")); err != nil {
					r.t.Fatal(err)
				}
				r.commit("pin a key")
				r.tag("v0.4.0", ada)
			},
			states: "tag=pass signature=fail branch=pass head=pass tree=pass",
			says:   []string{"new.asc on main (", "it is no regular file (git mode 120000)"},
			is:     new(*BrokenKeyFileError),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepository(t)
			tt.make(r)
			tag := tt.tag
			if tag == "" {
				tag = "v0.4.0"
			}
			report := check(t, r.Repo, tag)
			err := report.Err()
			if got := states(report); got != tt.states {
				t.Errorf("gates are %s, want %s: %v", got, tt.states, err)
			}
			if err == nil {
				t.Fatal("nothing was refused")
			}
			if !errors.As(err, tt.is) {
				t.Errorf("%v is no %T", err, tt.is)
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(states(report), "signature=fail") && report.Source.Signed() {
				t.Error("the source counts as signed")
			}
			for i, g := range slices.DeleteFunc(slices.Clone(report.Gates), func(g decide.Gate) bool { return g.State != decide.Fail }) {
				if g.Detail != report.Refusals[i].Error() {
					t.Errorf("gate %s says %q, want %q", g.Name, g.Detail, report.Refusals[i])
				}
			}
		})
	}
}

func TestCheckUnsignedCandidate(t *testing.T) {
	r := newRepository(t)
	r.tag("v0.4.0-rc.1", nil)
	report := check(t, r.Repo, "v0.4.0-rc.1")
	if got, want := states(report), "tag=pass signature=warning branch=pass head=pass tree=pass"; got != want {
		t.Errorf("gates are %s, want %s", got, want)
	}
	if d := report.Gates[1].Detail; !strings.Contains(d, "v0.4.0-rc.1 is NOT SIGNED") || !strings.Contains(d, "git tag -s") {
		t.Errorf("the warning says %q", d)
	}
	if report.Source.Signed() || report.Err() != nil {
		t.Errorf("signed %v, error %v", report.Source.Signed(), report.Err())
	}

	strict := theProduct()
	strict.Trust.UnsignedCandidates = false
	report, err := Check(t.Context(), r.Repo, strict, parse(t, "v0.4.0-rc.1"), now)
	var unsigned *UnsignedTagError
	if err != nil || !errors.As(report.Err(), &unsigned) {
		t.Errorf("where candidates have to be signed: %v, %v", report.Err(), err)
	}
}

func TestCheckTrustsOnlyWhatTheProductAccepts(t *testing.T) {
	for name, tt := range map[string]struct {
		trust product.Trust
		by    *keys.Signer
		says  string
	}{
		"no SSH":     {product.Trust{OpenPGP: []string{".release/keys/**"}}, sam, "v0.4.0 has an SSH signature, want a signature that the product accepts (OpenPGP)"},
		"no OpenPGP": {product.Trust{SSHSigners: ".release/allowed_signers"}, ada, "v0.4.0 has an OpenPGP signature, want a signature that the product accepts (SSH)"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepository(t)
			r.tag("v0.4.0", tt.by)
			p := theProduct()
			p.Trust = tt.trust
			report, err := Check(t.Context(), r.Repo, p, parse(t, "v0.4.0"), now)
			var unsupported *UnsupportedSignatureError
			if err != nil || !errors.As(report.Err(), &unsupported) || !strings.Contains(report.Err().Error(), tt.says) {
				t.Errorf("got %v, %v, want %q", report.Err(), err, tt.says)
			}
		})
	}
}

func TestCheckStops(t *testing.T) {
	r := newRepository(t)
	_, err := Check(t.Context(), r.Repo, theProduct(), decide.Ref{Name: "-x", Channel: decide.Stable}, now)
	if err == nil || !strings.Contains(err.Error(), `checking "-x"`) {
		t.Errorf("a ref made by hand: %v", err)
	}
	_, err = Check(t.Context(), r.Repo, theProduct(), decide.Ref{Name: "main", Channel: "weekly"}, now)
	if err == nil || !strings.Contains(err.Error(), `unknown channel "weekly"`) {
		t.Errorf("an unknown channel: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = Check(ctx, r.Repo, theProduct(), parse(t, "v0.4.0"), now); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	empty, err := git.Init(t.Context(), t.TempDir(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Check(t.Context(), empty, theProduct(), parse(t, "main"), now); !errors.Is(err, git.ErrNoCommit) {
		t.Errorf("no commit: %v", err)
	}
}

func TestCheckOutputAndIgnoredFilesAreNotDirt(t *testing.T) {
	r := newRepository(t)
	r.tag("v0.4.0", ada)
	r.write("dist/v0.4.0/index.json", "{}")
	r.write("target/debug", "x")
	if got := states(check(t, r.Repo, "v0.4.0")); got != allPass {
		t.Errorf("gates are %s", got)
	}
}

func TestCheckEdge(t *testing.T) {
	r := newRepository(t)
	for _, name := range []string{"main", "nightly"} {
		report := check(t, r.Repo, name)
		if got, want := states(report), "branch=pass tree=pass"; got != want {
			t.Errorf("gates are %s, want %s", got, want)
		}
		if s := report.Source; s.Commit != r.git("rev-parse", "HEAD") || s.FullRef != "refs/heads/main" || s.Tag != nil || s.Signed() {
			t.Errorf("source is %+v", s)
		}
	}
	r.git("switch", "-q", "-c", "hotfix/v0.3.1")
	r.commit("a fix")
	r.write("x", "y")
	report := check(t, r.Repo, "main")
	var branch *WrongBranchError
	if got, want := states(report), "branch=fail tree=fail"; got != want || !errors.As(report.Err(), &branch) {
		t.Errorf("gates are %s, want %s: %v", got, want, report.Err())
	}
	if says := report.Err().Error(); !strings.Contains(says, "(main): looked at main; ") {
		t.Errorf("error is %q", says)
	}
}
