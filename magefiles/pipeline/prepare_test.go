package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/upgrading"
)

func TestPrepareStable(t *testing.T) {
	d := newDesk(t, promoted())
	before := d.head()
	ok(t, d.Prepare(t.Context(), "v0.3.0", "2026-03-01", false))
	d.prints(t, "prepared", "v0.3.0", d.head(),
		"CHANGELOG.md, Cargo.lock, Cargo.toml, docs/upgrading.md, docs/releases/gates/v0.3.0.yaml",
		"fill in", "docs/upgrading.md", "fill these in, commit, then go run . release:tag 0.3.0")
	if got := d.git("log", "--format=%H %s %an", before+"..HEAD"); got != d.head()+" docs: prepare release v0.3.0 Ada" {
		t.Errorf("the commits are %q", got)
	}
	if got := d.git("diff", "--stat", "--name-only", before, "HEAD"); got != "CHANGELOG.md\nCargo.lock\nCargo.toml\ndocs/releases/gates/v0.3.0.yaml\ndocs/upgrading.md" {
		t.Errorf("the commit has %q", got)
	}
	for name, want := range map[string]string{
		changelogName:                     "## [Unreleased]\n\n## [0.3.0] - 2026-03-01\n\n### Fixed\n\n- A request",
		"Cargo.toml":                      "version = \"0.3.0\"\n",
		"Cargo.lock":                      "name = \"tinyd\"\nversion = \"0.3.0\"\n",
		guideName:                         "| 0.3.0 | **FILL ME IN:**",
		"docs/releases/gates/v0.3.0.yaml": "PENDING",
	} {
		if !strings.Contains(d.read(name), want) {
			t.Errorf("%s lacks %q:\n%s", name, want, d.read(name))
		}
	}
	if !strings.Contains(d.read(changelogName), "[0.3.0]: https://git.example.org/tiny/tiny/compare/v0.2.0...v0.3.0\n") {
		t.Errorf("there is no link to the changes:\n%s", d.read(changelogName))
	}

	// Again it makes no commit, and still says what is to be filled in.
	d.same(t, func() { ok(t, d.Prepare(t.Context(), "0.3.0", "2026-03-01", false)) })
	d.prints(t, "nothing: it was prepared before", "fill in", "docs/upgrading.md", "docs/releases/gates/v0.3.0.yaml", "fill these in")

	d.write(guideName, strings.ReplaceAll(d.read(guideName), upgrading.Placeholder, "None"))
	d.write("docs/releases/gates/v0.3.0.yaml", "version: 0.3.0\ngates:\n  - name: staging\n    status: PASS\n    evidence: https://ci.example.org/1\n    who: Ada\n    when: 2026-02-28\n")
	d.commit("docs: filled in")
	d.same(t, func() { ok(t, d.Prepare(t.Context(), "0.3.0", "2026-03-01", false)) })
	if strings.Contains(d.out.String(), "fill") {
		t.Errorf("everything is filled in, and it printed\n%s", d.out)
	}
	d.prints(t, "go run . release:tag 0.3.0")
}

func TestPrepareCandidate(t *testing.T) {
	d := newDesk(t, promoted())
	log := d.read(changelogName)
	ok(t, d.Prepare(t.Context(), "0.3.0-rc.1", "", true))
	d.prints(t, `"version": "0.3.0-rc.1"`, `"commit": "`+d.head()+`"`, `"docs/releases/gates/v0.3.0.yaml"`)
	if d.read(changelogName) != log {
		t.Errorf("a candidate changed the changelog:\n%s", d.read(changelogName))
	}
	if !strings.Contains(d.read("Cargo.toml"), `version = "0.3.0"`) {
		t.Errorf("Cargo.toml is\n%s", d.read("Cargo.toml"))
	}
	d.same(t, func() { ok(t, d.Prepare(t.Context(), "0.3.0-rc.2", "", false)) })
	d.prints(t, "nothing: it was prepared before",
		"go run . release:tag 0.3.0-rc.2; once it is tried, fill these in, commit, then go run . release:prepare 0.3.0")

	// The stable version of it, on the day of the clock.
	ok(t, d.Prepare(t.Context(), "0.3.0", "", false))
	d.prints(t, "CHANGELOG.md")
	if !strings.Contains(d.read(changelogName), "## [0.3.0] - 2026-01-15\n") {
		t.Errorf("the changelog is\n%s", d.read(changelogName))
	}
}

