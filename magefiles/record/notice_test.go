package record

import (
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

func version(t *testing.T, s string) decide.Version {
	t.Helper()
	v, err := decide.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestNotice(t *testing.T) {
	for name, use := range map[string]string{"back": "0.3.1", "on": "0.4.1"} {
		n := Notice{
			Title: "Server", Version: version(t, "0.4.0"), Use: version(t, use),
			Reason: "Uploads of more than 2 GiB\n# were cut short",
			Image:  "registry.example.org/server", Digest: "sha256:" + strings.Repeat("0a", 32), UseDigest: "sha256:" + strings.Repeat("0b", 32),
			Page: "https://example.org/server/releases/tag/v0.4.0", UsePage: "https://example.org/server/releases/tag/v" + use,
			Guide: "https://example.org/server/blob/v0.4.0/docs/upgrading.md",
		}
		if n.Back() {
			n.Moved = []string{"0.4", "latest"}
		}
		page, err := n.Markdown()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".md", page)
		text, err := n.Text()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text)
	}
}

func TestAnnouncement(t *testing.T) {
	a := Announcement{
		Title: "Server", Tag: "v0.4.0", Page: "https://example.org/server/releases/tag/v0.4.0",
		Guide: "https://example.org/server/blob/v0.4.0/docs/upgrading.md",
		Image: "registry.example.org/server", Digest: "sha256:" + strings.Repeat("0a", 32),
		Entries: []string{
			"`server health` asks a running server for its readiness over plain HTTP and answers with its exit code, so that the image needs neither a shell nor curl; `--url` points it at another address.",
			"S3: **every** store that [speaks it](https://example.org/s3), see <https://example.org/docs>.\n\n  A second paragraph.",
			"<!-- nothing to see -->",
			"Thanks to @ada for\n  `MAX_UPLOAD_BYTES` &amp; \\*more\\*.",
			"One", "Two", "Three", "Four",
		},
	}
	text, err := a.Text()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "release.md", text)
	a.Entries, a.Guide = nil, ""
	if text, err = a.Text(); err != nil {
		t.Fatal(err)
	}
	golden(t, "bare.md", text)
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{
		{"short", 5, "short"},
		{"one two three", 9, "one two…"},
		{"one two, three", 12, "one two…"},
		{"say `server health` aloud", 14, "say `server`…"},
		{"say `server health` aloud", 8, "say…"},
		{"unbreakable", 6, "unbr…"},
		{"äöü äöü äöü", 9, "äöü äöü…"},
	} {
		if got := shorten(tt.in, tt.most); got != tt.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", tt.in, tt.most, got, tt.want)
		}
	}
}

// FuzzAnnouncement: a highlight is one line of bounded length and mentions
// nobody.
func FuzzAnnouncement(f *testing.F) {
	for _, s := range []string{changes, "`a", "<@U1> <!channel> @everyone", "| a | b |\n|---|---|\n", "![x](y)", "- - -", "    code", "&#64;all", "[a][b]\n\n[b]: c", "`@x`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		line := shorten(plain(entry), highlightLength)
		if strings.ContainsAny(line, "\r\n") || len([]rune(line)) > highlightLength {
			t.Errorf("%q became %q", entry, line)
		}
		if strings.Count(line, "@") != strings.Count(line, "@\u200b") && !strings.HasSuffix(line, "@…") {
			t.Errorf("%q mentions somebody: %q", entry, line)
		}
	})
}
