package gate

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// version parses a version that is known to be one.
func version(t *testing.T, s string) decide.Version {
	t.Helper()
	v, err := decide.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const (
	digest1 = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	digest2 = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

// newCandidates makes a repository with the candidates rc.1 and rc.2 and, after paperwork,
// the commit of v0.4.0; the registry holds both candidates.
func newCandidates(t *testing.T) (r repository, registry map[string]Published, stable string) {
	t.Helper()
	r = newRepository(t)
	r.write("src/main.rs", "one")
	first := r.commit("a feature")
	r.tag("v0.4.0-rc.1", nil)
	r.write("src/main.rs", "two")
	second := r.commit("a fix")
	r.tag("v0.4.0-rc.2", nil)
	r.write("CHANGELOG.md", "# Changelog")
	r.write("docs/upgrading.md", "# Upgrading")
	stable = r.commit("docs: prepare release v0.4.0")
	return r, map[string]Published{
		"0.4.0-rc.1": {Found: true, Digest: digest1, Commit: first},
		"0.4.0-rc.2": {Found: true, Digest: digest2, Commit: second},
	}, stable
}

func (r repository) candidate(registry map[string]Published, tag, commit, why string) (decide.Gate, *Promoted) {
	r.t.Helper()
	g, promoted, err := Candidate(r.t.Context(), r.Repo, theProduct(), parse(r.t, tag), commit, func(_ context.Context, v decide.Version) (Published, error) {
		return registry[v.Image()], nil
	}, why)
	if err != nil {
		r.t.Fatal(err)
	}
	if g.Name != "candidate" || strings.Contains(g.Detail, "\n") {
		r.t.Errorf("the gate is %+v, want it named, and one sentence", g)
	}
	return g, promoted
}

const nextRC3 = ": make and try the next one (`go run . release:tag 0.4.0-rc.3`), or go without it by saying why (-why=\"…\")"

func TestCandidatePasses(t *testing.T) {
	r, registry, stable := newCandidates(t)
	second := registry["0.4.0-rc.2"].Commit
	g, promoted := r.candidate(registry, "v0.4.0", stable, "no reason is needed")
	want := decide.Gate{Name: "candidate", State: decide.Pass, Evidence: digest2,
		Detail: "v0.4.0-rc.2 (" + digest2 + ") is the last candidate of 0.4.0; since its commit " + second[:12] + " only CHANGELOG.md, docs/upgrading.md changed"}
	if g != want {
		t.Errorf("the gate is\n%+v, want\n%+v", g, want)
	}
	if promoted == nil || *promoted != (Promoted{Version: version(t, "0.4.0-rc.2"), Tag: "v0.4.0-rc.2", Commit: second, Digest: digest2}) {
		t.Errorf("promoted is %+v", promoted)
	}
	t.Run("at the very commit", func(t *testing.T) {
		g, _ := r.candidate(registry, "v0.4.0", second, "")
		if g.State != decide.Pass || !strings.HasSuffix(g.Detail, second[:12]+" nothing changed") {
			t.Errorf("the gate is %+v", g)
		}
	})
	t.Run("rc.10 is after rc.2, and later than betas", func(t *testing.T) {
		r, registry, _ := newCandidates(t)
		r.tag("v0.4.0-beta.99", nil)
		r.tag("v0.4.0-rc.10", nil)
		r.tag("v0.4.1-rc.1", nil)
		head := r.git("rev-parse", "HEAD")
		registry["0.4.0-rc.10"] = Published{Found: true, Digest: digest1, Commit: head}
		if g, promoted := r.candidate(registry, "v0.4.0", head, ""); g.State != decide.Pass || promoted.Tag != "v0.4.0-rc.10" {
			t.Errorf("the gate is %+v", g)
		}
	})
}

func TestCandidateIsNotNeeded(t *testing.T) {
	r := newRepository(t)
	for tag, says := range map[string]string{
		"v0.4.1":      "not needed for a patch",
		"v0.4.0-rc.1": "not needed on the channel candidate",
		"main":        "not needed on the channel edge",
	} {
		g, promoted := r.candidate(nil, tag, "HEAD", "")
		if g != (decide.Gate{Name: "candidate", State: decide.Pass, Detail: says}) || promoted != nil {
			t.Errorf("%s: the gate is %+v", tag, g)
		}
	}
}

func TestCandidateRefuses(t *testing.T) {
	tests := map[string]struct {
		// spoil changes what newCandidates made and gives the stable commit.
		spoil func(r repository, registry map[string]Published, stable string) string
		says  string
	}{
		"not published": {func(_ repository, registry map[string]Published, stable string) string {
			delete(registry, "0.4.0-rc.1")
			delete(registry, "0.4.0-rc.2")
			return stable
		}, "v0.4.0-rc.2, the last candidate of 0.4.0, cannot be promoted: it is not published (`go run . release:rc -tag=v0.4.0-rc.2`)" + nextRC3},
		"published from another commit, and not verified": {func(_ repository, registry map[string]Published, stable string) string {
			delete(registry, "0.4.0-rc.1")
			registry["0.4.0-rc.2"] = Published{Found: true, Digest: digest2, Commit: strings.Repeat("a", 40), Verified: errors.New("no signature\nno provenance")}
			return stable
		}, "v0.4.0-rc.2, the last candidate of 0.4.0, cannot be promoted: it is published from commit aaaaaaaaaaaa, and its tag is at commit SECOND; what is published does not verify: no signature; no provenance" + nextRC3},
		"changed since": {func(r repository, _ map[string]Published, _ string) string {
			for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
				r.write("src/"+name+".rs", "new")
			}
			return r.commit("one more")
		}, "v0.4.0-rc.2, the last candidate of 0.4.0, cannot be promoted: since its commit SECOND src/a.rs, src/b.rs, src/c.rs, src/d.rs, src/e.rs and 1 more changed, which is not paperwork (CHANGELOG.md, README.md, docs/**)" + nextRC3},
		"in another history": {func(r repository, _ map[string]Published, stable string) string {
			r.git("switch", "-q", "--orphan", "other")
			r.git("restore", "-s", stable, ".")
			return r.commit("from nothing")
		}, "v0.4.0-rc.2, the last candidate of 0.4.0, cannot be promoted: its commit SECOND is not in the history of commit STABLE" + nextRC3},
		"the one before would pass": {func(r repository, registry map[string]Published, _ string) string {
			r.git("switch", "-q", "--detach", registry["0.4.0-rc.1"].Commit)
			r.write("CHANGELOG.md", "# Changelog")
			return r.commit("docs: prepare release v0.4.0")
		}, "v0.4.0-rc.2, the last candidate of 0.4.0, cannot be promoted: its commit SECOND is not in the history of commit STABLE; since its commit SECOND src/main.rs changed, which is not paperwork (CHANGELOG.md, README.md, docs/**); v0.4.0-rc.1 would pass, but only what was tried last is promoted" + nextRC3},
		"none": {func(r repository, _ map[string]Published, stable string) string {
			r.git("tag", "-d", "v0.4.0-rc.1", "v0.4.0-rc.2")
			return stable
		}, "there is no annotated tag of a candidate of 0.4.0, and a minor release promotes one" + strings.Replace(nextRC3, "rc.3", "rc.1", 1)},
		"lightweight ones alone": {func(r repository, _ map[string]Published, stable string) string {
			r.git("tag", "-d", "v0.4.0-rc.1", "v0.4.0-rc.2")
			r.git("tag", "v0.4.0-rc.2", "HEAD")
			return stable
		}, "there is no annotated tag of a candidate of 0.4.0 (a lightweight tag does not count: v0.4.0-rc.2), and a minor release promotes one" + nextRC3},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, registry, stable := newCandidates(t)
			second := registry["0.4.0-rc.2"].Commit
			stable = tt.spoil(r, registry, stable)
			says := strings.NewReplacer("SECOND", second[:12], "STABLE", stable[:12]).Replace(tt.says)
			for why, want := range map[string]decide.Gate{
				"":                {Name: "candidate", State: decide.Fail, Detail: says},
				" \n":             {Name: "candidate", State: decide.Fail, Detail: says},
				" CVE-2024-1234 ": {Name: "candidate", State: decide.Warning, Override: "CVE-2024-1234", Detail: says},
			} {
				g, promoted := r.candidate(registry, "v0.4.0", stable, why)
				if g != want {
					t.Errorf("why %q: the gate is\n%+v, want\n%+v", why, g, want)
				}
				if promoted != nil {
					t.Errorf("why %q: promoted is %+v", why, promoted)
				}
			}
		})
	}
}

