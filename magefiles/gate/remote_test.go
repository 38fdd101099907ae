package gate

import (
	"errors"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
)

// clone clones over the file protocol, which knows depths.
func (r repository) clone(args ...string) repository {
	r.t.Helper()
	dir := r.t.TempDir()
	gitIn(r.t, dir, "", append(append([]string{"clone", "-q"}, args...), "file://"+r.Dir, "c")...)
	repo, err := git.Open(r.t.Context(), dir+"/c")
	if err != nil {
		r.t.Fatal(err)
	}
	return repository{repo, r.t}
}

func TestCheckShallowClone(t *testing.T) {
	r := newRepository(t)
	r.tag("v0.4.0", ada)
	r.commit("after the tag")
	for name, tt := range map[string]struct {
		args   []string
		states string
		lacks  string
	}{
		"of main, without tags": {[]string{"--depth=1", "--no-tags"}, "tag=fail tree=pass", "the tag v0.4.0"},
		"of the tag alone":      {[]string{"--depth=1", "--branch=v0.4.0"}, "tag=pass signature=fail branch=fail head=pass tree=pass", "the branch main"},
	} {
		t.Run(name, func(t *testing.T) {
			report := check(t, r.clone(tt.args...).Repo, "v0.4.0")
			var shallow *ShallowError
			if !errors.As(report.Err(), &shallow) || shallow.Lacks != tt.lacks {
				t.Errorf("got %v, want that it lacks %s", report.Err(), tt.lacks)
			}
			if got := states(report); got != tt.states {
				t.Errorf("gates are %s, want %s", got, tt.states)
			}
			if says := report.Err().Error(); !strings.Contains(says, "git fetch --unshallow --tags") || strings.Count(says, "\n") > 0 {
				t.Errorf("the error says %q, want one sentence with what to do", says)
			}
		})
	}
	t.Run("without the history between", func(t *testing.T) {
		c := r.clone("--depth=1", "--branch=v0.4.0")
		c.git("fetch", "-q", "--depth=1", "origin", "+refs/heads/main:refs/remotes/origin/main")
		report := check(t, c.Repo, "v0.4.0")
		var shallow *ShallowError
		if !errors.As(report.Err(), &shallow) || !strings.Contains(shallow.Lacks, "the history between commit ") {
			t.Errorf("got %v", report.Err())
		}
		if got, want := states(report), "tag=pass signature=pass branch=fail head=pass tree=pass"; got != want {
			t.Errorf("gates are %s, want %s", got, want)
		}
		c.git("fetch", "-q", "--unshallow", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
		if got := states(check(t, c.Repo, "v0.4.0")); got != allPass {
			t.Errorf("after what the error says, gates are %s", got)
		}
	})
}

func TestCheckHomeRemote(t *testing.T) {
	home := newRepository(t)
	home.git("switch", "-q", "-c", "hotfix/v0.3.1")
	home.commit("a fix")
	home.tag("v0.3.1", ada)
	home.git("switch", "-q", "main")

	// Mal's repository: a main branch with his key and a commit of his own.
	evil := home.clone()
	evil.write(".release/keys/mal.asc", string(mal.Public))
	evil.commit("pin my key")
	evil.tag("v0.5.0", mal)

	t.Run("hotfix, in a clone that has the branches of its remote only", func(t *testing.T) {
		c := home.clone("--branch=v0.3.1")
		report := check(t, c.Repo, "v0.3.1")
		if got := states(report); got != allPass {
			t.Fatalf("gates are %s: %v", got, report.Err())
		}
		if d := report.Gates[2].Detail; !strings.HasSuffix(d, "is on origin/hotfix/v0.3.1") {
			t.Errorf("the branch gate says %q", d)
		}
		if from := report.Source.Tag.Signature.From; !strings.HasPrefix(from, "origin/main (") {
			t.Errorf("keys are from %q, want origin/main", from)
		}
	})
	t.Run("other remotes have no say", func(t *testing.T) {
		c := home.clone()
		c.git("remote", "add", "mal", "file://"+evil.Dir)
		c.git("fetch", "-q", "--tags", "mal")
		c.git("switch", "-q", "--detach", "refs/tags/v0.5.0")
		report := check(t, c.Repo, "v0.5.0")
		if got, want := states(report), "tag=pass signature=fail branch=fail head=pass tree=pass"; got != want {
			t.Errorf("gates are %s, want %s: %v", got, want, report.Err())
		}
	})
	t.Run("keys come from the remote, not from the local main", func(t *testing.T) {
		c := home.clone()
		c.write(".release/keys/mal.asc", string(mal.Public))
		c.commit("not pushed")
		c.tag("v0.6.0", mal)
		if got, want := states(check(t, c.Repo, "v0.6.0")), "tag=pass signature=fail branch=pass head=pass tree=pass"; got != want {
			t.Errorf("gates are %s, want %s", got, want)
		}
	})
	t.Run("the remote with the product's URL before origin", func(t *testing.T) {
		c := evil.clone("--branch=v0.5.0") // origin is the fork
		c.git("remote", "add", "upstream", "file://"+home.Dir)
		c.git("fetch", "-q", "upstream")
		c.git("remote", "set-url", "upstream", "git@github.com:kubedoio/rustshare.git")
		if got, want := states(check(t, c.Repo, "v0.5.0")), "tag=pass signature=fail branch=fail head=pass tree=pass"; got != want {
			t.Errorf("gates are %s, want %s", got, want)
		}
	})
}

func TestSameRepository(t *testing.T) {
	const source = "https://github.com/kubedoio/rustshare"
	for url, want := range map[string]bool{
		"https://github.com/kubedoio/rustshare.git":                true,
		"https://github.com/kubedoio/rustshare/":                   true,
		"https://x-access-token:abc@github.com/kubedoio/rustshare": true,
		"git@github.com:kubedoio/rustshare.git":                    true,
		"ssh://git@GitHub.com:22/kubedoio/rustshare.git":           true,
		"https://github.com/mallory/rustshare":                     false,
		"https://github.com.example.com/kubedoio/rustshare":        false,
		"https://example.com/github.com/kubedoio/rustshare":        false,
		"/srv/github.com/kubedoio/rustshare":                       false,
		"./a:b":                                                    false,
		"":                                                         false,
		"https:":                                                   false,
	} {
		if got := sameRepository(url, source); got != want {
			t.Errorf("sameRepository(%q) = %v, want %v", url, got, want)
		}
	}
}
