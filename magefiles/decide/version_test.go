package decide

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// v parses a version that is known to be one.
func v(t testing.TB, s string) Version {
	t.Helper()
	got, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func vs(t testing.TB, list string) []Version {
	t.Helper()
	got, err := ParseVersions(list)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestParseTag(t *testing.T) {
	for _, tt := range []struct {
		tag     string
		image   string
		core    string
		line    string
		major   string
		channel Channel
	}{
		{"v0.4.0", "0.4.0", "0.4.0", "0.4", "0", Stable},
		{"v1.2.3", "1.2.3", "1.2.3", "1.2", "1", Stable},
		{"v0.0.0", "0.0.0", "0.0.0", "0.0", "0", Stable},
		{"v10.20.30", "10.20.30", "10.20.30", "10.20", "10", Stable},
		{"v0.4.0-rc.1", "0.4.0-rc.1", "0.4.0", "0.4", "0", Candidate},
		{"v0.4.0-alpha.2", "0.4.0-alpha.2", "0.4.0", "0.4", "0", Candidate},
		{"v0.4.0-beta.10", "0.4.0-beta.10", "0.4.0", "0.4", "0", Candidate},
		{"v0.4.0-0", "0.4.0-0", "0.4.0", "0.4", "0", Candidate},
		{"v0.4.0-x-y.z", "0.4.0-x-y.z", "0.4.0", "0.4", "0", Candidate},
		// Build metadata makes no pre-release and stands in no image tag.
		{"v1.2.3+build.5", "1.2.3", "1.2.3", "1.2", "1", Stable},
		{"v1.2.3+01", "1.2.3", "1.2.3", "1.2", "1", Stable},
		{"v1.2.3+a-b", "1.2.3", "1.2.3", "1.2", "1", Stable},
		{"v1.2.3-rc.1+build.5", "1.2.3-rc.1", "1.2.3", "1.2", "1", Candidate},
	} {
		got, err := ParseTag(tt.tag)
		if err != nil {
			t.Errorf("%s: %v", tt.tag, err)
			continue
		}
		if got.Tag() != tt.tag || got.Image() != tt.image || got.Core() != tt.core || got.Line() != tt.line || got.Major() != tt.major || got.Channel() != tt.channel {
			t.Errorf("%s: tag %s, image %s, core %s, line %s, major %s, channel %s", tt.tag, got.Tag(), got.Image(), got.Core(), got.Line(), got.Major(), got.Channel())
		}
	}
}

func TestParseTagRefuses(t *testing.T) {
	const noTag, noVersion = "is no release tag", "is no SemVer 2.0.0 version: want MAJOR.MINOR.PATCH"
	for _, tt := range []struct{ name, tag, want string }{
		{"leading zero", "v01.2.3", noVersion},
		{"leading zero in minor", "v1.02.3", noVersion},
		{"leading zero in patch", "v1.2.03", noVersion},
		{"two numbers", "v1.2", noVersion},
		{"one number", "v1", noVersion},
		{"four numbers", "v1.2.3.4", noVersion},
		{"empty pre-release", "v1.2.3-", noVersion},
		{"empty build metadata", "v1.2.3+", noVersion},
		{"zero-led pre-release number", "v1.2.3-01", noVersion},
		{"zero-led number in rc", "v1.2.3-rc.01", noVersion},
		{"empty identifier", "v1.2.3-rc..1", noVersion},
		{"trailing dot", "v1.2.3-rc.", noVersion},
		{"two pluses", "v1.2.3+a+b", noVersion},
		{"underscore", "v1.2.3-rc_1", noVersion},
		{"empty", "", `"" is no release tag: want vMAJOR.MINOR.PATCH, such as v0.4.0`},
		{"v alone", "v", noVersion},
		{"no v", "1.2.3", noTag},
		{"large V", "V1.2.3", noTag},
		{"two v", "vv1.2.3", noVersion},
		{"300 characters", "v1.2.3-" + strings.Repeat("a", 293), "(300 characters)"},
		{"300 digits", "v" + strings.Repeat("1", 299), "(300 characters)"},
		{"more than an image tag may have", "v1.2.3-" + strings.Repeat("a", 123), "has 129 characters, an image tag may have 128"},
		{"a number without end", "v1.2.99999999999999999999", noVersion},
		{"space inside", "v1.2 .3", noVersion},
		{"space before", " v1.2.3", noTag},
		{"space after", "v1.2.3 ", noVersion},
		{"line end", "v1.2.3\n", noVersion},
		{"second line", "v1.2.3\nv1.2.4", noVersion},
		{"leading dash", "-v1.2.3", noTag},
		{"an option", "--force", noTag},
		{"negative", "v-1.2.3", noVersion},
		{"dots", "v1..3", noVersion},
		{"parent directory", "v1.2.3/../../etc", noVersion},
		{"only dots", "..", noTag},
		{"plus sign in a number", "v+1.2.3", noVersion},
		{"digits of another script", "v١.٢.٣", noVersion},
		{"full-width", "v\uff11.2.3", noVersion},
		{"NUL", "v1.2.3\x00", noVersion},
		{"not UTF-8", "v1.2.3-\xff", noVersion},
		{"a range", "v1.2.x", noVersion},
		{"a branch", "main", noTag},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTag(tt.tag)
			if err == nil {
				t.Fatalf("%q was read as %s", tt.tag, got)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), noTag) {
				t.Errorf("%q: the error lacks %q:\n%v", tt.tag, tt.want, err)
			}
			if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("%q: the error is no sentence: %q", tt.tag, err)
			}
			if !got.IsZero() {
				t.Errorf("%q: a version came with the error: %s", tt.tag, got)
			}
		})
	}
}

