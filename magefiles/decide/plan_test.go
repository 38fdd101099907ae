package decide

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestPlan(t *testing.T) {
	edge := Plan{Ref: Ref{Name: "main", Channel: Edge}, Commit: commit}
	if got, want := edge.ID(), "edge-"+commit; got != want {
		t.Errorf("an edge build's bundle is %s, want %s", got, want)
	}
	stable := Plan{
		Product: "rustshare", Definition: "abc", Version: "0.4.0", Commit: commit,
		Ref:        Ref{Name: "v0.4.0", Channel: Stable, Version: v(t, "0.4.0")},
		CommitTime: time.Date(2026, 3, 1, 4, 30, 0, 0, time.UTC),
		Tags:       []TagChange{{Tag: Tag{"0.4.0", false}, Next: "0.4.0", Change: true}},
		Gates:      []Gate{{Name: "tag", State: Pass, Detail: ""}, {Name: "signature", State: Fail, Detail: "unsigned"}, {Name: "tree", State: Warning, Detail: ""}},
	}
	if got := stable.ID(); got != "v0.4.0" {
		t.Errorf("a release's bundle is %s, want v0.4.0", got)
	}
	if got := stable.Refused(); len(got) != 1 || got[0].Name != "signature" {
		t.Errorf("the gates that refuse are %v, want signature alone", got)
	}
	for _, p := range []Plan{edge, stable} {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Plan
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, p) {
			t.Errorf("%s became %+v, %v", text, back, err)
		}
	}
}
