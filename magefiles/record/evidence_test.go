package record

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

const commit = "0123456789abcdef0123456789abcdef01234567"

// restore is the record of a drill that passed.
func restore() Evidence {
	return Evidence{
		Name: "drill:restore", Kind: Drill, Result: Pass, Summary: "2 steps passed, 1 is not applicable here",
		Commit: commit, Digest: "sha256:" + strings.Repeat("a", 64), Platform: "linux/amd64", Stack: "compose",
		Started: noon, Finished: noon.Add(90 * time.Second),
		Steps: []EvidenceStep{
			{"verify the backup", Pass, "7 files", noon, 40 * time.Millisecond},
			{"public link", NotApplicable, "the journey made none", noon.Add(time.Second), time.Millisecond},
			{"post-restore journey", Pass, "12 steps <passed> & \"kept\"\nin two lines", noon.Add(2 * time.Second), 80 * time.Second},
		},
		Facts: map[string]string{"previous version": "0.3.2", "backup": "20260304T115900Z"},
	}
}

func TestEvidenceForm(t *testing.T) {
	text, err := restore().Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "evidence.json", string(text))
	back, err := DecodeEvidence(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.Encode()
	if err != nil || !bytes.Equal(again, text) {
		t.Errorf("read and written again it is\n%s (%v)", again, err)
	}
}

// What comes from a run is made fit to be kept: a record of a failure is not
// lost to the escape codes in it.
func TestEvidenceTidied(t *testing.T) {
	e := restore()
	e.Result, e.Summary, e.Steps[0].Result = Fail, "the \x1b[31mbackend\x1b[0m said \xff", Fail
	e.Facts["backup"] = "a\rb"
	e.Started = noon.In(time.FixedZone("CET", 3600)).Add(1234567)
	text, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeEvidence(text)
	if err != nil || got.Summary != "the �[31mbackend�[0m said �" || got.Facts["backup"] != "a�b" || !got.Started.Equal(noon.Add(time.Millisecond)) {
		t.Errorf("got %+v, %v", got, err)
	}
	if e.Facts["backup"] != "a\rb" || strings.Contains(e.Summary, "�") {
		t.Error("the caller's own record was changed")
	}
}

func TestValidate(t *testing.T) {
	if err := restore().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func(e *Evidence)
		says  string
	}{
		{"name", func(e *Evidence) { e.Name = "../restore" }, `the evidence is named "../restore", want a target's name such as drill:restore`},
		{"no name", func(e *Evidence) { e.Name = "" }, `is named ""`},
		{"kind", func(e *Evidence) { e.Kind = "walk" }, `the evidence of drill:restore is of the kind "walk", want gate, test, smoke, drill or scan`},
		{"result", func(e *Evidence) { e.Result = "pass" }, `has the result "pass", want PASS, FAIL`},
		{"no summary", func(e *Evidence) { e.Summary = " " }, "has no summary"},
		{"short commit", func(e *Evidence) { e.Commit = "0123456" }, `names the commit "0123456", want the full hash`},
		{"digest", func(e *Evidence) { e.Digest = "sha256:ab" }, `names the digest "sha256:ab", want sha256: and 64 hex digits`},
		{"bare digest", func(e *Evidence) { e.Digest = strings.Repeat("a", 64) }, "want sha256: before it"},
		{"digest in capitals", func(e *Evidence) { e.Digest = "sha256:" + strings.Repeat("A", 64) }, "want sha256: and 64 hex digits"},
		{"platform", func(e *Evidence) { e.Platform = "amd64" }, `names the platform "amd64", want one such as linux/amd64`},
		{"stack", func(e *Evidence) { e.Stack = "docker compose" }, `names the stack "docker compose"`},
		{"no start", func(e *Evidence) { e.Started = time.Time{} }, "says nothing of when"},
		{"no end", func(e *Evidence) { e.Finished = time.Time{} }, "says nothing of when"},
		{"backwards", func(e *Evidence) { e.Finished = noon.Add(-time.Second) }, "finished at 2026-03-04T11:59:59Z, before it started at 2026-03-04T12:00:00Z"},
		{"a failed step", func(e *Evidence) { e.Steps[0].Result = Fail }, "says PASS, but FAIL is what follows from its steps"},
		{"a step that was not run", func(e *Evidence) { e.Steps[0].Result = NotRun }, "says PASS, but NOT_RUN is what follows"},
		{"a pending step", func(e *Evidence) { e.Steps[0].Result = Pending }, "says PASS, but PENDING is what follows"},
		{"nothing done", func(e *Evidence) { e.Steps[0].Result, e.Steps[2].Result = NotApplicable, NotApplicable }, "says PASS, but NOT_APPLICABLE is what follows"},
		{"not run, but it was", func(e *Evidence) { e.Result = NotRun }, "says NOT_RUN, but PASS is what follows"},
		{"step without a name", func(e *Evidence) { e.Steps[1].Name = "" }, "has no name for its step 2"},
		{"step's result", func(e *Evidence) { e.Steps[1].Result = "" }, `has the result "" at "public link"`},
		{"step's time", func(e *Evidence) { e.Steps[1].Took = -time.Second }, `says that "public link" took -1s`},
		{"control characters", func(e *Evidence) { e.Steps[1].Detail = "\x1b[2J" }, "has text with control characters"},
		{"fact", func(e *Evidence) { e.Facts["a\nb"] = "c" }, `has a fact named "a\nb"`},
		{"log of another", func(e *Evidence) { e.Logs = []LogFile{{"drill-upgrade.logs.tar.gz", strings.Repeat("a", 64), 1}} }, `names the log "drill-upgrade.logs.tar.gz", want a file name that begins with drill-restore@compose.`},
		{"log elsewhere", func(e *Evidence) {
			e.Logs = []LogFile{{"drill-restore@compose./../x", strings.Repeat("a", 64), 1}}
		}, "want a file name"},
		{"log as the record", func(e *Evidence) { e.Logs = []LogFile{{e.File("json"), strings.Repeat("a", 64), 1}} }, "want a file name"},
		{"log twice", func(e *Evidence) {
			l := LogFile{e.File("log"), strings.Repeat("a", 64), 1}
			e.Logs = []LogFile{l, l}
		}, "names the log drill-restore@compose.log twice"},
		{"log's digest", func(e *Evidence) { e.Logs = []LogFile{{e.File("log"), "ab", 1}} }, `names the sha256 "ab" for the log`},
		{"log's size", func(e *Evidence) { e.Logs = []LogFile{{e.File("log"), strings.Repeat("a", 64), -1}} }, "has -1 bytes"},
	} {
		e := restore()
		c.spoil(&e)
		if err := e.Validate(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", c.name, err, c.says)
		}
	}
	failed := restore() // its steps passed, and then the teardown did not
	failed.Result = Fail
	if err := failed.Validate(); err != nil {
		t.Errorf("a run that failed outside of its steps: %v", err)
	}
}