func TestParseVersions(t *testing.T) {
	got, err := ParseVersions(" 0.3.0, v0.3.1 ,,1.0.0-rc.1")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil || string(text) != `["0.3.0","0.3.1","1.0.0-rc.1"]` {
		t.Errorf("got %s, %v", text, err)
	}
	if got, err := ParseVersions(""); err != nil || len(got) != 0 {
		t.Errorf("an empty list gave %v, %v", got, err)
	}
	for _, list := range []string{"0.3.0,0.4", "0.3.0;0.4.0", "vv1.2.3"} {
		if got, err := ParseVersions(list); err == nil || !strings.Contains(err.Error(), "is no SemVer 2.0.0 version") {
			t.Errorf("%q gave %v, %v", list, got, err)
		}
	}
}

// TestPrecedence is the order of SemVer 2.0.0, section 11.
func TestPrecedence(t *testing.T) {
	order := vs(t, "0.9.9,1.0.0-alpha,1.0.0-alpha.1,1.0.0-alpha.beta,1.0.0-beta,1.0.0-beta.2,1.0.0-beta.11,1.0.0-rc.1,1.0.0,1.0.1,1.1.0,1.10.0,2.0.0")
	for i, a := range order {
		for j, b := range order {
			want := min(1, max(-1, i-j))
			if got := a.Compare(b); got != want {
				t.Errorf("%s against %s: %d, want %d", a, b, got, want)
			}
		}
	}
	if v(t, "1.0.0+a").Compare(v(t, "1.0.0+b")) != 0 {
		t.Error("build metadata must have no say in precedence")
	}
}