// What is refused changes nothing.
func TestPrepareRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		version, date string
		do            func(d *desk)
		want          []string
	}{
		"no version":   {version: "0.3", want: []string{`"0.3"`}},
		"no date":      {version: "0.3.0", date: "1 March", want: []string{`-date="1 March" is no date: want YYYY-MM-DD`}},
		"a dirty tree": {version: "0.3.0", do: func(d *desk) { d.write("src/main.rs", "") }, want: []string{"src/main.rs"}},
		"another branch": {
			version: "0.3.0", do: func(d *desk) { ok(d.t, d.repo.Switch(d.t.Context(), "topic", "main")) },
			want: []string{"HEAD is on topic: preparing of 0.3.0 happens on main, or on hotfix/v0.3.0"},
		},
		"no branch": {
			version: "0.3.0", do: func(d *desk) { ok(d.t, d.repo.Detach(d.t.Context(), "HEAD")) },
			want: []string{"HEAD is on no branch: preparing happens on main, or on hotfix/v0.3.0 (`git switch main`)"},
		},
		"another version's hotfix branch": {
			version: "0.3.0", do: func(d *desk) { ok(d.t, d.repo.Switch(d.t.Context(), "hotfix/v0.2.1", "v0.2.0")) },
			want: []string{"HEAD is on hotfix/v0.2.1: preparing of 0.3.0 happens on main, or on hotfix/v0.3.0"},
		},
		"released already":           {version: "0.2.0", want: []string{"tag v0.2.0 exists already", "prepare the next one"}},
		"a candidate of what is out": {version: "0.2.0-rc.3", want: []string{"tag v0.2.0 exists already"}},
		"a patch that removes": {
			version: "0.2.1", do: func(d *desk) {
				d.change(changelogName, "### Fixed", "### Removed\n\n- The answer.\n\n### Fixed")
				d.commit("feat!: remove")
			},
			want: []string{"CHANGELOG.md:12: an entry stands under \"Removed\", but 0.2.1 is a PATCH: release it as a MINOR or reword the entry"},
		},
		"a candidate that removes": {
			version: "0.2.1-rc.1", do: func(d *desk) {
				d.change(changelogName, "### Fixed", "### Removed\n\n- The answer.\n\n### Fixed")
				d.commit("feat!: remove")
			},
			want: []string{"CHANGELOG.md:12: an entry stands under \"Removed\""},
		},
		"no entries": {
			version: "0.3.0", do: func(d *desk) {
				d.write(changelogName, d.git("show", "v0.2.0:CHANGELOG.md")+"\n")
				d.commit("docs: nothing")
			},
			want: []string{"CHANGELOG.md:8: nothing stands under Unreleased: write down what changes with 0.3.0"},
		},
		"the section is there, and more is unreleased": {
			version: "0.3.0", do: func(d *desk) {
				d.prepared("0.3.0")
				d.change(changelogName, "## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- One more.\n")
				d.commit("fix: one more")
			},
			date: "2026-03-01",
			want: []string{"CHANGELOG.md:12: this entry stands under Unreleased, and 0.3.0 has its section already (line 14)", "move it there"},
		},
		"another date than the section's": {
			version: "0.3.0", do: func(d *desk) { d.prepared("0.3.0") }, date: "2026-03-02",
			want: []string{"CHANGELOG.md:10: the section of 0.3.0 has the date 2026-03-01, not 2026-03-02: say -date=2026-03-01"},
		},
		"no guide": {
			version: "0.3.0", do: func(d *desk) { d.write(guideName, "# Upgrading\n"); d.commit("docs: shorter") },
			want: []string{"docs/upgrading.md", `"Breaking Changes"`},
		},
		"no lock file entry": {
			version: "0.3.0", do: func(d *desk) { d.change("Cargo.lock", `name = "tinyd"`, `name = "other"`); d.commit("chore: lock") },
			want: []string{"Cargo.lock:1: it has no package tinyd 0.2.0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, promoted())
			d.t = t
			if tt.do != nil {
				tt.do(d)
			}
			d.same(t, func() { says(t, d.Prepare(t.Context(), tt.version, tt.date, false), tt.want...) })
		})
	}
}

