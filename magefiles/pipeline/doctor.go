package pipeline

import (
	"context"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/doctor"
)

// Doctor prints what each target needs and what is there.
func (s *Suite) Doctor(ctx context.Context, asJSON bool) error {
	found := doctor.Check(ctx, s.Dir, s.Product)
	if asJSON {
		return s.printJSON(found)
	}
	var rows [][]string
	for _, f := range found {
		rows = append(rows, []string{string(f.State), f.For, f.Found, f.Install, strings.Join(f.Targets, " ")})
	}
	return s.UI.Table(s.Out, []string{"state", "what for", "found", "install", "targets"}, rows)
}

// require stops before anything slow where the machine lacks what a target
// needs. Some of it may not be wanted this time.
func (s *Suite) require(ctx context.Context, target string, unwanted ...doctor.Need) error {
	needs, err := doctor.For(target)
	if err != nil {
		return err
	}
	needs = slices.DeleteFunc(needs, func(n doctor.Need) bool { return slices.Contains(unwanted, n) })
	return doctor.Require(ctx, s.Dir, s.Product, needs...)
}