func TestVersionJSON(t *testing.T) {
	var got struct{ V Version }
	if err := json.Unmarshal([]byte(`{"V":"1.2.3-rc.1+b"}`), &got); err != nil || got.V.String() != "1.2.3-rc.1+b" {
		t.Errorf("got %s, %v", got.V, err)
	}
	if err := json.Unmarshal([]byte(`{"V":""}`), &got); err != nil || !got.V.IsZero() {
		t.Errorf("got %s, %v", got.V, err)
	}
	if err := json.Unmarshal([]byte(`{"V":"1.2"}`), &got); err == nil || !strings.Contains(err.Error(), `"1.2" is no SemVer`) {
		t.Errorf("got %v", err)
	}
	text, err := json.Marshal(Ref{Name: "main", Channel: Edge})
	if err != nil || string(text) != `{"name":"main","channel":"edge"}` {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestParseRef(t *testing.T) {
	for _, tt := range []struct {
		ref, main, name string
		channel         Channel
		version         string
	}{
		{"v0.4.0", "main", "v0.4.0", Stable, "0.4.0"},
		{"refs/tags/v0.4.0", "main", "v0.4.0", Stable, "0.4.0"},
		{"refs/tags/v0.4.0-rc.1", "main", "v0.4.0-rc.1", Candidate, "0.4.0-rc.1"},
		{"v0.4.0-beta.1", "main", "v0.4.0-beta.1", Candidate, "0.4.0-beta.1"},
		{"main", "main", "main", Edge, ""},
		{"edge", "main", "main", Edge, ""},
		{"refs/heads/main", "main", "main", Edge, ""},
		{"trunk", "trunk", "trunk", Edge, ""},
		{"nightly", "main", "main", Nightly, ""},
	} {
		got, err := ParseRef(tt.ref, tt.main)
		if err != nil {
			t.Errorf("%s: %v", tt.ref, err)
			continue
		}
		version := ""
		if !got.Version.IsZero() {
			version = got.Version.String()
		}
		if got.Name != tt.name || got.Channel != tt.channel || version != tt.version {
			t.Errorf("%s: got %+v", tt.ref, got)
		}
	}
	for _, tt := range []struct{ ref, main, want string }{
		{"refs/heads/feature", "main", `branch "feature" is published nowhere`},
		{"refs/heads/v0.4.0", "main", `branch "v0.4.0" is published nowhere`},
		{"refs/heads/hotfix/v0.4.1", "main", "is published nowhere"},
		{"master", "main", `"master" is no release tag`},
		{"refs/tags/main", "main", `"main" is no release tag`},
		{"refs/tags/refs/tags/v0.4.0", "main", "is no release tag"},
		{"refs/pull/1/merge", "main", "is no release tag"},
		{"latest", "main", "is no release tag"},
		{"", "main", `"" is no release tag`},
		{"", "", `"" is no release tag`},
		{"refs/heads/", "", "is published nowhere"},
	} {
		if got, err := ParseRef(tt.ref, tt.main); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %+v, %v; want an error with %q", tt.ref, got, err, tt.want)
		}
	}
}

func TestCheckCommit(t *testing.T) {
	for _, good := range []string{strings.Repeat("0a", 20), strings.Repeat("f", 64)} {
		if err := CheckCommit(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "abc123", strings.Repeat("A", 40), strings.Repeat("g", 40), strings.Repeat("a", 41), strings.Repeat("a", 63), strings.Repeat("a", 40) + "\n", "HEAD"} {
		if err := CheckCommit(bad); err == nil || !strings.Contains(err.Error(), "is no full commit hash: want 40 (or 64) lower-case hex digits") {
			t.Errorf("%q gave %v", bad, err)
		}
	}
}

// The grammar of semver.org, and that of OCI distribution 1.1 for tags.
var (
	semverForm = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$`)
	ociTag     = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

func seedTags(f *testing.F) {
	for _, s := range []string{
		"v0.4.0", "v0.4.0-rc.1", "v1.2.3+b", "v1.2.3-rc.1+b.01", "v01.2.3", "v1.2", "v1.2.3-", "v1.2.3-01", "", " ", "-v1.2.3", "v1..2",
		"v1.2.3-" + strings.Repeat("a", 293), "refs/tags/v1.0.0", "refs/heads/main", "main", "nightly", "edge", "v1.2.3-0a", "v1.2.3--", "v18446744073709551615.0.0", "v18446744073709551616.0.0",
	} {
		f.Add(s)
	}
}

// FuzzParseTag holds the parser against the grammar of SemVer 2.0.0, and what
// it gives against that of image tags.
func FuzzParseTag(f *testing.F) {
	seedTags(f)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTag(s)
		rest, hasV := strings.CutPrefix(s, "v")
		m := semverForm.FindStringSubmatch(rest)
		legal := hasV && m != nil
		if err != nil {
			// Numbers above 64 bits and names that fit no image tag are refused.
			if legal && len(s) <= 100 && !regexp.MustCompile(`\d{20}`).MatchString(s) {
				t.Fatalf("%q is legal, but: %v", s, err)
			}
			return
		}
		if !legal {
			t.Fatalf("%q is no version, but was read as %s", s, got)
		}
		if got.Tag() != s {
			t.Errorf("%q came back as %q", s, got.Tag())
		}
		if !ociTag.MatchString(got.Image()) {
			t.Errorf("%q gives the image tag %q", s, got.Image())
		}
		if (got.Channel() == Candidate) != (m[4] != "") {
			t.Errorf("%q is of channel %s", s, got.Channel())
		}
		if !strings.HasPrefix(got.Core(), got.Line()+".") || !strings.HasPrefix(got.Line(), got.Major()+".") {
			t.Errorf("%q: core %s, line %s, major %s", s, got.Core(), got.Line(), got.Major())
		}
		var back Version
		text, err := got.MarshalText()
		if err == nil {
			err = back.UnmarshalText(text)
		}
		if err != nil || back != got {
			t.Errorf("%q does not survive text: %v, %v", s, back, err)
		}
	})
}

func FuzzParseRef(f *testing.F) {
	seedTags(f)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseRef(s, "main")
		if err != nil {
			if got != (Ref{}) {
				t.Errorf("%q: a ref came with the error: %+v", s, got)
			}
			return
		}
		// Its name means the same again, except that nightly is no ref's name.
		again, err := ParseRef(got.Name, "main")
		if err != nil || again.Name != got.Name || got.Channel != Nightly && again != got {
			t.Errorf("%q gave %+v, and that %+v, %v", s, got, again, err)
		}
		if got.Version.IsZero() != (got.Channel == Edge || got.Channel == Nightly) {
			t.Errorf("%q gave %+v", s, got)
		}
	})
}
