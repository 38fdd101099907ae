package record

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

func newBundle(t *testing.T) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Create(t.TempDir(), decide.Plan{Commit: commit})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withLog is the record with a pack of logs.
func withLog(t *testing.T, b *bundle.Bundle, e Evidence, log string) Evidence {
	t.Helper()
	l, err := KeepLog(b, e.File("logs.tar.gz"), strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	e.Logs = []LogFile{l}
	return e
}

func write(t *testing.T, b *bundle.Bundle, all ...Evidence) {
	t.Helper()
	for _, e := range all {
		if err := WriteEvidence(b, e); err != nil {
			t.Fatal(err)
		}
	}
}

// listed gives the titles of what the bundle has as evidence.
func listed(b *bundle.Bundle) []string {
	var out []string
	for _, d := range b.Entries(bundle.Evidence) {
		out = append(out, d.Annotations[bundle.TitleKey])
	}
	slices.Sort(out)
	return out
}

func TestWriteEvidence(t *testing.T) {
	b := newBundle(t)
	drill := withLog(t, b, restore(), "the first logs")
	smoke := restore()
	smoke.Name, smoke.Kind, smoke.Stack, smoke.Started = "smoke:pilot", Smoke, "process", noon.Add(-time.Minute)
	other := restore()
	other.Stack = "process"
	write(t, b, drill, other, smoke)
	check := func(digests int, want ...Evidence) {
		t.Helper()
		again, err := bundle.Open(b.Dir)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadEvidence(again)
		if err != nil || len(got) != len(want) {
			t.Fatalf("got %d records, %v, want %d", len(got), err, len(want))
		}
		for i := range want {
			a, _ := got[i].Encode()
			w, _ := want[i].Encode()
			if string(a) != string(w) {
				t.Errorf("record %d is\n%s\nwant\n%s", i, a, w)
			}
		}
		if n := len(again.Entries(bundle.Evidence)); n != digests {
			t.Errorf("the bundle lists %d entries: %q", n, listed(again))
		}
		if n := len(again.Assets()); n != 0 {
			t.Errorf("%d pieces of evidence are assets of the page", n)
		}
	}
	check(4, smoke, drill, other)
	write(t, b, drill, smoke) // nothing new
	check(4, smoke, drill, other)

	rerun := restore()
	rerun.Started, rerun.Finished = noon.Add(time.Hour), noon.Add(2*time.Hour)
	rerun.Result, rerun.Summary, rerun.Steps[2].Result = Fail, "the data is gone", Fail
	rerun = withLog(t, b, rerun, "the second logs")
	write(t, b, rerun)
	check(6, smoke, other, rerun)
	if got, want := strings.Join(listed(b), " "), "drill-restore@compose-20260304T120130.000Z.json drill-restore@compose-20260304T120130.000Z.logs.tar.gz"+
		" drill-restore@compose.json drill-restore@compose.logs.tar.gz drill-restore@process.json smoke-pilot@process.json"; got != want {
		t.Errorf("the bundle lists\n%s\nwant\n%s", got, want)
	}
	// What was there before can still be read.
	old, ok := b.Find(bundle.Evidence, "drill-restore@compose-20260304T120130.000Z.json")
	if e, err := readEvidence(b, old); !ok || err != nil || e.Result != Pass || e.Logs[0] != drill.Logs[0] {
		t.Errorf("the earlier record is %+v, %v", e, err)
	}
}

// A record that came with a test result has its logs elsewhere.
func TestAdopt(t *testing.T) {
	made, b := newBundle(t), newBundle(t)
	e := withLog(t, made, restore(), "logs")
	if err := Adopt(b, e); err != nil {
		t.Fatal(err)
	}
	got, err := ReadEvidence(b)
	if err != nil || len(got) != 1 || got[0].Logs[0] != e.Logs[0] {
		t.Fatalf("got %+v, %v", got, err)
	}
	one, _, err := got[0].TestRun()
	if err != nil {
		t.Fatal(err)
	}
	if two, _, err := e.TestRun(); err != nil || !reflect.DeepEqual(one, two) {
		t.Errorf("it is attested as %+v, where it was made as %+v, %v", one, two, err)
	}
	rerun := restore()
	rerun.Finished = noon.Add(time.Hour)
	rerun = withLog(t, b, rerun, "the logs of the rerun")
	write(t, b, rerun)
	if got := strings.Join(listed(b), " "); got != "drill-restore@compose-20260304T120130.000Z.json drill-restore@compose.json drill-restore@compose.logs.tar.gz" {
		t.Errorf("after a rerun the bundle lists %s", got)
	}
	e.Commit = strings.Repeat("f", 40)
	if err := Adopt(b, e); err == nil || !strings.Contains(err.Error(), "is of commit ffff") {
		t.Errorf("of another commit: %v", err)
	}
}

func TestWriteEvidenceRefused(t *testing.T) {
	b := newBundle(t)
	for _, c := range []struct {
		name  string
		spoil func(e *Evidence)
		says  string
	}{
		{"bad", func(e *Evidence) { e.Kind = "" }, `is of the kind ""`},
		{"another commit", func(e *Evidence) { e.Commit = strings.Repeat("f", 40) }, "is of commit ffff"},
		{"a log that is not kept", func(e *Evidence) { e.Logs = []LogFile{{e.File("log"), strings.Repeat("a", 64), 1}} }, "which is not in the bundle: keep the log first"},
		{"too much", func(e *Evidence) { e.Summary = strings.Repeat("x", maxEvidence) }, "put the details into its logs"},
	} {
		e := restore()
		c.spoil(&e)
		if err := WriteEvidence(b, e); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", c.name, err, c.says)
		}
	}
	if got := listed(b); got != nil {
		t.Errorf("the bundle lists %q", got)
	}
}

