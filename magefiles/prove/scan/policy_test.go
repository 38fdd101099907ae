package scan

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

var ok, says = testkit.OK, testkit.Says

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func policy() Policy {
	return Policy{Stop: High, MaxAge: 120 * time.Hour, Believed: 90 * 24 * time.Hour, Product: []string{"pkg:oci/tinyd"}}
}

func report(findings ...Finding) Report {
	return Report{
		Scanner: Tool{Name: "grype", Version: "1"}, Database: Database{Schema: "6", Built: now.Add(-time.Hour), From: "test"},
		Findings: findings,
	}
}

func found(id string, s Severity, fixed ...string) Finding {
	return Finding{ID: id, Aliases: []string{"CVE-" + id}, Package: "pkg:cargo/a@1.0.0", Name: "a", Version: "1.0.0", Fixed: fixed, Severity: s, In: []string{"linux/amd64"}}
}

func TestDecide(t *testing.T) {
	day := func(n int) time.Time { return now.Truncate(24*time.Hour).AddDate(0, 0, n) }
	high := found("1", High, "2.0.0")
	allow := Exception{ID: "1", Package: "pkg:cargo/a", Reason: "why", Expires: day(3), From: "list"}
	with := func(change func(*Exception)) []Exception {
		e := allow
		change(&e)
		return []Exception{e}
	}
	for _, tt := range []struct {
		name       string
		finding    Finding
		exceptions []Exception
		unfixed    bool
		want       Outcome
		says       string
	}{
		{"high with a fix", high, nil, false, Stops, "stops"},
		{"critical with a fix", found("1", Critical, "2"), nil, false, Stops, "stops"},
		{"high without a fix", found("1", High), nil, false, NoFix, "no fix"},
		{"high without a fix, where that stops", found("1", High), nil, true, Stops, "stops"},
		{"medium", found("1", Medium, "2"), nil, false, Minor, "minor"},
		{"medium without a fix, where that stops", found("1", Medium), nil, true, Minor, "minor"},
		{"nobody judged it", found("1", Unknown, "2"), nil, false, Stops, "stops"},
		{"allowed", high, []Exception{allow}, false, Allowed, "allowed by list until 2026-11-23: why"},
		{"allowed by an alias", high, with(func(e *Exception) { e.ID = "cve-1" }), false, Allowed, "allowed by list"},
		{"allowed by another alias", high, with(func(e *Exception) { e.ID, e.Aliases = "x", []string{"CVE-1"} }), false, Allowed, "allowed by list"},
		{"allowed by the version", high, with(func(e *Exception) { e.Package = "pkg:cargo/a@1.0.0" }), false, Allowed, "allowed by list"},
		{"allowed in all packages", high, with(func(e *Exception) { e.Package = "" }), false, Allowed, "allowed by list"},
		{"on the last day", high, with(func(e *Exception) { e.Expires = day(0) }), false, Allowed, "allowed by list until 2026-11-20"},
		{"another version", high, with(func(e *Exception) { e.Package = "pkg:cargo/a@1.0.1" }), false, Stops, "stops"},
		{"another package", high, with(func(e *Exception) { e.Package = "pkg:cargo/ab" }), false, Stops, "stops"},
		{"another ecosystem", high, with(func(e *Exception) { e.Package = "pkg:npm/a" }), false, Stops, "stops"},
		{"another vulnerability", high, with(func(e *Exception) { e.ID = "2" }), false, Stops, "stops"},
		{"expired", high, with(func(e *Exception) { e.Expires = day(-1) }), false, Stops, "stops; its exception in list ended on 2026-11-19"},
		{"expired, and another that counts", high, append(with(func(e *Exception) { e.Expires = day(-1) }), allow), false, Allowed, "allowed by list until 2026-11-23"},
		{"needs none", found("1", Low, "2"), []Exception{allow}, false, Minor, "minor"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := policy()
			p.Unfixed = tt.unfixed
			d, err := Decide(report(tt.finding), p, tt.exceptions, now)
			ok(t, err)
			if v := d.Verdicts[0]; v.Outcome != tt.want || !strings.Contains(v.String(), tt.says) {
				t.Errorf("got %s: %s", v.Outcome, v)
			}
			if stops := d.Stop("grype") != nil; stops != (tt.want == Stops) {
				t.Errorf("stops is %v", stops)
			}
		})
	}
}

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		purl, other string
		want        bool
	}{
		{"pkg:npm/%40scope/b", "pkg:npm/%40scope/b@2.0.0", true},
		{"pkg:npm/@scope/b@2.0.0", "pkg:npm/%40scope/b@2.0.0?x=y", true},
		{"pkg:npm/%40scope", "pkg:npm/%40scope/b@2.0.0", false},
		{"pkg:npm/", "pkg:npm/%40scope/b", false},
		{"pkg:cargo/wasi@0.11.0+wasi", "pkg:cargo/wasi@0.11.0%2Bwasi", true},
		{"", "pkg:cargo/a@1", false},
	} {
		if got := covers(tt.purl, tt.other); got != tt.want {
			t.Errorf("%q covers %q: %v", tt.purl, tt.other, got)
		}
	}
}

func TestDecideAges(t *testing.T) {
	r := report()
	r.Database.Built = now.Add(-121 * time.Hour)
	_, err := Decide(r, policy(), nil, now)
	says(t, err, "of grype was built at 2026-11-15T11:00:00Z, 5 days ago", "older than 5 days", "RELEASE_SCAN_DB_GRYPE")
	if stale := new(StaleError); !errors.As(err, &stale) {
		t.Errorf("got %T", err)
	}
	r.Database.Built = time.Time{}
	_, err = Decide(r, policy(), nil, now)
	says(t, err, "does not say of when its vulnerability database is")
}

func TestDecideUntil(t *testing.T) {
	e := Exception{ID: "1", Package: "pkg:cargo/a", Reason: "why", Expires: now, From: "list"}
	d, err := Decide(report(found("1", High, "2")), policy(), []Exception{e, {ID: "9", Package: "pkg:cargo/z", From: "list"}}, now)
	ok(t, err)
	if want := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC); !d.Until.Equal(want) {
		t.Errorf("holds until %s, want %s: the exception ends before the database is too old", d.Until, want)
	}
	if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0], "the exception for 9 in pkg:cargo/z (list) matches nothing that grype found") {
		t.Errorf("warnings %q", d.Warnings)
	}
	if d, err = Decide(report(), policy(), nil, now); err != nil || !d.Until.Equal(now.Add(119*time.Hour)) || d.Summary() != "nothing found" {
		t.Errorf("got %s, %s, %v", d.Until, d.Summary(), err)
	}
}

func TestStopError(t *testing.T) {
	var all []Finding
	for _, id := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		all = append(all, found(id, High, "2.0.0", "3.0.0"))
	}
	d, err := Decide(report(all...), policy(), nil, now)
	ok(t, err)
	says(t, d.Stop("grype"), "1 (high) in a 1.0.0, fixed in 2.0.0 or 3.0.0; 2 (high)", "and 2 more; update the package, or commit an exception")
	if got := d.Summary(); got != "7 found: 7 stops" {
		t.Error(got)
	}
}

func TestMerge(t *testing.T) {
	a, b := found("1", Low), found("1", Low, "2")
	b.In = []string{"linux/arm64"}
	got := merge([]Finding{a, b, found("2", Critical)})
	if len(got) != 2 || got[0].ID != "2" || strings.Join(got[1].In, " ") != "linux/amd64 linux/arm64" || len(got[1].Fixed) != 1 {
		t.Errorf("got %+v", got)
	}
}
