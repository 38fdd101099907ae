package sigstorekit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStart starts an instance twice in one directory, whose path is longer than
// that of a socket may be: the second finds what the first left, as it does after
// one that was killed. Neither writes elsewhere.
func TestStart(t *testing.T) {
	o := Options{Dir: filepath.Join(t.TempDir(), strings.Repeat("long", 30))}
	if missing := Missing(o); len(missing) > 0 && testing.Short() {
		t.Skipf("%s is not there: %s builds it", strings.Join(missing, ", "), Install)
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var roots []string
	for range 2 {
		i, err := Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, string(i.TrustedRoot))
		elsewhere, err := os.ReadDir(temp)
		if err != nil || len(elsewhere) > 0 {
			t.Errorf("a running instance has %v in %s: %v", elsewhere, temp, err)
		}
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if roots[0] != roots[1] {
		t.Errorf("the trusted root changed from %s to %s", roots[0], roots[1])
	}
}
