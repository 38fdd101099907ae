package stack_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
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

// TestSecretsInLogs: those of eight bytes and more are masked and found.
func TestSecretsInLogs(t *testing.T) {
	s := stack.Secrets{"THIS": odd, "OTHER": "abcdefgh", "EMPTY": "", "SHORT": "pass"}
	text := "pass: " + odd + " " + url.QueryEscape(odd) + " " + base64.StdEncoding.EncodeToString([]byte("me:"+odd)) + " abcd\n\tefgh"
	if got, err := s.Leaks(t.Context(), iotest.OneByteReader(strings.NewReader(text))); err != nil || !slices.Equal(got, []string{"OTHER", "THIS"}) {
		t.Errorf("found %v, %v", got, err)
	}
	const want = "pass: *** *** bWU6*** ***"
	if got := s.Mask(text); got != want {
		t.Errorf("got %q", got)
	}
	var out bytes.Buffer
	if err := s.Copy(t.Context(), &out, iotest.OneByteReader(strings.NewReader(text))); err != nil || out.String() != want {
		t.Errorf("got %q, %v", out.String(), err)
	}
	if got, err := s.Leaks(t.Context(), &out); err != nil || len(got) > 0 {
		t.Errorf("masked, it still has %v, %v", got, err)
	}
	if got := (stack.Secrets{"SHORT": "pass"}).Mask(text); got != text {
		t.Errorf("a short one is masked: %q", got)
	}
}