func TestCandidateShallow(t *testing.T) {
	r, registry, stable := newCandidates(t)
	r.tag("v0.4.0", nil)
	c := r.clone("--depth=1", "--branch=v0.4.0")
	c.git("fetch", "-q", "--depth=1", "origin", "+refs/tags/*:refs/tags/*")
	g, _ := c.candidate(registry, "v0.4.0", stable, "")
	if g.State != decide.Fail || !strings.Contains(g.Detail, "this clone is shallow and lacks the history between commits "+registry["0.4.0-rc.2"].Commit[:12]+" and "+stable[:12]+": run `git fetch --unshallow --tags") {
		t.Errorf("the gate is %+v", g)
	}
}

func TestCandidateCannotTell(t *testing.T) {
	r, _, stable := newCandidates(t)
	down := errors.New("the registry is down")
	_, promoted, err := Candidate(t.Context(), r.Repo, theProduct(), parse(t, "v0.4.0"), stable, func(context.Context, decide.Version) (Published, error) {
		return Published{}, down
	}, "a reason does not help here")
	if !errors.Is(err, down) || err.Error() != "checking the candidate v0.4.0-rc.2: the registry is down" || promoted != nil {
		t.Errorf("got %v, %+v", err, promoted)
	}
}

func TestNextCandidate(t *testing.T) {
	for tags, want := range map[string]string{
		"":                                     "0.4.0-rc.1",
		"v0.4.0-rc.1 v0.4.0-rc.2":              "0.4.0-rc.3",
		"v0.4.0-rc.10 v0.4.0-rc.9":             "0.4.0-rc.11",
		"v0.4.0-rc.4+build.7":                  "0.4.0-rc.5",
		"v0.4.0-beta.7 v0.4.1-rc.3 v0.4.0 rc1": "0.4.0-rc.1",
		"v0.4.0-rc.x v0.4.0-rc.3.1 v0.4.0-rc":  "0.4.0-rc.1",
		"v0.4.0-rc.0":                          "0.4.0-rc.1",
		"v0.4.0-rc.18446744073709551615 v0.4.0-rc.9223372036854775808 v0.4.0-rc.1": "0.4.0-rc.2",
	} {
		if got := NextCandidate(strings.Fields(tags), version(t, "0.4.0-rc.99+b")); got.String() != want {
			t.Errorf("after %q: %s, want %s", tags, got, want)
		}
	}
}
