package testkit

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// OK ends a test at an error.
func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Says wants an error with all the parts in its text.
func Says(t testing.TB, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("got %v, expected it to say %q", err, p)
		}
	}
}

// Golden wants a file to hold what a test got. With the flag -update it is
// written.
func Golden[T string | []byte](t testing.TB, path string, got T) {
	t.Helper()
	if *update {
		OK(t, os.MkdirAll(filepath.Dir(path), 0o755))
		OK(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	OK(t, err)
	if string(got) != string(want) {
		t.Errorf("%s differs; where that is meant, run the test with -update; got\n%s\nwant\n%s", path, got, want)
	}
}

// Edited gives a JSON object that was changed.
func Edited(t testing.TB, text []byte, change func(object map[string]any)) []byte {
	t.Helper()
	var object map[string]any
	OK(t, json.Unmarshal(text, &object))
	change(object)
	out, err := json.Marshal(object)
	OK(t, err)
	return out
}
