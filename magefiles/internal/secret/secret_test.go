package secret_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kubedoio/rustshare-release/magefiles/internal/secret"
)

const (
	odd = `pä/s+w?rd&of "20%'\<>`
	hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// shapes are logs with a secret in them.
func shapes(value string) map[string]string {
	lowered := regexp.MustCompile("%..").ReplaceAllStringFunc(url.QueryEscape(value), strings.ToLower)
	quoted, _ := json.Marshal(map[string]string{"password": value})
	m := map[string]string{
		"as it is":        "password=" + value + ";",
		"at the end":      "password=" + value,
		"query":           "GET /?q=" + url.QueryEscape(value),
		"path":            "GET /" + url.PathEscape(value),
		"lower escapes":   "GET /?q=" + lowered,
		"JSON":            string(quoted),
		"plain JSON":      strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(quoted)),
		"shell":           "PGPASSWORD='" + strings.ReplaceAll(value, "'", `'\''`) + "'",
		"base64":          base64.StdEncoding.EncodeToString([]byte(value)),
		"base64 for URLs": base64.URLEncoding.EncodeToString([]byte(value)),
	}
	for _, user := range []string{"a", "ab", "abc", "abcd"} {
		m["basic authentication of "+user] = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+value+"\n"))
	}
	return m
}

// leaks gives the names that are found, in whatever pieces the text comes.
func leaks(t *testing.T, s *secret.Set, text string) []string {
	t.Helper()
	got, err := s.Leaks(t.Context(), strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	search := s.Search()
	for piece := range slices.Chunk([]byte(text), 7) {
		_, _ = search.Write(piece)
	}
	if again := search.Found(); !slices.Equal(got, again) {
		t.Errorf("found in one piece: %v, in small ones: %v", got, again)
	}
	return got
}

// masked masks a text in both ways, which must give the same.
func masked(t *testing.T, s *secret.Set, text string) string {
	t.Helper()
	got := s.Mask(text)
	var out bytes.Buffer
	if err := s.Copy(t.Context(), &out, iotest.HalfReader(strings.NewReader(text))); err != nil {
		t.Fatal(err)
	}
	if out.String() != got {
		t.Errorf("masked as a whole and in pieces:\n%q\n%q", got, out.String())
	}
	return got
}

func TestShapes(t *testing.T) {
	for _, value := range []string{odd, hex} {
		s := secret.New(map[string]string{"THIS": value, "OTHER": strings.Repeat("another one", 6), "EMPTY": ""})
		for name, log := range shapes(value) {
			for _, pad := range []int{0, 64<<10 - 20, 128 << 10} { // also over the edge of a piece
				text := strings.Repeat("x", pad) + "\n" + log + "\n" + strings.Repeat("y", pad)
				if got := leaks(t, s, text); !slices.Equal(got, []string{"THIS"}) {
					t.Errorf("%s after %d bytes: found %v", name, pad, got)
				}
				hidden := masked(t, s, text)
				if got := leaks(t, s, hidden); len(got) > 0 || !strings.Contains(hidden, "***") {
					t.Errorf("%s after %d bytes: masked, it still has %v", name, pad, got)
				}
				if strings.Count(hidden, "x") < pad || strings.Count(hidden, "y") < pad {
					t.Errorf("%s after %d bytes: more than the secret is gone", name, pad)
				}
			}
		}
	}
}

func TestOverLines(t *testing.T) {
	s := secret.New(map[string]string{"KEY": hex})
	for _, log := range []string{hex[:30] + "\n" + hex[30:], hex[:10] + "\r\n    " + hex[10:40] + "\n\t" + hex[40:]} {
		if got := leaks(t, s, log); len(got) != 1 {
			t.Errorf("%q: %v", log, got)
		}
		if got := masked(t, s, "a "+log+" b"); got != "a *** b" {
			t.Errorf("%q: masked it is %q", log, got)
		}
	}
	if got := leaks(t, s, hex[:63]+"\n- pass"); len(got) > 0 {
		t.Errorf("most of a secret is not all of it: %v", got)
	}
}

func TestMask(t *testing.T) {
	for name, tt := range map[string]struct{ values, text, want string }{
		"one begins as another": {"abcdefgh abcdefghijkl", "the abcdefghijkl, abcdefgh", "the ***, ***"},
		"overlapping":           {"abcdefgh efghijkl", "the abcdefghijkl.", "the ***."},
		"side by side":          {"abcdefgh", "abcdefghabcdefgh", "******"},
		"over and over":         {"aaaaaaaa", strings.Repeat("a", 200<<10) + "b", "***b"},
		"short":                 {"pass", "a pass, a p ass, cGFzcw==", "a ***, a p ass, ***"},
		"one letter":            {"x", "x, y", "***, y"},
		"much white space":      {"abcdefgh", strings.Repeat(" ", 2<<20) + "abcdefgh", strings.Repeat(" ", 2<<20) + "***"},
		"nothing to hide":       {"", "as it is", "as it is"},
		"no text":               {"abcdefgh", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var s secret.Set
			for _, value := range strings.Fields(tt.values) {
				s.Add(value, value)
				s.Add(value, value) // twice is once
			}
			if got := masked(t, &s, tt.text); got != tt.want {
				t.Errorf("got %d bytes: %.200q, want %.200q", len(got), got, tt.want)
			}
		})
	}
}

