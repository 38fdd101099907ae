package shellword_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/shellword"
)

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"plain":              "plain",
		"a\nb\r\tc\x00\x7fd": "a b  c  d",
		"ä\xff":              "ä\uFFFD",
	} {
		if got := shellword.OneLine(text); got != want {
			t.Errorf("%q became %q, expected %q", text, got, want)
		}
	}
}

// A shell reads each value as we do; what it would run, we refuse.
func FuzzShellWord(f *testing.F) {
	for _, s := range []string{"main", `a\ b`, `'it'\''s'`, `"a \$b \x"`, "$'a\\303\\244\\''", "a#b", "ä^", `"a"'b'c`, "$x", "`id`", "a;b", "~", "a=~", "a:~/b", "!x", "{a,b}", "*", `""`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, word string) {
		value, err := shellword.Unquote(word)
		if err != nil || strings.ContainsAny(word, "\x00\n\r") || strings.ContainsRune(value, 0) {
			return
		}
		// Restricted and without programs: a fault of ours must not run what was made up.
		cmd := exec.Command("bash", "-r", "-c", "V="+word+"\nprintf %s \"$V\"")
		cmd.Env = []string{"PATH=/nonexistent"}
		out, err := cmd.Output()
		if err != nil || string(out) != value {
			t.Errorf("bash reads %q as %q (%v), expected %q", word, out, err, value)
		}
		if again, err := shellword.Unquote(shellword.Quote(value)); err != nil || again != value {
			t.Errorf("%q quoted is %q, %v", value, again, err)
		}
	})
}
