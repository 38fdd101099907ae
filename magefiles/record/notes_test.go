package record

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

// golden holds got against testdata/TEST/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	testkit.Golden(t, filepath.Join("testdata", t.Name(), name), got)
}

// base is a release with what every release has.
func base() Notes {
	return Notes{
		Title: "Server", Tag: "v0.4.0", Source: "https://example.org/server",
		Changelog: "CHANGELOG.md", Upgrading: "docs/upgrading.md",
		Image: "registry.example.org/server", Digest: "sha256:" + strings.Repeat("c0ffee00", 8), Channel: "stable",
		Tags: []string{"0.4.0", "sha-" + strings.Repeat("ab", 20)},
		Assets: []NoteAsset{
			{Name: "server-x86_64-linux", SHA256: strings.Repeat("a1", 32), Size: 17 << 20},
			{Name: "SHA256SUMS", SHA256: strings.Repeat("b2", 32), Size: 300},
		},
		KeyFile: "cosign.pub", Bundles: true, Provenance: "server-0.4.0.provenance.sigstore.json",
		Previous: "v0.3.1",
	}
}

const changes = "### Added\n\n- `server health` asks a running server; `--url` points it elsewhere.\n- S3:\n\n  ```sh\n  # not a heading\n  server --store s3://bucket\n  ```\n\n### Removed\n\n- **BREAKING** the `/v0` API."

func TestNotes(t *testing.T) {
	everything := base()
	everything.Changes = changes
	everything.Breaking = NoteTable{
		Header: []string{"Version", "Change", "What to do"},
		Rows:   [][]string{{"0.4.0", "The `/v0` API is gone.", "Use [`/v1`](https://example.org/docs/v1)."}},
	}
	everything.Environment = NoteTable{
		Header: []string{"Version", "Variable", "Change", "Default"},
		Rows: [][]string{
			{"0.4.0", "`STORE`", "Introduced: `file` | `s3`", "`file`"},
			{"0.4.0", "`OLD\\|NEW`", "Removed\nfor good"},
			{"0.4.0", "None.", "-", ""},
		},
	}
	everything.Contributors = []string{"grace", "Ada Lovelace <ada@example.org>", "Ada Lovelace", "bot@example.org", "dependabot[bot]", "*Zoë*"}

	candidate := base()
	candidate.Tag, candidate.Channel, candidate.Unsigned = "v0.4.0-rc.1", "candidate", true
	candidate.Tags, candidate.Bundles, candidate.Provenance = []string{"0.4.0-rc.1"}, false, ""
	candidate.Changes = "- Entries without a group.\r\n- Another one.\r\n"
	candidate.Upgrading = ""

	hotfix := base()
	hotfix.Tag, hotfix.Previous, hotfix.Tags = "v0.4.1", "v0.4.0", []string{"0.4.1"}
	hotfix.Changes = "### Security\n\n- A download link works only once."
	hotfix.Breaking = NoteTable{Header: []string{"Version", "Change", "What to do"}, Rows: [][]string{{"0.4.1", "None.", "Nothing."}}}
	hotfix.Contributors = []string{"grace"}

	override := base()
	override.Changes = changes
	override.Overrides = []Override{
		{Gate: "candidate", Found: "v0.4.0-rc.2 differs from v0.4.0 in src/main.rs", Reason: "</details> the *only* change\n\n# is a typo in a log line"},
		{Reason: "sha-abc names another digest since the toolchain's security update"},
	}

	first := base()
	first.Tag, first.Previous, first.Tags = "v0.1.0", "", []string{"0.1.0"}
	first.Files = "https://git.example.org/server/src/tag/v0.1.0"
	first.Assets = nil

	for name, n := range map[string]Notes{
		"stable": everything, "candidate": candidate, "hotfix": hotfix, "override": override, "first": first,
	} {
		got, err := n.Markdown()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".md", got)
	}
}

func TestDemote(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"nothing":     {" \r\n ", ""},
		"as it is":    {"### Added\n\n- one\n\n#### Detail", "### Added\n\n- one\n\n#### Detail"},
		"one level":   {"## Added\n- one\n## Fixed ##\n### Detail", "### Added\n- one\n### Fixed\n#### Detail"},
		"two levels":  {"text\n\n # Added\n\n###### Deep\n#\n", "text\n\n### Added\n\n###### Deep\n###"},
		"underlined":  {"One\nmore\n====\n\nTwo\n---\n- a", "### One more\n\n#### Two\n- a"},
		"not ours":    {"# A\n\n```\n# b\n```\n\n    # c\n\n<!--\n# d\n-->\n\n- # e", "### A\n\n```\n# b\n```\n\n    # c\n\n<!--\n# d\n-->\n\n- # e"},
		"line ends":   {"## A\r\n\r\n- b\r\n", "### A\n\n- b"},
		"last fence":  {"- a\n  ```\n  b", "- a\n  ```\n  b"},
		"html closed": {"<details>\n\n# A\n\n</details>", "<details>\n\n### A\n\n</details>"},
	} {
		if got, err := demote(tt.in); err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, tt.want)
		}
	}
	for _, open := range []string{"- a\n\n```\nb", "~~~~\n```\n~~~", "a\n\n<!-- b", "<pre>\n\n"} {
		n := base()
		n.Changes = open
		if _, err := n.Markdown(); err == nil || !strings.Contains(err.Error(), "CHANGELOG.md") || !strings.Contains(err.Error(), "close it") {
			t.Errorf("%q: got error %v", open, err)
		}
	}
}

// FuzzDemote: what comes after the section is never swallowed by it, and no
// heading is above the third level.
func FuzzDemote(f *testing.F) {
	for _, s := range []string{changes, "# a\n\nb\n===\n", "```\n", "<!--", "- a\n# b", "> # c\n# d", "a\r\n---\r\n#\tb", " #\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := demote(body)
		if err != nil || got == "" {
			return
		}
		again, err := demote(got)
		if err != nil || again != got {
			t.Errorf("demoting %q gave %q, and again %q, %v", body, got, again, err)
		}
	})
}
