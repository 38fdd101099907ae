package intoto

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func trial() Trial {
	return Trial{
		Name: "drill:restore", Record: strings.Repeat("b", 64), Commit: "0123456789abcdef0123456789abcdef01234567",
		Stack: "compose", Platform: "linux/amd64", Started: noon, Finished: noon.Add(1500 * time.Millisecond),
	}
}

func TestDecodeTestRun(t *testing.T) {
	good := TestRun{Result: Passed, Configuration: trial().Configuration(), Passed: []string{"backup", "journey"}}
	text, err := Encode(TestResult, good, SHA256("", strings.Repeat("a", 64)))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + strings.Repeat("a", 64) + `"}}],` +
		`"predicateType":"https://in-toto.io/attestation/test-result/v0.1","predicate":{"result":"PASSED","configuration":[{"name":"drill:restore",` +
		`"digest":{"sha256":"` + strings.Repeat("b", 64) + `"},"mediaType":"application/vnd.kubedoio.release.evidence.v1+json","annotations":{` +
		`"commit":"0123456789abcdef0123456789abcdef01234567","finished":"2026-03-04T12:00:01.500Z","platform":"linux/amd64","stack":"compose",` +
		`"started":"2026-03-04T12:00:00.000Z"}}],"passedTests":["backup","journey"]}}`
	if string(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	s, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeTestRun(s)
	if err != nil || !reflect.DeepEqual(got, good) {
		t.Errorf("got %+v, %v", got, err)
	}
	if back, err := got.Trial(); err != nil || back != trial() {
		t.Errorf("got %+v, %v", back, err)
	}
	const config = `"configuration":[{"uri":"https://example.org/ci.yml"}]`
	for _, tt := range []struct{ predicate, says string }{
		{`[]`, "reading the test result: "},
		{`{"result":true}`, "reading the test result: "},
		{`{` + config + `}`, `the test result is "", want PASSED, WARNED or FAILED`},
		{`{"result":"passed",` + config + `}`, `the test result is "passed"`},
		{`{"result":"PASSED"}`, "has no configuration"},
		{`{"result":"PASSED","configuration":[{"name":"ci"}]}`, `configuration "ci" has neither URI nor digest nor content`},
		{`{"result":"PASSED",` + config + `,"failedTests":["login"]}`, `says PASSED and lists "login" as failed`},
	} {
		_, err := DecodeTestRun(Statement{PredicateType: TestResult, Predicate: []byte(tt.predicate)})
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want an error that says %q", tt.predicate, err, tt.says)
		}
	}
	if _, err := DecodeTestRun(Statement{PredicateType: Provenance, Predicate: s.Predicate}); err == nil || !strings.Contains(err.Error(), `is of type "https://slsa.dev/provenance/v1"`) {
		t.Errorf("of another type: %v", err)
	}
	// The specification's own example, and a field of a later version.
	example := Statement{PredicateType: TestResult, Predicate: []byte(`{"result":"PASSED","configuration":[{"name":".github/workflows/ci.yml",` +
		`"downloadLocation":"https://example.org/ci.yml","digest":{"gitBlob":"ebe4add40f63c3c98bc9b32ff1e736f04120b023"}}],` +
		`"url":"https://example.org/runs/1","passedTests":["build"],"warnedTests":[],"failedTests":[],"later":1}`)}
	if run, err := DecodeTestRun(example); err != nil || run.URL != "https://example.org/runs/1" || run.Passed[0] != "build" {
		t.Errorf("the specification's example: %+v, %v", run, err)
	} else if _, err := run.Trial(); err == nil || !strings.Contains(err.Error(), "its configuration is not the one record") {
		t.Errorf("another tool's is taken for ours: %v", err)
	}
}

func TestTrialRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(c *Resource)
		says  string
	}{
		{"no name", func(c *Resource) { c.Name = "" }, `it names the record "" of commit "0123`},
		{"no commit", func(c *Resource) { delete(c.Annotations, "commit") }, `of commit ""`},
		{"no digest", func(c *Resource) { c.Digest = nil }, `with the sha256 ""`},
		{"short digest", func(c *Resource) { c.Digest["sha256"] = "bb" }, `with the sha256 "bb"`},
		{"no time", func(c *Resource) { delete(c.Annotations, "finished") }, "reading when drill:restore was run"},
		{"bad time", func(c *Resource) { c.Annotations["started"] = "noon" }, "reading when drill:restore was run"},
		{"another zone", func(c *Resource) { c.Annotations["started"] = "2026-03-04T12:00:00.000+00:00" }, "reading when drill:restore was run"},
		{"no milliseconds", func(c *Resource) { c.Annotations["started"] = "2026-03-04T12:00:00Z" }, "reading when drill:restore was run"},
		{"backwards", func(c *Resource) { c.Annotations["started"] = "2026-03-04T12:00:02.000Z" }, "drill:restore finished before it started"},
		{"another record", func(c *Resource) { c.Content = []byte("{}") }, "the record of drill:restore that it brings along has the sha256 44136fa3"},
		{"another media type", func(c *Resource) { c.MediaType = "text/plain" }, "is not the one record"},
	} {
		run := TestRun{Result: Passed, Configuration: trial().Configuration()}
		tt.spoil(&run.Configuration[0])
		if _, err := run.Trial(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want an error that says %q", tt.name, err, tt.says)
		}
	}
	whole := trial()
	whole.Text, whole.Record = "{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
	if got, err := (TestRun{Result: Passed, Configuration: whole.Configuration()}).Trial(); err != nil || got != whole {
		t.Errorf("with its record: got %+v, %v", got, err)
	}
	two := TestRun{Result: Passed, Configuration: append(trial().Configuration(), trial().Configuration()...)}
	if _, err := two.Trial(); err == nil {
		t.Error("two records are one trial")
	}
}

func FuzzDecodeTestRun(f *testing.F) {
	ours, err := json.Marshal(TestRun{Result: Failed, Configuration: trial().Configuration(), Failed: []string{"journey"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(ours))
	for _, seed := range []string{`{"result":"PASSED","configuration":[{"uri":"x"}]}`, `{}`, `null`, `{"configuration":[null]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		run, err := DecodeTestRun(Statement{PredicateType: TestResult, Predicate: json.RawMessage(text)})
		if err != nil {
			return
		}
		if run.Check() != nil || (run.Result != Failed && len(run.Failed) > 0) {
			t.Errorf("%q is taken for %+v", text, run)
		}
		trial, err := run.Trial()
		if err != nil {
			return
		}
		again, err := TestRun{Result: run.Result, Configuration: trial.Configuration()}.Trial()
		if err != nil || again != trial {
			t.Errorf("%+v is written and read as %+v, %v", trial, again, err)
		}
	})
}
