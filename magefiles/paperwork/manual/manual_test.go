package manual

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

const file = "docs/releases/gates/v0.4.0.yaml"

func version(t testing.TB, s string) decide.Version {
	t.Helper()
	v, err := decide.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// show writes gates in the form "file:line: name state: detail".
func show(gates []decide.Gate) []byte {
	var b bytes.Buffer
	for _, g := range gates {
		fmt.Fprintf(&b, "%s:%d: %s %s: %s", g.File, g.Line, g.Name, g.State, g.Detail)
		if g.Evidence != "" {
			fmt.Fprintf(&b, " [%s]", g.Evidence)
		}
		b.WriteString("\n")
	}
	return b.Bytes()
}

// A new file can be read, and none of its gates passes.
func TestNew(t *testing.T) {
	gates := product.RustShare().Promotion.Manual
	text := New(version(t, "0.4.0"), gates)
	testkit.Golden(t, "testdata/new.yaml", text)
	f, err := Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	if f.Version.String() != "0.4.0" || len(f.Gates) != len(gates) {
		t.Errorf("read %v", f)
	}
	got := f.Evaluate(file, gates)
	for _, g := range got {
		if g.State != decide.Fail || !strings.HasPrefix(strings.Split(string(text), "\n")[g.Line-1], "  - name: ") {
			t.Errorf("gate %v", g)
		}
	}
	testkit.Golden(t, "testdata/new.golden", show(got))
}

func TestNewAnything(t *testing.T) {
	gates := []product.ManualGate{{Name: "null", Ask: "One.\nTwo: # three\n"}, {Name: `12 "x": \ #é`}, {Name: "- [a"}}
	for v, gates := range map[string][]product.ManualGate{"0.4.0": gates, "1.0.0-rc.1": nil} {
		f, err := Parse("v"+v+".yaml", New(version(t, v), gates))
		if err != nil || len(f.Gates) != len(gates) || f.Version.String() != v {
			t.Fatalf("%s: %v, %v", v, f, err)
		}
		for i, g := range f.Gates {
			if g.Name != gates[i].Name || g.Status != Pending {
				t.Errorf("wrote %v, read %v", gates[i], g)
			}
		}
	}
}

func TestEvaluate(t *testing.T) {
	text, err := os.ReadFile("testdata/filled.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	want := []product.ManualGate{
		{Name: "not said", Ask: "It is shown."},
		{Name: "all said"},
		{Name: "no evidence", Ask: "It is shown."},
		{Name: "nobody and never"},
		{Name: "nothing"},
		{Name: "failed", Ask: "It is shown."},
		{Name: "pending", Ask: "It is shown."},
		{Name: "not run", Ask: "It is shown."},
		{Name: "not applicable"},
		{Name: "not applicable, why"},
		{Name: "not applicable, who"},
	}
	testkit.Golden(t, "testdata/filled.golden", show(f.Evaluate(file, want)))
	// No file says nothing.
	for _, g := range (File{}).Evaluate(file, want) {
		if g.State != decide.Fail || !strings.HasPrefix(g.Detail, file+" is not there") {
			t.Errorf("without a file: %v", g)
		}
	}
}

func TestErrors(t *testing.T) {
	const gates = "version: 0.4.0\ngates:\n- name: a\n  status: PASS\n"
	for text, want := range map[string]string{
		"":                                                     "1: the file has 0 YAML documents",
		"# nothing\n":                                          "1: the file has 0 YAML documents",
		gates + "---\n" + gates:                                "1: the file has 2 YAML documents",
		"version: 0.4.0\n":                                     "1: want both a version and gates",
		"gates: []\n":                                          "1: want both a version and gates",
		"- version: 0.4.0\n":                                   "1: want the fields version, gates here",
		"\nversion: 0.5.0\ngates: []":                          "2: the file is about version 0.5.0, so its name should be v0.5.0.yaml",
		"version: 0.4\ngates: []":                              `1: "0.4" is no SemVer 2.0.0 version`,
		"version: [0.4.0]\ngates: []":                          "1: want plain text here",
		"version: 0.4.0\ngates:\n":                             "2: gates should be a list",
		"version: 0.4.0\ngates: {a: b}\n":                      "2: gates should be a list",
		"version: 0.4.0\ngates: [a]\n":                         "2: want the fields name, status",
		"version: 0.4.0\nby: me\ngates: []\n":                  `2: field "by" is not known here, only version, gates`,
		gates + "  result: fine\n":                             `5: field "result" is not known here`,
		gates + "  status: FAIL\n":                             "5: this is no YAML that can be read: mapping key",
		gates + "  \"status\": FAIL\n":                         "5: this is no YAML that can be read: mapping key",
		gates + "- status: PASS\n  name: a\n":                  `5: gate "a" stands in line 3 already`,
		gates + "- name: \" a \"\n  status: PASS\n":            `5: gate "a" stands in line 3 already`,
		gates + "- status: PASS\n":                             "5: the gate has no name",
		gates + "- name: b\n":                                  `5: gate "b" has no status`,
		gates + "- name: b\n  status: ~\n":                     `5: gate "b" has no status`,
		gates + "- name: b\n  status: pass\n":                  `6: status "pass" of gate "b" is none of PASS, FAIL`,
		gates + "- name: b\n  status: DONE\n":                  `6: status "DONE" of gate "b" is none of PASS, FAIL`,
		gates + "  when: yesterday\n":                          `5: "yesterday" is no time: want YYYY-MM-DD or RFC 3339`,
		gates + "  when: 2026-02-30\n":                         `5: "2026-02-30" is no time`,
		gates + "  evidence: &a b\n":                           `5: "&" has a meaning of its own`,
		gates + "  evidence: &a b\n  who: *a\n":                `5: "&" has a meaning of its own`,
		gates + "  evidence: !!binary aGk=\n":                  `5: "!!binary" has a meaning of its own`,
		gates + "  who: @me\n":                                 "5: this is no YAML that can be read",
		"version: 0.4.0\ngates: [{name: a, name: b}]\n":        "2: this is no YAML that can be read: mapping key",
		"version: 0.4.0\ngates: [{.inf: a}]\n":                 "2: want plain text here",
		"%YAML 1.2\n---\n" + gates:                             `1: "%" has a meaning of its own`,
		gates + "  who: {a: b}\n":                              "5: want plain text here",
		gates + "  <<: {who: me}\n":                            `5: "<<" has a meaning of its own`,
		gates + "  ? [a]\n  : b\n":                             `5: "?" has a meaning of its own`,
		"a: &a [x]\nb: &b [*a, *a]\nversion: 0.4.0\n":          `1: "&" has a meaning of its own`,
		"version: 0.4.0\ngates: [\n":                           "2: this is no YAML that can be read",
		"version: 0.4.0\n\tgates: []\n":                        "2: this is no YAML that can be read",
		"version: \xff":                                        "1: the file is no UTF-8 text",
		gates + "#" + strings.Repeat("x", maxSize):             "1: the file has 65",
		"version: 0.4.0\ngates: " + strings.Repeat("[", 1<<15): "2: there are brackets within brackets",
		strings.Repeat("{a: ", 1<<13):                          "1: there are brackets within brackets",
		strings.Repeat("- ", 1<<14):                            "1: there is a list within a list",
	} {
		_, err := Parse(file, []byte(text))
		var at *Error
		if err == nil || !strings.Contains(err.Error(), file+":"+want) || !errors.As(err, &at) || at.Line < 1 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.80q gave %v, want %s", text, err, want)
		}
	}
	if _, err := Parse("gates.yaml", []byte(gates)); err == nil || !strings.Contains(err.Error(), "gates.yaml:1: the file is about version 0.4.0, so its name should be v0.4.0.yaml") {
		t.Errorf("another name: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"testdata/new.yaml", "testdata/filled.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("version: v0.4.0\ngates: [{name: a, status: PASS, evidence: &x y, who: *x, <<: {}}]\n---\n? |\n  a\n: !!str b\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Parse(file, text)
		if err != nil {
			var at *Error
			if !errors.As(err, &at) || at.Line < 1 {
				t.Errorf("the error is %#v", err)
			}
			return
		}
		lines := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) + 1
		for _, g := range got.Evaluate(file, nil) {
			if g.Line < 1 || g.Line > lines || g.State == decide.Pass && g.Evidence == "" {
				t.Errorf("gate %#v", g)
			}
		}
	})
}
