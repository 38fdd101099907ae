package intoto

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func TestCounts(t *testing.T) {
	w := func(serial int, withdrawn bool, reason string, minutes int) Withdrawal {
		return Withdrawal{Version: "0.4.0", Serial: serial, Withdrawn: withdrawn, Reason: reason, When: noon.Add(time.Duration(minutes) * time.Minute)}
	}
	for _, tt := range []struct {
		name string
		all  []Withdrawal
		want Withdrawal
	}{
		{"one", []Withdrawal{w(1, true, "a", 0)}, w(1, true, "a", 0)},
		{"taken back", []Withdrawal{w(1, true, "a", 0), w(2, false, "", 0)}, w(2, false, "", 0)},
		{"the serial counts, not the time", []Withdrawal{w(1, true, "a", 9), w(2, false, "", 0)}, w(2, false, "", 0)},
		{"and again", []Withdrawal{w(1, true, "a", 0), w(2, false, "", 1), w(3, true, "b", 2)}, w(3, true, "b", 2)},
		{"one serial: withdrawn wins", []Withdrawal{w(2, true, "a", 0), w(2, false, "", 5), w(1, true, "z", 0)}, w(2, true, "a", 0)},
		{"one serial, both withdrawn: the later one", []Withdrawal{w(1, true, "b", 0), w(1, true, "a", 1)}, w(1, true, "a", 1)},
		{"all the same but the words", []Withdrawal{w(1, true, "b", 0), w(1, true, "a", 0)}, w(1, true, "b", 0)},
	} {
		for range 20 { // in any order
			rand.Shuffle(len(tt.all), func(i, j int) { tt.all[i], tt.all[j] = tt.all[j], tt.all[i] })
			if got := Counts(tt.all); got == nil || *got != tt.want {
				t.Fatalf("%s: got %+v, want %+v", tt.name, got, tt.want)
			}
		}
	}
	if got := Counts(nil); got != nil || got.Stands() {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestAfter(t *testing.T) {
	said := func(serial int, withdrawn bool, reason, use string) *Withdrawal {
		return &Withdrawal{Version: "0.4.0", Serial: serial, Withdrawn: withdrawn, Reason: reason, Use: use, When: noon}
	}
	for _, tt := range []struct {
		name   string
		next   *Withdrawal
		last   *Withdrawal
		serial int
		news   bool
	}{
		{"the first", said(0, true, "a", ""), nil, 1, true},
		{"the same again", said(0, true, "a", "0.3.0"), said(1, true, "a", "0.3.0"), 2, false},
		{"another reason", said(0, true, "b", ""), said(1, true, "a", ""), 2, true},
		{"another version to use", said(0, true, "a", "0.4.1"), said(3, true, "a", "0.3.0"), 4, true},
		{"restored", said(0, false, "", ""), said(1, true, "a", ""), 2, true},
		{"restored again", said(0, false, "", ""), said(2, false, "", ""), 3, false},
		{"restored without a withdrawal", said(0, false, "", ""), nil, 1, false},
		{"withdrawn once more", said(0, true, "a", ""), said(2, false, "", ""), 3, true},
	} {
		tt.next.When = noon.Add(time.Hour) // does not make it new
		got, news := tt.next.After(tt.last)
		if got.Serial != tt.serial || news != tt.news || got.Reason != tt.next.Reason {
			t.Errorf("%s: got %+v, %v, want serial %d, %v", tt.name, got, news, tt.serial, tt.news)
		}
	}
}

func TestDecodeWithdrawal(t *testing.T) {
	good := Withdrawal{Version: "0.4.0", Withdrawn: true, Serial: 1, Reason: "loses files <fast>", Use: "0.3.2", When: noon}
	text, err := Encode(WithdrawalType, good, SHA256("", strings.Repeat("a", 64)))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" +
		`"}}],"predicateType":"https://github.com/kubedoio/rustshare-release/blob/main/docs/withdrawal.md#withdrawal-v1",` +
		`"predicate":{"version":"0.4.0","withdrawn":true,"serial":1,"reason":"loses files <fast>","use":"0.3.2","when":"2026-03-04T12:00:00Z"}}`
	if got := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(text)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	s, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeWithdrawal(s); err != nil || got != good {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, tt := range []struct{ predicate, says string }{
		{`[]`, "reading the withdrawal: "},
		{`{"version":"0.4.0","withdrawn":"yes"}`, "reading the withdrawal: "},
		{`{"version":"v0.4.0"}`, `of version "v0.4.0", want a stable one such as 0.4.0`},
		{`{"version":"0.4.0-rc.1"}`, `of version "0.4.0-rc.1", want a stable one`},
		{`{"version":"0.4.0","serial":0}`, "has the serial 0, want 1 or more"},
		{`{"version":"0.4.0","serial":1,"withdrawn":true,"reason":" "}`, "has no reason: say why"},
		{`{"version":"0.4.0","serial":1}`, "says nothing of when"},
		{`{"version":"0.4.0","serial":1,"use":"0.4.0"}`, `says to use "0.4.0" instead, want another version or nothing`},
		{`{"version":"0.4.0","serial":1,"use":"the last one"}`, `says to use "the last one" instead`},
	} {
		_, err := DecodeWithdrawal(Statement{PredicateType: WithdrawalType, Predicate: []byte(tt.predicate)})
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want an error that says %q", tt.predicate, err, tt.says)
		}
	}
	if _, err := DecodeWithdrawal(Statement{PredicateType: Provenance, Predicate: s.Predicate}); err == nil || !strings.Contains(err.Error(), `is of type "https://slsa.dev/provenance/v1"`) {
		t.Errorf("of another type: %v", err)
	}
}

func FuzzDecodeWithdrawal(f *testing.F) {
	for _, seed := range []string{
		`{"version":"0.4.0","withdrawn":true,"serial":1,"reason":"r","use":"0.3.2","when":"2026-03-04T12:00:00Z"}`,
		`{"version":"0.4.0","serial":2,"when":"2026-03-04T12:00:00+02:00"}`, `{}`, `null`, `{"serial":1e9}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := DecodeWithdrawal(Statement{PredicateType: WithdrawalType, Predicate: json.RawMessage(text)})
		if err != nil {
			return
		}
		if w.Check() != nil || w.Serial < 1 || (w.Withdrawn && w.Reason == "") {
			t.Errorf("%q is taken for %+v", text, w)
		}
		if next, news := w.After(&w); news || next.Serial != w.Serial+1 {
			t.Errorf("%+v says something new of itself", w)
		}
		if best := Counts(slices.Repeat([]Withdrawal{w}, 2)); *best != w {
			t.Errorf("%+v is not itself: %+v", w, best)
		}
	})
}