// Every byte of record and logs counts.
func TestEvidenceDamaged(t *testing.T) {
	log := func(e Evidence) string { return e.Logs[0].SHA256 }
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, b *bundle.Bundle, record v1.Descriptor, log string)
		says   string
	}{
		{"a flipped byte of the record", func(t *testing.T, b *bundle.Bundle, record v1.Descriptor, _ string) {
			flip(t, b.Path(record.Digest))
		}, "holds other bytes than its name says"},
		{"no record", func(t *testing.T, b *bundle.Bundle, record v1.Descriptor, _ string) {
			remove(t, b.Path(record.Digest))
		}, "no such file"},
		{"a flipped byte of the log", func(t *testing.T, b *bundle.Bundle, _ v1.Descriptor, log string) {
			flip(t, b.Path(v1.Hash{Algorithm: "sha256", Hex: log}))
		}, "the log drill-restore@compose.logs.tar.gz of drill-restore@compose.json in the bundle"},
		{"no log", func(t *testing.T, b *bundle.Bundle, _ v1.Descriptor, log string) {
			remove(t, b.Path(v1.Hash{Algorithm: "sha256", Hex: log}))
		}, "no such file"},
		{"another record under the name", func(t *testing.T, b *bundle.Bundle, record v1.Descriptor, _ string) {
			blob, err := b.Ingest(strings.NewReader("{}\n"))
			if err != nil {
				t.Fatal(err)
			}
			d := blob.Descriptor(string(record.MediaType), record.Annotations[bundle.TitleKey])
			if err := b.Add(bundle.Evidence, d); err != nil {
				t.Fatal(err)
			}
		}, `is named ""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBundle(t)
			e := withLog(t, b, restore(), "logs")
			write(t, b, e)
			d, _ := b.Find(bundle.Evidence, e.File("json"))
			c.damage(t, b, d, log(e))
			_, err := ReadEvidence(b)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "run what it is about again") {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
		})
	}
}

func flip(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		text[len(text)/2] ^= 1
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
