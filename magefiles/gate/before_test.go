package gate

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// before gives the gates of a tag at HEAD, by their names.
func (r repository) before(tag string) map[string]decide.Gate {
	r.t.Helper()
	return r.beforeAt(tag, r.git("rev-parse", "HEAD"), now)
}

func (r repository) beforeAt(tag, commit string, at time.Time) map[string]decide.Gate {
	r.t.Helper()
	gates, err := Before(r.t.Context(), r.Repo, theProduct(), parse(r.t, tag), commit, at)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]decide.Gate{}
	names := ""
	for _, g := range gates {
		out[g.Name] = g
		names += g.Name + " "
		if strings.Contains(g.Detail, "\n") {
			r.t.Errorf("the gate %s says no sentence: %q", g.Name, g.Detail)
		}
	}
	if want := "name order branch pushed head tree clock "; names != want {
		r.t.Errorf("gates are %q, want %q", names, want)
	}
	return out
}

// wants holds gates against "NAME STATE: detail" lines.
func wants(t *testing.T, gates map[string]decide.Gate, lines ...string) {
	t.Helper()
	for _, line := range lines {
		name, want, _ := strings.Cut(line, " ")
		if got := string(gates[name].State) + ": " + gates[name].Detail; got != want {
			t.Errorf("the gate %s is\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestBeforePasses(t *testing.T) {
	home := newRepository(t)
	at := home.git("rev-parse", "--short=12", "HEAD")
	c := home.clone()
	clock := now.UTC().Format("2006-01-02 15:04 UTC")
	wants(t, c.before("v0.4.0-rc.1"),
		"name pass: v0.4.0-rc.1 is free here and at origin",
		"order pass: 0.4.0 is the first release",
		"branch pass: commit "+at+" is on origin/main",
		"pushed pass: commit "+at+" is on origin/main",
		"head pass: HEAD is commit "+at,
		"tree pass: the working tree is the commit's",
		"clock pass: the clock says "+clock)
	wants(t, home.before("v0.4.0"),
		"name pass: v0.4.0 is free",
		"branch pass: commit "+at+" is on main",
		"pushed pass: this repository has no remote")
}

func TestBeforeName(t *testing.T) {
	home := newRepository(t)
	c := home.clone()
	c.tag("v0.4.0", nil)
	c.git("tag", "v0.5.0", "HEAD^{tree}")
	at := c.git("rev-parse", "--short=12", "HEAD")
	wants(t, c.before("v0.4.0"), "name fail: there is a tag v0.4.0 already, at commit "+at+": where it was never pushed, run `git tag -d v0.4.0`; else take the next version")
	wants(t, c.before("v0.5.0"), "name fail: there is a tag v0.5.0 already, which leads to no commit: where it was never pushed, run `git tag -d v0.5.0`; else take the next version")
	home.tag("v0.6.0", nil)
	wants(t, c.before("v0.6.0"), "name fail: origin has a tag v0.6.0 already, and a tag that is published is never made again: take the next version, after `git fetch --tags origin`")
}

func TestBeforeWithoutTheRemote(t *testing.T) {
	home := newRepository(t)
	c := home.clone()
	gone := filepath.Join(t.TempDir(), "gone")
	c.git("remote", "set-url", "origin", gone)
	says := "(fatal: '" + gone + "' does not appear to be a git repository)"
	at := c.git("rev-parse", "--short=12", "HEAD")
	wants(t, c.before("v0.4.0"),
		"name warning: v0.4.0 is free here; whether origin has it is not known "+says+": look there before you push",
		"order pass: 0.4.0 is the first release",
		"pushed warning: commit "+at+" is on origin/main, as the last fetch saw it; what is there now is not known "+says)
	c.write("new", "x")
	at = c.commit("not pushed")[:12]
	wants(t, c.before("v0.4.0"), "pushed fail: commit "+at+" is on no branch main or hotfix/* of origin, so pushing the tag would push commits that nobody has seen there: push the branch first (`git push origin main`), or, where that was done elsewhere, run `git fetch origin`")
}

func TestBeforePushed(t *testing.T) {
	home := newRepository(t)
	c := home.clone()
	const fail = " is on no branch main or hotfix/* of origin, so pushing the tag would push commits that nobody has seen there: push the branch first (`git push origin "
	t.Run("behind the remote, and not fetched", func(t *testing.T) {
		home.write("more", "x")
		home.commit("more")
		at := c.git("rev-parse", "--short=12", "HEAD")
		wants(t, c.before("v0.4.0"), "pushed pass: commit "+at+" is on origin/main")
		c.git("switch", "-q", "-c", "aside")
		c.write("aside", "x")
		at = c.commit("not pushed")[:12]
		wants(t, c.before("v0.4.0"), "pushed fail: commit "+at+fail+"main`), or, where that was done elsewhere, run `git fetch origin`")
		c.git("switch", "-q", "main")
		c.git("pull", "-q")
	})
	t.Run("pushed by somebody else, and not fetched", func(t *testing.T) {
		c.write("theirs", "x")
		at := c.commit("theirs")[:12]
		wants(t, c.before("v0.4.0"), "pushed fail: commit "+at+fail+"main`)")
		home.git("pull", "-q", c.Dir, "main")
		wants(t, c.before("v0.4.0"), "pushed pass: commit "+at+" is on origin/main")
	})
	t.Run("on main", func(t *testing.T) {
		c.write("new", "x")
		at := c.commit("not pushed")[:12]
		wants(t, c.before("v0.4.0"), "branch pass: commit "+at+" is on main", "pushed fail: commit "+at+fail+"main`)")
		c.git("push", "-q", "origin", "main:feature")
		wants(t, c.before("v0.4.0"), "pushed fail: commit "+at+fail+"main`)")
		home.git("switch", "-q", "--detach")
		c.git("push", "-q", "origin", "main")
		wants(t, c.before("v0.4.0"), "pushed pass: commit "+at+" is on origin/main")
	})
	t.Run("on a hotfix branch", func(t *testing.T) {
		c.git("switch", "-q", "-c", "hotfix/v0.3.1")
		c.write("fix", "x")
		at := c.commit("a fix")[:12]
		wants(t, c.before("v0.3.1"), "branch pass: commit "+at+" is on hotfix/v0.3.1", "pushed fail: commit "+at+fail+"hotfix/v0.3.1`)")
		c.git("push", "-q", "origin", "hotfix/v0.3.1")
		wants(t, c.before("v0.3.1"), "pushed pass: commit "+at+" is on origin/hotfix/v0.3.1")
		home.git("branch", "-D", "hotfix/v0.3.1")
		wants(t, c.before("v0.3.1"), "pushed fail: commit "+at+fail+"hotfix/v0.3.1`)")
	})
}

func TestBeforeCheckout(t *testing.T) {
	r := newRepository(t)
	first, second := r.git("rev-parse", "HEAD^"), r.git("rev-parse", "HEAD")
	r.write("README.md", "changed")
	wants(t, r.beforeAt("v0.4.0", first, now),
		"head fail: HEAD is commit "+second[:12]+", and v0.4.0 is to be made at commit "+first[:12]+": run `git switch --detach "+first+"`",
		"tree fail: the working tree differs from the commit in README.md: commit, stash or remove what is there (`git status`)")
	r.git("switch", "-q", "-c", "feature")
	at := r.commit("a feature")[:12]
	wants(t, r.before("v0.4.0"), "branch fail: commit "+at+" is on none of the branches that a release may come from (main, hotfix/*): looked at main; merge it first, or tag the right commit")
}

func TestBeforeClock(t *testing.T) {
	r := newRepository(t) // HEAD was committed at 1700000000, 2023-11-14 22:13:20
	head := r.git("rev-parse", "HEAD")
	made := time.Unix(1700000000, 0)
	wants(t, r.beforeAt("v0.4.0", head, made.Add(-5*time.Minute)), "clock pass: the clock says 2023-11-14 22:08 UTC")
	wants(t, r.beforeAt("v0.4.0", head, made.Add(-5*time.Minute-time.Second)),
		"clock fail: this machine's clock says 2023-11-14 22:08 UTC, and commit "+head[:12]+" was made on 2023-11-14 22:13 UTC: set the clock right, since the tag and its signature are dated by it")
}

func TestBeforeOrder(t *testing.T) {
	tests := map[string]struct{ tags, tag, want string }{
		"the first release, whatever it is": {"", "v3.2.1", "pass: 3.2.1 is the first release"},
		"the first candidate":               {"", "v0.4.0-rc.1", "pass: 0.4.0 is the first release"},
		"a patch":                           {"v0.3.0 v0.3.1", "v0.3.2", "pass: 0.3.2 follows v0.3.1"},
		"a minor":                           {"v0.9.0", "v0.10.0", "pass: 0.10.0 follows v0.9.0"},
		"a major":                           {"v0.9.3", "v1.0.0", "pass: 1.0.0 follows v0.9.3"},
		"a candidate of a minor":            {"v0.3.0 v0.4.0-rc.1", "v0.4.0-rc.2", "pass: 0.4.0 follows v0.3.0"},
		"a stable one after its candidates": {"v0.3.0 v0.4.0-rc.1", "v0.4.0", "pass: 0.4.0 follows v0.3.0"},
		"a beta, and no number":             {"v0.3.0 v0.4.0-alpha.1", "v0.4.0-beta.7", "pass: 0.4.0 follows v0.3.0"},
		"build metadata":                    {"v0.3.0+b.1", "v0.3.1+b.2", "pass: 0.3.1 follows v0.3.0+b.1"},
		"other tags":                        {"deployed v1 1.0.0", "v0.4.0", "pass: 0.4.0 is the first release"},

		"a minor that skips":     {"v0.1.0", "v0.3.0", "warning: 0.3.0 skips versions: after v0.1.0 come 0.1.1, 0.2.0 or 1.0.0"},
		"a patch that skips":     {"v0.1.0", "v0.1.2", "warning: 0.1.2 skips versions: after v0.1.0 come 0.1.1, 0.2.0 or 1.0.0"},
		"a new line's patch":     {"v0.1.0", "v0.2.1", "warning: 0.2.1 skips versions: after v0.1.0 come 0.1.1, 0.2.0 or 1.0.0"},
		"a candidate that skips": {"v0.3.0 v0.4.0-rc.1", "v0.4.0-rc.3", "warning: 0.4.0-rc.3 skips 0.4.0-rc.2"},
		"both":                   {"v0.1.0", "v0.3.0-rc.2", "warning: 0.3.0-rc.2 skips 0.3.0-rc.1; 0.3.0 skips versions: after v0.1.0 come 0.1.1, 0.2.0 or 1.0.0"},

		"released":                      {"v0.3.0 v0.4.0", "v0.4.0", "fail: 0.4.0 is released already (tag v0.4.0), and a version is released once: the next of its line is 0.4.1"},
		"released with build metadata":  {"v0.4.0+b.1", "v0.4.0+b.2", "fail: 0.4.0 is released already (tag v0.4.0+b.1), and a version is released once: the next of its line is 0.4.1"},
		"released twice, by mistake":    {"v0.4.0+b v0.4.0+a", "v0.4.0", "fail: 0.4.0 is released already (tag v0.4.0+a), and a version is released once: the next of its line is 0.4.1"},
		"a candidate after its release": {"v0.4.0-rc.1 v0.4.0 v0.4.1", "v0.4.0-rc.2", "fail: 0.4.0 is released already (tag v0.4.0), and a version is released once: the next of its line is 0.4.2"},
		"a candidate again":             {"v0.4.0-rc.1 v0.4.0-rc.3", "v0.4.0-rc.2", "fail: 0.4.0-rc.2 does not come after v0.4.0-rc.3, the last candidate: the next one is 0.4.0-rc.4"},
		"a beta after an rc":            {"v0.4.0-rc.1", "v0.4.0-beta.2", "fail: 0.4.0-beta.2 does not come after v0.4.0-rc.1, the last candidate: the next one is 0.4.0-rc.2"},
		"a lower minor":                 {"v0.2.0 v0.4.0", "v0.3.0", "fail: 0.3.0 is lower than v0.4.0, and only a patch of a released line may be: the next versions are 0.4.1, 0.5.0 and 1.0.0"},
		"a lower major":                 {"v2.0.0", "v1.0.0-rc.1", "fail: 1.0.0 is lower than v2.0.0, and only a patch of a released line may be: the next versions are 2.0.1, 2.1.0 and 3.0.0"},
		"a patch of no line":            {"v0.2.0 v0.4.0", "v0.3.1", "fail: 0.3.1 is lower than v0.4.0, and only a patch of a released line may be: the next versions are 0.4.1, 0.5.0 and 1.0.0"},
		"a patch below its line's last": {"v0.1.0 v0.1.2 v0.2.0", "v0.1.1", "fail: 0.1.1 is lower than v0.1.2, the last of its line: the next patch is 0.1.3"},
		"an older line's patch on main": {"v0.1.0 v0.2.0", "v0.1.1", "fail: commit HEAD contains v0.2.0, which is higher than 0.1.1: start the patch from the last release of its line (`go run . hotfix:start 0.1.1`)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepository(t)
			for tag := range strings.FieldsSeq(tt.tags) {
				r.tag(tag, nil)
			}
			at := r.git("rev-parse", "--short=12", "HEAD")
			wants(t, r.before(tt.tag), "order "+strings.ReplaceAll(tt.want, "HEAD", at))
		})
	}
}

func TestBeforeOrderOfLines(t *testing.T) {
	home := newRepository(t)
	home.tag("v0.1.0", nil)
	home.write("feature", "x")
	home.commit("a feature")
	home.tag("v0.2.0", nil)

	c := home.clone()
	c.git("switch", "-q", "--detach", "v0.1.0")
	c.write("fix", "x")
	at := c.commit("a fix")[:12]
	c.git("branch", "hotfix/v0.0.1", "v0.1.0") // somebody else's
	wants(t, c.before("v0.1.1"), "order fail: 0.1.1 patches a line that is not the newest, and commit "+at+" is on no branch hotfix/*: start one with `go run . hotfix:start 0.1.1`")
	c.git("switch", "-q", "-c", "hotfix/v0.1.1")
	wants(t, c.before("v0.1.1"), "order pass: 0.1.1 follows v0.1.0 on its line")
	wants(t, c.before("v0.1.1-rc.1"), "order pass: 0.1.1 follows v0.1.0 on its line")
	wants(t, c.before("v0.1.2"), "order warning: 0.1.2 skips versions: after v0.1.0 comes 0.1.1")
	wants(t, c.before("v0.2.1"), "order warning: commit "+at+" does not contain v0.2.0, so what was fixed there may come back: merge it first (`go run . hotfix:finish`)")

	c.git("switch", "-q", "main")
	at = c.git("rev-parse", "--short=12", "HEAD")
	home.tag("v0.2.1", nil)
	home.tag("v0.3.0-rc.1", nil)
	wants(t, c.before("v0.3.0-rc.1"), "order fail: 0.3.0-rc.1 does not come after v0.3.0-rc.1, the last candidate: the next one is 0.3.0-rc.2")
	wants(t, c.before("v0.3.0-rc.2"), "order warning: v0.2.1 is not here, so whether commit "+at+" contains it is not known: run `git fetch --tags origin`")
}

func TestBeforeCannotTell(t *testing.T) {
	r := newRepository(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Before(ctx, r.Repo, theProduct(), parse(t, "v0.4.0"), "HEAD", now); !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "checking what v0.4.0 would be: ") {
		t.Errorf("cancelled: %v", err)
	}
	none := strings.Repeat("0", 40)
	if _, err := Before(t.Context(), r.Repo, theProduct(), parse(t, "v0.4.0"), none, now); err == nil || !strings.HasPrefix(err.Error(), "checking the branch: comparing "+none) {
		t.Errorf("a commit that is not there: %v", err)
	}
}

func TestBeforeWantsAVersion(t *testing.T) {
	r := newRepository(t)
	for _, ref := range []decide.Ref{parse(t, "main"), {Name: "v0.4.0", Channel: decide.Stable, Version: version(t, "0.4.1")}, {}} {
		if gates, err := Before(t.Context(), r.Repo, theProduct(), ref, "HEAD", now); err == nil || !strings.Contains(err.Error(), "it is not the tag of a version") {
			t.Errorf("%+v: %v, %v", ref, gates, err)
		}
	}
}
