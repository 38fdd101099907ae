package scan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policy says what stops a release.
type Policy struct {
	// Stop is the mildest severity that stops. One that nobody has judged
	// ([Unknown]) stops as well.
	Stop Severity
	// Unfixed has findings stop that have no fix yet.
	Unfixed bool
	// MaxAge is how old a database may be.
	MaxAge time.Duration
	// Believed is how long an OpenVEX statement counts after it was made or last
	// updated.
	Believed time.Duration
	// Product are package URLs by which OpenVEX statements name what is scanned.
	Product []string
}

// Outcome is what becomes of a finding.
type Outcome string

// The outcomes.
const (
	// Stops the release.
	Stops Outcome = "stops"
	// Allowed by an exception.
	Allowed Outcome = "allowed"
	// NoFix: there is nothing to update to.
	NoFix Outcome = "no fix"
	// Minor: milder than what stops.
	Minor Outcome = "minor"
)

// Verdict is a finding with what becomes of it.
type Verdict struct {
	Finding
	Outcome Outcome `json:"outcome"`
	// By is the exception that allows it, nil otherwise. One that has expired
	// stands in Expired.
	By      *Exception `json:"by,omitempty"`
	Expired *Exception `json:"expired,omitempty"`
}

// String is the decision in a few words.
func (v Verdict) String() string {
	switch {
	case v.By != nil:
		return fmt.Sprintf("allowed by %s until %s: %s", v.By.From, day(v.By.Expires), v.By.Reason)
	case v.Expired != nil:
		return fmt.Sprintf("%s; its exception in %s ended on %s", v.Outcome, v.Expired.From, day(v.Expired.Expires))
	}
	return string(v.Outcome)
}

// Decision is what the policy says of a report.
type Decision struct {
	Verdicts []Verdict `json:"verdicts"`
	// Warnings are sentences for people.
	Warnings []string `json:"warnings,omitempty"`
	// Until is when it has to be decided again: when the database is too old, or
	// the first exception that allows something ends.
	Until time.Time `json:"until"`
}

// StaleError is a database that is too old to be asked.
type StaleError struct {
	Database Database
	Scanner  string
	Age, Max time.Duration
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("the vulnerability database of %s was built at %s, %s ago, and the policy takes none that is older than %s: update it (scan:database), or name a newer one in RELEASE_SCAN_DB_%s",
		e.Scanner, e.Database.Built.Format(time.RFC3339), hours(e.Age), hours(e.Max), strings.ToUpper(e.Scanner))
}

// StopError names what stops.
type StopError struct {
	// Stopping has at least one finding.
	Stopping []Verdict
	Scanner  string
}

func (e *StopError) Error() string {
	var list []string
	for i, v := range e.Stopping {
		if i == 5 {
			list = append(list, fmt.Sprintf("and %d more", len(e.Stopping)-i))
			break
		}
		what := fmt.Sprintf("%s (%s) in %s %s", v.ID, v.Severity, v.Name, v.Version)
		if len(v.Fixed) > 0 {
			what += ", fixed in " + strings.Join(v.Fixed, " or ")
		}
		if v.Expired != nil {
			what += fmt.Sprintf(", its exception in %s ended on %s", v.Expired.From, day(v.Expired.Expires))
		}
		list = append(list, what)
	}
	return fmt.Sprintf("%s found what the policy does not let pass: %s; update the package, or commit an exception with reason and expiry",
		e.Scanner, strings.Join(list, "; "))
}

// Decide holds a report against the policy at a time. An error means that
// there is no deciding: the database is too old ([*StaleError]) or says no age.
func Decide(r Report, p Policy, exceptions []Exception, now time.Time) (Decision, error) {
	built := r.Database.Built
	if built.IsZero() {
		return Decision{}, fmt.Errorf("%s does not say of when its vulnerability database is: without that nobody knows what it can have found", r.Scanner.Name)
	}
	if age := now.Sub(built); age > p.MaxAge {
		return Decision{}, &StaleError{r.Database, r.Scanner.Name, age, p.MaxAge}
	}
	d := Decision{Until: built.Add(p.MaxAge).UTC(), Verdicts: []Verdict{}}
	used := make([]bool, len(exceptions))
	for _, f := range r.Findings {
		v := Verdict{Finding: f, Outcome: p.outcome(f)}
		for i, e := range exceptions {
			if !e.covers(f) {
				continue
			}
			used[i] = true
			switch {
			case v.Outcome != Stops && v.Outcome != Allowed: // needs none
			case !now.Before(e.ends()):
				if v.Expired == nil || v.Expired.Expires.Before(e.Expires) {
					v.Expired = &exceptions[i]
				}
			case v.By == nil || v.By.Expires.Before(e.Expires):
				v.Outcome, v.By = Allowed, &exceptions[i]
			}
		}
		if v.By != nil {
			v.Expired = nil
			if ends := v.By.ends(); ends.Before(d.Until) {
				d.Until = ends
			}
		}
		d.Verdicts = append(d.Verdicts, v)
	}
	for i, e := range exceptions {
		if !used[i] {
			d.Warnings = append(d.Warnings, fmt.Sprintf("the exception for %s in %s (%s) matches nothing that %s found: take it out", e.ID, or(e.Package, "any package"), e.From, r.Scanner.Name))
		}
	}
	return d, nil
}

// outcome is that of a finding without exceptions.
func (p Policy) outcome(f Finding) Outcome {
	switch {
	case f.Severity != Unknown && f.Severity.rank() > p.Stop.rank():
		return Minor
	case len(f.Fixed) == 0 && !p.Unfixed:
		return NoFix
	}
	return Stops
}

// Stop is a [*StopError] where anything stops, nil otherwise.
func (d Decision) Stop(scanner string) error {
	stopping := slices.DeleteFunc(slices.Clone(d.Verdicts), func(v Verdict) bool { return v.Outcome != Stops })
	if len(stopping) == 0 {
		return nil
	}
	return &StopError{stopping, scanner}
}

// Summary counts, as in "2 found: 1 stops, 1 allowed".
func (d Decision) Summary() string {
	if len(d.Verdicts) == 0 {
		return "nothing found"
	}
	counts := map[Outcome]int{}
	for _, v := range d.Verdicts {
		counts[v.Outcome]++
	}
	var parts []string
	for _, o := range []Outcome{Stops, Allowed, NoFix, Minor} {
		if n := counts[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o))
		}
	}
	return fmt.Sprintf("%d found: %s", len(d.Verdicts), strings.Join(parts, ", "))
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func hours(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
	return d.Round(time.Minute).String()
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