// A commit that fails leaves nothing behind, a new file neither.
func TestPrepareUndoes(t *testing.T) {
	d := newDesk(t, promoted())
	who := *d.Who
	who.SignCommits, who.Config = true, append(who.Config, "user.signingkey=0000000000000000")
	d.Who = &who
	d.same(t, func() {
		err := d.Prepare(t.Context(), "0.3.0", "", false)
		says(t, err, "committing", "gpg")
		if err != nil && strings.Contains(err.Error(), "no such file") {
			t.Errorf("taking it back failed: %v", err)
		}
	})
}

// The changelog keeps its line ends.
func TestPrepareCRLF(t *testing.T) {
	d := newDesk(t, maintained())
	text := strings.ReplaceAll(d.read(changelogName), "\n", "\r\n")
	d.write(changelogName, text)
	d.commit("style: line ends")
	ok(t, d.Prepare(t.Context(), "0.3.0", "2026-03-01", false))
	got := d.read(changelogName)
	if strings.Count(got, "\n") != strings.Count(got, "\r\n") || !strings.Contains(got, "## [Unreleased]\r\n\r\n## [0.3.0] - 2026-03-01\r\n\r\n### Fixed\r\n") {
		t.Errorf("got %q", got)
	}
	_, rest, _ := strings.Cut(text, "### Fixed")
	rest, _, _ = strings.Cut(rest, "[Unreleased]:")
	if !strings.Contains(got, rest) {
		t.Errorf("what was there has changed: %q", got)
	}
}

// Without an identity of its own the suite commits as git's configuration says.
func TestPrepareAsOneself(t *testing.T) {
	home := t.TempDir()
	config := filepath.Join(home, "gitconfig")
	t.Setenv("HOME", home)
	t.Setenv("GIT_CONFIG_GLOBAL", config)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("GNUPGHOME", "")
	d := newDesk(t, maintained())
	grace, err := keys.NewOpenPGP(t.Context(), filepath.Join(home, "keys"), "Grace", "grace@example.org")
	ok(t, err)
	t.Cleanup(func() { _ = grace.Close(context.WithoutCancel(t.Context())) })
	d.Who = nil
	d.same(t, func() {
		says(t, d.Prepare(t.Context(), "0.3.0", "", false), "git does not know who you are", "git config --global user.name")
	})

	settings := "[user]\n\tname = Grace\n\temail = grace@example.org\n"
	ok(t, os.WriteFile(config, []byte(settings), 0o600))
	v, err := decide.ParseVersion("0.3.0")
	ok(t, err)
	done, err := d.prepare(t.Context(), v, day)
	ok(t, err)
	if got := d.git("log", "-1", "--format=%an <%ae> %cn %G?", done.Commit); got != "Grace <grace@example.org> Grace N" {
		t.Errorf("the commit is by %s", got)
	}

	d.git("reset", "--quiet", "--hard", "HEAD^")
	for _, yes := range []string{"gpgSign = yes", "gpgSign"} {
		identity := grace.Git()
		for _, kv := range identity.Env {
			if value, ok := strings.CutPrefix(kv, "GNUPGHOME="); ok {
				t.Setenv("GNUPGHOME", value)
			}
		}
		signing := "\tsigningKey = " + grace.Fingerprint + "\n[commit]\n\t" + yes + "\n"
		ok(t, os.WriteFile(config, []byte(settings+signing), 0o600))
		done, err = d.prepare(t.Context(), v, day)
		ok(t, err)
		if got := d.git("cat-file", "commit", done.Commit); !strings.Contains(got, "-----BEGIN PGP SIGNATURE-----") {
			t.Errorf("%s: the commit is not signed:\n%s", yes, got)
		}
		d.git("reset", "--quiet", "--hard", "HEAD^")
	}
}
