package validation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// pause is how long nothing may happen within one run. Evidence from before a
// longer pause gets a scale of its own, so that bars stay visible.
const pause = 30 * time.Minute

// timeline is what ran without a long pause.
type timeline struct {
	Begin, End time.Time
	Ticks      []tick
	Tracks     []track
}

// tick is a line of the scale.
type tick struct {
	at    float64
	Label string
}

// track is the line of one item, or of one step of it.
type track struct {
	Name   string
	Result record.Result
	// Detail is what was seen, Clock when it began; "" where it did not.
	Detail, Clock string
	Took          time.Duration
	// from and wide are shares of the whole time: of the timeline, or of the
	// item for a step.
	from, wide float64
	// Steps are those of an item, on a scale of their own with Ticks. Where they
	// lie on the timeline is in Parts.
	Steps, Parts []track
	Ticks        []tick
	// Item is nil for a step.
	Item *item
}

// timelines puts everything that took time on scales.
func timelines(groups []group) []timeline {
	var ran []*item
	for i := range groups {
		for j := range groups[i].Items {
			if it := &groups[i].Items[j]; it.tried != nil && !it.tried.Started.IsZero() {
				ran = append(ran, it)
			}
		}
	}
	slices.SortStableFunc(ran, func(a, b *item) int { return a.tried.Started.Compare(b.tried.Started) })
	var out []timeline
	for len(ran) > 0 {
		begin, end := ran[0].tried.Started, finished(ran[0])
		n := 1
		for n < len(ran) && ran[n].tried.Started.Sub(end) <= pause {
			end = later(end, finished(ran[n]))
			n++
		}
		t := timeline{Begin: begin.UTC(), End: end.UTC()}
		whole := end.Sub(begin)
		t.Ticks = ticks(whole)
		for _, it := range ran[:n] {
			t.Tracks = append(t.Tracks, it.track(begin, whole))
		}
		out = append(out, t)
		ran = ran[n:]
	}
	return out
}

// finished is when everything of an item was over.
func finished(it *item) time.Time {
	end := later(it.tried.Started, it.tried.Finished)
	for _, s := range it.tried.Steps {
		if !s.Started.IsZero() && !s.Started.Before(it.tried.Started) {
			end = later(end, s.Started.Add(max(s.Took, 0)))
		}
	}
	return end
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (it *item) track(begin time.Time, whole time.Duration) track {
	out := track{Name: it.Name, Result: it.Result, Detail: it.Seen, Took: it.Took, Item: it}
	own := finished(it).Sub(it.tried.Started)
	out.place(it.tried.Started, own, begin, whole)
	for _, s := range it.tried.Steps {
		step := track{Name: s.Name, Result: s.Result, Detail: s.Detail, Took: max(s.Took, 0)}
		if s.Result == fail && s.Detail != "" && strings.Contains(out.Detail, s.Detail) {
			out.Detail = "" // the step says it
		}
		if !s.Started.IsZero() {
			part := step
			part.place(s.Started, step.Took, begin, whole)
			out.Parts = append(out.Parts, part)
			step.place(s.Started, step.Took, it.tried.Started, own)
		}
		out.Steps = append(out.Steps, step)
	}
	if len(out.Parts) > 0 {
		out.Ticks = ticks(own)
	}
	return out
}

func (t *track) place(started time.Time, took time.Duration, begin time.Time, whole time.Duration) {
	t.Clock = started.UTC().Format("15:04:05")
	if whole <= 0 {
		t.wide = 1
		return
	}
	t.from = min(max(float64(started.Sub(begin))/float64(whole), 0), 1)
	t.wide = min(float64(took)/float64(whole), 1-t.from)
}

// nice are the distances that a scale may have.
var nice = []time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
	15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// ticks gives at most six of them, the first at nothing.
func ticks(whole time.Duration) []tick {
	if whole <= 0 {
		return nil
	}
	step := nice[len(nice)-1]
	for _, d := range nice {
		if whole <= 5*d {
			step = d
			break
		}
	}
	for whole > 5*step {
		step *= 2
	}
	var out []tick
	for at := time.Duration(0); at <= whole; at += step {
		out = append(out, tick{float64(at) / float64(whole), distance(at)})
	}
	return out
}

// distance writes a distance of the scale: "0", "30s", "5m", "1h30m".
func distance(d time.Duration) string {
	switch h, m := int(d/time.Hour), int(d%time.Hour/time.Minute); {
	case d == 0:
		return "0"
	case d < time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d%time.Minute != 0:
		return fmt.Sprintf("%dm%02ds", h*60+m, int(d%time.Minute/time.Second))
	case h == 0:
		return fmt.Sprintf("%dm", m)
	case m == 0:
		return fmt.Sprintf("%dh", h)
	default:
		return fmt.Sprintf("%dh%02dm", h, m)
	}
}

// took writes a duration, "" for none.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < 100*time.Millisecond:
		return "<0.1s"
	}
	return term.Elapsed(d)
}