func TestResultOf(t *testing.T) {
	for want, all := range map[Result][][]Result{
		Pass:          {{Pass}, {Pass, NotApplicable}},
		Fail:          {{Pass, Fail}, {Fail, NotRun, Pending}},
		NotRun:        {{}, {Pass, NotRun}, {NotRun, NotApplicable}},
		Pending:       {{Pass, Pending, NotRun}},
		NotApplicable: {{NotApplicable}},
	} {
		for _, results := range all {
			var steps []EvidenceStep
			for _, r := range results {
				steps = append(steps, EvidenceStep{Result: r})
			}
			if got := ResultOf(steps); got != want {
				t.Errorf("of %v: got %s, want %s", results, got, want)
			}
		}
	}
}

func TestDecodeEvidence(t *testing.T) {
	good, err := restore().Encode()
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, with string) string {
		t.Helper()
		if !strings.Contains(string(good), old) {
			t.Fatalf("the record has no %q", old)
		}
		return strings.Replace(string(good), old, with, 1)
	}
	for name, c := range map[string]struct{ text, says string }{
		"empty":            {"", "reading evidence: EOF"},
		"a list":           {"[]", "reading evidence: json: cannot unmarshal array"},
		"null":             {"null\n", `is named ""`},
		"an unknown field": {change(`"kind"`, `"sort"`), `unknown field "sort"`},
		"a wrong type":     {change(`"took": 40000000`, `"took": "40ms"`), "reading evidence: json: cannot unmarshal string"},
		"two records":      {string(good) + string(good), "there is more after the record"},
		"a false pass": {change(`"result": "PASS",
      "detail": "7 files"`, `"result": "FAIL",
      "detail": "7 files"`), "says PASS, but FAIL is what follows from its steps"},
		"another order": {change(`"kind": "drill",
  "result": "PASS",`, `"result": "PASS",
  "kind": "drill",`), "was it edited by hand?"},
		"a field twice":      {change(`"result": "PASS",`, `"result": "FAIL", "result": "PASS",`), "was it edited by hand?"},
		"capitals":           {change(`"commit"`, `"Commit"`), "was it edited by hand?"},
		"another time zone":  {change(`"2026-03-04T12:00:00Z"`, `"2026-03-04T13:00:00+01:00"`), "was it edited by hand?"},
		"escape codes":       {change(`7 files`, `7 \u001b[2Jfiles`), "was it edited by hand?"},
		"a line end missing": {strings.TrimSuffix(string(good), "\n"), "was it edited by hand?"},
		"huge":               {strings.Repeat(" ", maxEvidence+1), "more than the 8388608 that a record may have"},
	} {
		if _, err := DecodeEvidence([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, c.says)
		}
	}
}

