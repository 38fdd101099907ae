package stack_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

const odd = "pä/s+w?rd&of 20%"

func TestSecretsFormats(t *testing.T) {
	s := stack.NewSecrets("ONE", "TWO")
	asJSON, err := json.Marshal(map[string]any{"secrets": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s", s, s, s, s), fmt.Sprintf("%+v", stack.ProcessOptions{Secrets: s}), string(asJSON)} {
		if strings.Contains(text, s["ONE"]) || strings.Contains(text, s["TWO"]) || !strings.Contains(text, "[ONE TWO]") {
			t.Errorf("a secret shows, or no name does: %s", text)
		}
	}
}

// shapes are logs with a secret in them.
func shapes(secret string) map[string]string {
	lowered := regexp.MustCompile("%..").ReplaceAllStringFunc(url.QueryEscape(secret), strings.ToLower)
	m := map[string]string{
		"as it is":        "password=" + secret + ";",
		"at the end":      "password=" + secret,
		"query":           "GET /?q=" + url.QueryEscape(secret),
		"path":            "GET /" + url.PathEscape(secret),
		"lower escapes":   "GET /?q=" + lowered,
		"base64":          base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64 for URLs": base64.URLEncoding.EncodeToString([]byte(secret)),
	}
	for _, user := range []string{"a", "ab", "abc", "abcd"} {
		m["basic authentication of "+user] = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret+"\n"))
	}
	return m
}

func TestLeakShapes(t *testing.T) {
	for _, secret := range []string{odd, stack.NewSecrets("X")["X"]} {
		s := stack.Secrets{"THIS": secret, "OTHER": stack.NewSecrets("X")["X"], "EMPTY": "", "SHORT": "pass"}
		for name, log := range shapes(secret) {
			for _, pad := range []int{0, 64<<10 - 20, 128 << 10} { // also over the edge of a piece
				text := strings.Repeat("x", pad) + "\n" + log + "\n" + strings.Repeat("y", pad)
				got, err := s.Leaks(t.Context(), strings.NewReader(text))
				if err != nil || !slices.Equal(got, []string{"THIS"}) {
					t.Errorf("%s after %d bytes: %v, %v", name, pad, got, err)
				}
				var masked bytes.Buffer
				if err := s.Copy(t.Context(), &masked, strings.NewReader(text)); err != nil {
					t.Fatal(err)
				}
				if got, err := s.Leaks(t.Context(), &masked); err != nil || len(got) > 0 {
					t.Errorf("%s after %d bytes: masked, it still has %v, %v", name, pad, got, err)
				}
			}
		}
	}
}

func TestLeakOverLines(t *testing.T) {
	s := stack.NewSecrets("KEY")
	v := s["KEY"]
	for _, log := range []string{v[:30] + "\n" + v[30:], v[:10] + "\r\n    " + v[10:40] + "\n\t" + v[40:]} {
		if got, err := s.Leaks(t.Context(), iotest.OneByteReader(strings.NewReader(log))); err != nil || len(got) != 1 {
			t.Errorf("%q: %v, %v", log, got, err)
		}
	}
	if got, _ := s.Leaks(t.Context(), strings.NewReader(v[:63]+"\n- pass")); len(got) > 0 {
		t.Errorf("most of a secret is not all of it: %v", got)
	}
}

func TestMask(t *testing.T) {
	s := stack.Secrets{"A": "abcdefgh", "B": "abcdefghijkl", "SHORT": "the"}
	if got := s.Mask("the abcdefghijkl, abcdefgh"); got != "the ***, ***" {
		t.Errorf("got %q", got)
	}
	var out bytes.Buffer
	if err := s.Copy(t.Context(), &out, iotest.OneByteReader(strings.NewReader("one abcdefgh\ntwo"))); err != nil || out.String() != "one ***\ntwo" {
		t.Errorf("got %q, %v", out.String(), err)
	}
	out.Reset()
	if err := (stack.Secrets{}).Copy(t.Context(), &out, strings.NewReader("as it is")); err != nil || out.String() != "as it is" {
		t.Errorf("without secrets: %q, %v", out.String(), err)
	}
}
