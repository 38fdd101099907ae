package pipeline

import (
	"context"
	"fmt"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
)

// statusReport is what release:status prints.
type statusReport struct {
	Image string `json:"image"`
	converge.Status
	Settled bool     `json:"settled"`
	Repairs []repair `json:"repairs"`
}

// repair is a difference with the command that mends it.
type repair struct {
	Found   string `json:"found"`
	Command string `json:"command"`
}

// Status prints what registry and forge hold, what they should, and the command
// for every difference. It changes nothing.
func (s *Suite) Status(ctx context.Context, asJSON bool) error {
	reg, f, err := s.open(ctx, true)
	if err != nil {
		return err
	}
	defer reg.close()
	trust, err := s.trust()
	if err != nil {
		return err
	}
	status, err := s.publisher(reg.Registry, f, trust, s.expectTag).Status(ctx)
	if err != nil {
		return err
	}
	r := statusReport{Image: reg.Repository().Name(), Status: status, Settled: status.Settled(), Repairs: repairs(status)}
	if asJSON {
		return s.printJSON(r)
	}
	return s.printStatus(r)
}

// repairs names a command for every difference: the release of the version that
// something should name, run again, brings names and pages to where they belong.
func repairs(status converge.Status) []repair {
	out := []repair{}
	for _, list := range [][]converge.Standing{status.Stable, status.Candidates} {
		for _, v := range list {
			if v.Page != converge.Public {
				out = append(out, repair{fmt.Sprintf("the release page of %s is %s", v.Version.Tag(), v.Page), rerun(v.Version.Channel(), v.Version.Tag())})
			}
		}
	}
	for _, a := range status.Left {
		switch a := a.(type) {
		case converge.MoveTag:
			out = append(out, repair{a.String(), rerun(decide.Stable, a.Version.Tag())})
		case converge.SetLatest:
			out = append(out, repair{a.String(), rerun(decide.Stable, a.Tag)})
		}
	}
	return out
}

// rerun is the command that releases a tag again.
func rerun(channel decide.Channel, tag string) string {
	return fmt.Sprintf("git switch --detach %s && go run . release:%s -tag=%s", tag, targetOf(channel), tag)
}

func (s *Suite) printStatus(r statusReport) error {
	var rows [][]string
	for _, list := range [][]converge.Standing{r.Stable, r.Candidates} {
		for _, v := range list {
			note := ""
			if v.Withdrawn != nil {
				note = "WITHDRAWN: " + v.Withdrawn.Reason
			}
			rows = append(rows, []string{v.Version.String(), string(v.Version.Channel()), shortDigest(v.Digest.String()), string(v.Page), note})
		}
	}
	if err := s.UI.Table(s.Out, []string{"version", "channel", "digest", "release page", ""}, rows); err != nil {
		return err
	}
	rows = nil
	for _, t := range r.Tags {
		at, should := "-", "-"
		if t.Digest.Hex != "" {
			at = shortDigest(t.Digest.String())
			if !t.Version.IsZero() {
				at = t.Version.String()
			}
		}
		if !t.Want.IsZero() {
			should = t.Want.String()
		}
		state := "right"
		if !t.Right {
			state = "WRONG"
		}
		rows = append(rows, []string{t.Tag, at, should, state})
	}
	if r.Latest != "" || r.LatestWant != "" {
		state := "right"
		switch {
		case r.Latest == r.LatestWant:
		case r.OwnLatest:
			state = "the forge chooses by itself"
		default:
			state = "WRONG"
		}
		rows = append(rows, []string{"latest release page", or(r.Latest, "-"), or(r.LatestWant, "-"), state})
	}
	if err := s.blankLine(); err != nil {
		return err
	}
	if err := s.UI.Table(s.Out, []string{"name", "points at", "should", ""}, rows); err != nil {
		return err
	}
	if err := s.blankLine(); err != nil {
		return err
	}
	if len(r.Repairs) == 0 {
		_, err := fmt.Fprintln(s.Out, "All is as it should be.")
		return err
	}
	rows = nil
	for _, fix := range r.Repairs {
		rows = append(rows, []string{fix.Found, fix.Command})
	}
	return s.UI.Table(s.Out, []string{"difference", "repair"}, rows)
}

// standing finds a version in a status.
func standing(status converge.Status, v decide.Version) (converge.Standing, bool) {
	for _, list := range [][]converge.Standing{status.Stable, status.Candidates} {
		for _, o := range list {
			if o.Version.Compare(v) == 0 {
				return o, true
			}
		}
	}
	return converge.Standing{}, false
}
