package pipeline

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// halves is tiny with a frontend whose script says whether it ran.
func halves(t *testing.T) *desk {
	t.Helper()
	p := maintained()
	p.Frontend = &product.Frontend{Dir: "web", Output: "web/build", ImageDir: "/app/web"}
	return newDeskOf(t, p, map[string]string{
		"web/package.json":      `{"name": "web", "version": "0.2.0", "private": true, "scripts": {"test": "node test.mjs"}}`,
		"web/package-lock.json": `{"name": "web", "version": "0.2.0", "lockfileVersion": 3, "packages": {"": {"name": "web", "version": "0.2.0"}}}`,
		"web/test.mjs":          `console.log("the frontend is tested")`,
		".gitignore":            "node_modules/\ntarget/\n",
	}).withTarget()
}

// tests runs them and gives what was printed, and logged.
func (d *desk) tests(t *testing.T, o TestOrder) (out, log string, err error) {
	t.Helper()
	said := &bytes.Buffer{}
	d.out.Reset()
	d.UI = term.New(said, func(string) string { return "" })
	err = d.Test(t.Context(), o)
	return d.out.String(), said.String(), err
}

func holds(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

// One half's failure does not stop the other, and both are told.
func TestTest(t *testing.T) {
	d := halves(t)
	both := TestOrder{Backend: true, Frontend: true}
	out, log, err := d.tests(t, both)
	ok(t, err)
	holds(t, out, "suite                           passed  failed  ignored  time\ntest:backend                    1       0       0 ",
		"\n. tinyd: unittests src/main.rs  1       0       0 ", "\ntest:frontend                   ?       ?       ? ")
	holds(t, log, "the frontend is tested", "the whole workspace, since all is asked for: 1 passed", "the frontend: not counted: the runner gives its exit code alone")

	d.change("src/main.rs", `"200 OK"`, `"201 Created"`)
	d.write("web/test.mjs", `console.error("2 is not 3"); process.exit(1)`)
	out, log, err = d.tests(t, both)
	says(t, err, "test:backend: 1 of 1 tests failed: tinyd: unittests src/main.rs: tests::answers", "test:frontend: testing the frontend: ", "2 is not 3")
	holds(t, out, "\ntest:backend                    0       1       0 ", "\ntest:frontend                   ?")
	holds(t, log, "test:backend: tinyd: unittests src/main.rs: tests::answers failed:\n", "assertion failed: response(\"GET /health HTTP/1.1\")")

	both.JSON = true
	out, _, err = d.tests(t, both)
	says(t, err, "test:backend: 1 of 1 tests failed")
	var all []Tested
	ok(t, json.Unmarshal([]byte(out), &all))
	if len(all) != 2 || all[0].Name != "test:backend" || all[0].Failed != 1 || len(all[0].Failures) != 1 || len(all[0].Suites) == 0 || all[0].Error == "" ||
		all[0].Started.IsZero() || !all[0].Finished.After(all[0].Started) ||
		all[1].Name != "test:frontend" || !all[1].Uncounted || !strings.Contains(all[1].Error, "2 is not 3") {
		t.Errorf("got %+v", all)
	}

	d.write("src/main.rs", "fn main( {}\n")
	_, log, err = d.tests(t, TestOrder{Backend: true})
	says(t, err, "test:backend: `tinyd` (bin", "did not compile, so no test ran:\nerror: ")
	if strings.Contains(log, "0 passed") {
		t.Errorf("what did not run is counted:\n%s", log)
	}
}

// Since a commit only what is touched is tested, committed or not.
func TestTestAffected(t *testing.T) {
	d := halves(t)
	both := TestOrder{Backend: true, Frontend: true, Affected: "HEAD"}
	before := d.head()
	for _, tt := range []struct {
		name string
		do   func()
		want []string
	}{
		{"nothing", func() {}, []string{"\ntest:backend   -       -       -        no crate is touched\n", "\ntest:frontend  -       -       -        no file of the frontend is touched\n"}},
		{"a document", func() { d.write("docs/new.md", "") }, []string{"no crate is touched", "no file of the frontend is touched"}},
		{"the frontend", func() { d.write("web/new.mjs", "") }, []string{"no crate is touched", "\ntest:frontend  ?"}},
		{"a crate too", func() { d.change("src/main.rs", "fn main", "// A comment.\nfn main") }, []string{"\ntest:backend                    1", "\ntest:frontend                   ?"}},
		{"all of it committed", func() { d.commit("fix: some") }, []string{"no crate is touched", "no file of the frontend is touched"}},
		{"since before that", func() { both.Affected = before }, []string{"\ntest:backend                    1", "\ntest:frontend                   ?"}},
	} {
		tt.do()
		out, _, err := d.tests(t, both)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		holds(t, out, tt.want...)
	}
	both.Affected = "v9.9.9"
	out, _, err := d.tests(t, both)
	says(t, err, "looking for what changed since v9.9.9")
	if out != "" {
		t.Errorf("it printed %s", out)
	}
}

// A product without a frontend is tested without one.
func TestTestWithoutFrontend(t *testing.T) {
	d := newDesk(t, maintained()).withTarget()
	out, _, err := d.tests(t, TestOrder{Backend: true, Frontend: true})
	ok(t, err)
	if holds(t, out, "test:backend "); strings.Contains(out, "test:frontend") {
		t.Errorf("it printed %s", out)
	}
	_, _, err = d.tests(t, TestOrder{Frontend: true})
	says(t, err, "test:frontend: tiny has no frontend (Product.Frontend), so there is nothing to test")
}