func TestTestRun(t *testing.T) {
	e := restore()
	run, ok, err := e.TestRun()
	if err != nil || !ok || run.Check() != nil {
		t.Fatalf("got %+v, %v, %v", run, ok, err)
	}
	if run.Result != intoto.Passed || strings.Join(run.Passed, ", ") != "verify the backup, post-restore journey" || run.Failed != nil || run.Warned != nil {
		t.Errorf("got %+v", run)
	}
	text, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := intoto.Trial{Name: e.Name, Record: hexOf(text), Text: string(text), Commit: commit, Stack: "compose", Platform: "linux/amd64", Started: e.Started, Finished: e.Finished}
	if got, err := run.Trial(); err != nil || got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	e.Result, e.Steps[0].Result = Fail, Fail
	if run, ok, err := e.TestRun(); err != nil || !ok || run.Result != intoto.Failed || len(run.Failed) != 1 || run.Failed[0] != "verify the backup" {
		t.Errorf("of a failure: got %+v, %v, %v", run, ok, err)
	}
	for _, r := range []Result{NotRun, NotApplicable, Pending} {
		e.Result, e.Steps = r, nil
		if run, ok, err := e.TestRun(); ok || err != nil {
			t.Errorf("%s is attested: %+v, %v", r, run, err)
		}
	}
	e.Summary = ""
	if _, ok, err := e.TestRun(); ok || err == nil {
		t.Errorf("a bad record is attested: %v", err)
	}
}

func TestEvidenceOfGates(t *testing.T) {
	plan := decide.Plan{Commit: commit, Gates: []decide.Gate{
		{Name: "tag", State: decide.Pass, Detail: "v0.4.0 is annotated", Evidence: "sha256:ab"},
		{Name: "manual: staging", State: decide.Warning, Detail: "not applicable: no staging", File: "docs/releases/gates/v0.4.0.yaml", Line: 7},
	}}
	check := func(result Result, summary string, steps ...string) {
		t.Helper()
		e := EvidenceOfGates(plan, noon, noon.Add(time.Second))
		if _, err := e.Encode(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range e.Steps {
			got = append(got, s.Name+": "+string(s.Result)+": "+s.Detail)
		}
		if e.Name != "gates" || e.Kind != Gate || e.Result != result || e.Summary != summary || strings.Join(got, "\n") != strings.Join(steps, "\n") {
			t.Errorf("got %s %q\n%s\nwant %s %q\n%s", e.Result, e.Summary, strings.Join(got, "\n"), result, summary, strings.Join(steps, "\n"))
		}
	}
	first := []string{
		"tag: PASS: v0.4.0 is annotated (sha256:ab)",
		"manual: staging: NOT_APPLICABLE: docs/releases/gates/v0.4.0.yaml:7: not applicable: no staging",
	}
	check(Pass, "1 of 2 gates passed, 1 warned", first...)
	plan.Gates = append(plan.Gates, decide.Gate{Name: "ci", State: decide.Warning, Override: "the runner burned down", Detail: "CI did not run"})
	check(Fail, "1 of 3 gates passed, 1 failed, 1 warned", append(first, "ci: FAIL: overridden (the runner burned down): CI did not run")...)
	plan.Gates = nil
	check(NotRun, "0 of 0 gates passed")
}

func FuzzDecodeEvidence(f *testing.F) {
	whole := restore()
	whole.Logs = []LogFile{{whole.File("logs.tar.gz"), strings.Repeat("b", 64), 7}}
	text, err := whole.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.Replace(text, []byte("PASS"), []byte("FAIL"), 1))
	f.Add(bytes.Replace(text, []byte("2026"), []byte("9999"), 4))
	f.Add([]byte(`{"name":"gates"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := DecodeEvidence(text)
		if err != nil {
			return
		}
		if again, err := e.Encode(); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q is read as %+v and written as %q, %v", text, e, again, err)
		}
		run, ok, err := e.TestRun()
		if err != nil || ok != (e.Result == Pass || e.Result == Fail) {
			t.Errorf("%+v is attested: %v, %v", e, ok, err)
		}
		if ok {
			if _, err := run.Trial(); err != nil || (run.Result == intoto.Passed) != (e.Result == Pass) {
				t.Errorf("%+v is attested as %+v: %v", e, run, err)
			}
		}
	})
}
