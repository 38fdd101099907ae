package scan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const list = `# What may pass.
exceptions:
  - vulnerability: GHSA-aaaa-bbbb-cccc
    package: pkg:cargo/a
    reason: never given what others send
    expires: 2026-12-31
`

func TestParseExceptions(t *testing.T) {
	got, err := ParseExceptions("list.yaml", []byte(list))
	ok(t, err)
	if len(got) != 1 || got[0].ID != "GHSA-aaaa-bbbb-cccc" || got[0].Package != "pkg:cargo/a" || day(got[0].Expires) != "2026-12-31" || got[0].From != "list.yaml" {
		t.Errorf("got %+v", got)
	}
	if got, err := ParseExceptions("list.yaml", nil); err != nil || got != nil {
		t.Errorf("an empty file gave %v, %v", got, err)
	}
	for want, change := range map[string][2]string{
		"field until not found":                           {"expires", "until"},
		"names no vulnerability":                          {"GHSA-aaaa-bbbb-cccc", ""},
		`names the package "a"`:                           {"pkg:cargo/a", "a"},
		"has no reason":                                   {"never given what others send", `" "`},
		`expires on "soon", want a day as in 2026-12-31`:  {"2026-12-31", "soon"},
		`exception 1 (GHSA-aaaa-bbbb-cccc) expires on ""`: {"    expires: 2026-12-31\n", ""},
		"more than one YAML document":                     {"# What may pass.", "exceptions: []\n---"},
		"reading the exceptions in list.yaml":             {"exceptions:", "exceptions: 5 #"},
	} {
		_, err := ParseExceptions("list.yaml", []byte(strings.Replace(list, change[0], change[1], 1)))
		says(t, err, "list.yaml", want)
	}
}

const document = `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.org/1","author":"us","timestamp":"2026-11-01T00:00:00Z","version":1,
"statements":[{"vulnerability":{"name":"CVE-1","aliases":["GHSA-1"]},"products":[{"@id":"pkg:oci/tinyd","subcomponents":[{"@id":"pkg:cargo/a"}]}],
"status":"not_affected","justification":"vulnerable_code_not_present"}]}`

func TestParseVEX(t *testing.T) {
	for name, tt := range map[string]struct {
		change [2]string
		want   string // what is allowed, as id package expiry
	}{
		"subcomponent":             {want: "CVE-1+GHSA-1 pkg:cargo/a 2027-01-30"},
		"the whole product":        {[2]string{`,"subcomponents":[{"@id":"pkg:cargo/a"}]`, ""}, "CVE-1+GHSA-1  2027-01-30"},
		"the package":              {[2]string{`{"@id":"pkg:oci/tinyd","subcomponents":[{"@id":"pkg:cargo/a"}]}`, `{"@id":"pkg:cargo/a@1.0.0"}`}, "CVE-1+GHSA-1 pkg:cargo/a@1.0.0 2027-01-30"},
		"by identifier":            {[2]string{`{"@id":"pkg:cargo/a"}`, `{"@id":"https://example.org/a","identifiers":{"purl":"pkg:cargo/a"}}`}, "CVE-1+GHSA-1 pkg:cargo/a 2027-01-30"},
		"fixed":                    {[2]string{`"not_affected","justification":"vulnerable_code_not_present"`, `"fixed"`}, "CVE-1+GHSA-1 pkg:cargo/a 2027-01-30"},
		"the statement's own time": {[2]string{`"status"`, `"timestamp":"2026-11-02T00:00:00Z","status"`}, "CVE-1+GHSA-1 pkg:cargo/a 2027-01-31"},
		"another product":          {[2]string{"pkg:oci/tinyd", "pkg:oci/other"}, ""},
		"under investigation":      {[2]string{`"not_affected","justification":"vulnerable_code_not_present"`, `"under_investigation"`}, ""},
		"affected":                 {[2]string{`"not_affected","justification":"vulnerable_code_not_present"`, `"affected","action_statement":"wait"`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseVEX("a.json", []byte(strings.Replace(document, tt.change[0], tt.change[1], 1)), policy())
			ok(t, err)
			var all []string
			for _, e := range got {
				all = append(all, strings.Join(append([]string{e.ID}, e.Aliases...), "+")+" "+e.Package+" "+day(e.Expires))
			}
			if s := strings.Join(all, ", "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
	for want, change := range map[string][2]string{
		"is no OpenVEX document":                 {"https://openvex.dev/ns/v0.2.0", "https://example.org"},
		"has no timestamp":                       {`"timestamp":"2026-11-01T00:00:00Z",`, ""},
		"invalid status value":                   {"not_affected", "fine"},
		"justification or impact statement must": {`,"justification":"vulnerable_code_not_present"`, ""},
		"names no vulnerability":                 {`"name":"CVE-1","aliases":["GHSA-1"]`, ""},
		"reading the OpenVEX document a.json":    {"{", "["},
	} {
		_, err := ParseVEX("a.json", []byte(strings.Replace(document, change[0], change[1], 1)), policy())
		says(t, err, "a.json", want)
	}
}

func TestReadExceptions(t *testing.T) {
	dir := t.TempDir()
	got, err := ReadExceptions(dir, "list.yaml", []string{"vex/*.json"}, policy())
	if err != nil || got != nil {
		t.Errorf("nothing there gave %v, %v", got, err)
	}
	ok(t, os.Mkdir(filepath.Join(dir, "vex"), 0o755))
	ok(t, os.WriteFile(filepath.Join(dir, "list.yaml"), []byte(list), 0o644))
	ok(t, os.WriteFile(filepath.Join(dir, "vex", "a.json"), []byte(document), 0o644))
	got, err = ReadExceptions(dir, "list.yaml", []string{"vex/*.json"}, policy())
	ok(t, err)
	if len(got) != 2 || got[0].From != "list.yaml" || got[1].From != "vex/a.json" {
		t.Errorf("got %+v", got)
	}
	ok(t, os.WriteFile(filepath.Join(dir, "list.yaml"), make([]byte, maxFile+1), 0o644))
	_, err = ReadExceptions(dir, "list.yaml", nil, policy())
	says(t, err, "list.yaml has 1048577 bytes")
}

func FuzzExceptions(f *testing.F) {
	f.Add([]byte(list))
	f.Add([]byte("exceptions: [{}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseExceptions("list", text)
		for _, e := range got {
			if err != nil || e.ID == "" || e.Package == "" || e.Reason == "" || e.Expires.IsZero() {
				t.Errorf("%+v, %v", e, err)
			}
		}
	})
}

func FuzzVEX(f *testing.F) {
	f.Add([]byte(document))
	f.Add([]byte(`{"@context":"https://openvex.dev/ns","statements":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseVEX("document", text, policy())
		for _, e := range got {
			if err != nil || e.ID == "" || e.Expires.IsZero() {
				t.Errorf("%+v, %v", e, err)
			}
		}
	})
}
