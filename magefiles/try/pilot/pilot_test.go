package pilot_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/pilot"
)

func TestRun(t *testing.T) {
	b := newBench(t)
	r := b.passes()
	if !slices.Equal(b.begun, pilot.Phases()) {
		t.Errorf("began %q", b.begun)
	}
	for i, s := range r.Steps {
		want := drill.Passed
		if slices.Contains([]string{"config", "cookies", "migrations"}, s.Name) {
			want = drill.NotApplicable
		}
		if s.Name != pilot.Phases()[i] || s.Outcome != want || s.Detail == "" || s.Started.IsZero() || s.Took <= 0 {
			t.Errorf("step %d is %+v", i, s)
		}
	}
	for name, i := range b.opened {
		if !i.Destroyed() {
			t.Errorf("the stack %s is still there", name)
		}
	}
	all := everything(t, b.o.Dir)
	for _, i := range b.opened {
		for name, value := range i.Secrets() {
			if strings.Contains(all, value) {
				t.Errorf("the evidence holds %s", name)
			}
		}
	}
	if r.Name != pilot.Name || r.Facts["image"] != digest || r.Facts["stack"] == "" || r.Facts["backup"] == "" || len(r.Logs) != 1 {
		t.Errorf("the result is %+v with %v", r.Run, r.Logs)
	}
}