func TestWhiteSpaceWithin(t *testing.T) {
	for value, text := range map[string]string{
		"a    b c  d": "is 'a    b c  d'.",
		"        ":    "is '        '.",
		"one two six": "is 'one\ntwo\nsix'.",
	} {
		s := secret.New(map[string]string{"X": value})
		if got := leaks(t, s, text); len(got) != 1 {
			t.Errorf("%q is not found in %q", value, text)
		}
		if got := masked(t, s, text); got != "is '***'." {
			t.Errorf("got %q", got)
		}
		if got := leaks(t, s, "is 'ab d'"); len(got) > 0 {
			t.Errorf("%q is found where it is not", value)
		}
	}
}

func TestMaskCut(t *testing.T) {
	s := secret.New(map[string]string{"X": "abcdefgh", "Y": "pass"})
	for text, want := range map[string]string{
		"the abcdefgh" + strings.Repeat(".", 20): "the ***" + strings.Repeat(".", 9),
		strings.Repeat(".", 20) + " abcdefg":     strings.Repeat(".", 16),
		strings.Repeat(".", 20) + " abcdefgh":    strings.Repeat(".", 17),
		"short":                                  "",
	} {
		if got := s.MaskCut(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := (&secret.Set{}).MaskCut("as it is"); got != "as it is" {
		t.Errorf("got %q", got)
	}
}

func TestStreamsThatFail(t *testing.T) {
	s := secret.New(map[string]string{"X": "abcdefgh"})
	broken := errors.New("the disk is broken")
	var out bytes.Buffer
	if err := s.Copy(t.Context(), &out, iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("one two")))); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("reading: got %v", err)
	}
	if err := s.Copy(t.Context(), fails{broken}, strings.NewReader("one two three")); !errors.Is(err, broken) {
		t.Errorf("writing: got %v", err)
	}
	if _, err := s.Leaks(t.Context(), iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("searching: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Copy(ctx, &out, strings.NewReader("one")); !errors.Is(err, context.Canceled) {
		t.Errorf("copying at the end: got %v", err)
	}
	if _, err := s.Leaks(ctx, strings.NewReader("one")); !errors.Is(err, context.Canceled) {
		t.Errorf("searching at the end: got %v", err)
	}
}

type fails struct{ err error }

func (f fails) Write([]byte) (int, error) { return 0, f.err }

// FuzzSecret puts a secret into a text in any form, split over lines or not: it
// is found, and not left after masking.
func FuzzSecret(f *testing.F) {
	f.Add(hex, "before ", " after", 0, 0)
	f.Add(odd, "Authorization: Basic ", "", 9, 5)
	f.Add("pass", "", "pass", 1, 2)
	f.Add("a b c d e f g h", "\n\n", "\n", 3, 1)
	f.Add("\xff\x00\x01 odd bytes", "0", "0", 4, 3)
	f.Fuzz(func(t *testing.T, value, before, after string, form, split int) {
		if value == "" || strings.Contains(value, "*") || len(value)+len(before)+len(after) > 2000 {
			t.Skip("no secret, or one that its stars could make")
		}
		s := secret.New(map[string]string{"IT": value})
		forms := append(secret.Forms(value), before+value)
		if len(value) >= 8 { // a short one is not looked for inside of base64
			forms = append(forms, base64.StdEncoding.EncodeToString([]byte(before+value+after)))
		}
		inside := forms[uint(form)%uint(len(forms))]
		if split %= 80; split > 0 && len(strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(value)) >= 8 {
			var lines []string
			for l := range slices.Chunk([]byte(inside), split) {
				lines = append(lines, string(l))
			}
			inside = strings.Join(lines, "\r\n\t ")
		}
		text := before + inside + after
		if got := leaks(t, s, text); len(got) != 1 {
			t.Errorf("%q is not found in %q", value, text)
		}
		hidden := masked(t, s, text)
		if got := leaks(t, s, hidden); len(got) > 0 {
			t.Errorf("%q is left in %q, masked from %q", value, hidden, text)
		}
	})
}
