package bundle

import (
	"maps"
	"strings"
	"testing"
)

func TestParseSums(t *testing.T) {
	a, b := strings.Repeat("a", 64), strings.Repeat("0b", 32)
	for _, tt := range []struct {
		name, text string
		want       map[string]string
		says       string
	}{
		{"two files", a + "  x.tar.gz\n" + b + "  y\n", map[string]string{"x.tar.gz": a, "y": b}, ""},
		{"binary form, no last newline", a + " *x", map[string]string{"x": a}, ""},
		{"empty", "", nil, "SHA256SUMS is empty"},
		{"an empty line", a + "  x\n\n", nil, `SHA256SUMS:2 is "": want a sha256`},
		{"a directory", a + "  ../x\n", nil, `SHA256SUMS:1 is `},
		{"a Windows directory", a + "  c:\\x\n", nil, `SHA256SUMS:1 is `},
		{"upper case", strings.ToUpper(a) + "  x\n", nil, "SHA256SUMS:1"},
		{"one space", a + " x\n", nil, "SHA256SUMS:1"},
		{"Windows lines", a + "  x\r\n", nil, "SHA256SUMS:1"},
		{"twice", a + "  x\n" + b + "  x\n", nil, `SHA256SUMS:2 names "x" a second time`},
		{"HTML", "<!doctype html>\n", nil, "SHA256SUMS:1 is "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseSums([]byte(tt.text))
			if !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if (err != nil) != (tt.says != "") || (err != nil && !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got the error %v, want one that says %q", err, tt.says)
			}
		})
	}
}

func FuzzParseSums(f *testing.F) {
	f.Add(strings.Repeat("a", 64) + "  x\n")
	f.Add("x")
	f.Fuzz(func(t *testing.T, text string) {
		sums, err := ParseSums([]byte(text))
		if err != nil {
			return
		}
		if len(sums) == 0 {
			t.Fatalf("%q is taken for a list of nothing", text)
		}
		for name, sum := range sums {
			if len(sum) != 64 || name == "" || strings.ContainsAny(name, "/\\\n") {
				t.Fatalf("%q gives %q %q", text, name, sum)
			}
		}
	})
}
