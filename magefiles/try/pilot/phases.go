package pilot

import (
	"context"
	"slices"

	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// phase is a part of the pilot run.
type phase struct {
	name string
	// needs is the phase that must have passed in the same run.
	needs string
	// always: it is run after a failure as well, and whenever a stack was up.
	always bool
	// leaves: there is no evidence of it but in files.
	leaves bool
	do     func(*pilot, context.Context, *record) error
}

// Names of the phases that others need.
const (
	secretsPhase  = "secrets"
	journeyPhase  = "journey"
	backupPhase   = "backup"
	verifyPhase   = "verify bundle"
	logsPhase     = "logs"
	evidencePhase = "evidence"
	teardownPhase = "teardown"
)

// phases are all of them, in order.
func phases() []phase {
	away := func(s stack.Service) func(*pilot, context.Context, *record) error {
		return func(p *pilot, ctx context.Context, r *record) (err error) {
			r.Detail, err = drill.Away(ctx, p.main, s, p.failure())
			return err
		}
	}
	return []phase{
		{name: secretsPhase, do: (*pilot).open},
		{name: "config", needs: secretsPhase, leaves: true, do: (*pilot).config},
		{name: "boot", needs: secretsPhase, do: (*pilot).boot},
		{name: "readiness", needs: "boot", do: (*pilot).readiness},
		{name: journeyPhase, needs: "readiness", leaves: true, do: (*pilot).journey},
		{name: "ui", needs: journeyPhase, leaves: true, do: (*pilot).ui},
		{name: "restart", needs: journeyPhase, do: (*pilot).restart},
		{name: "failure of the database", needs: journeyPhase, do: away(stack.Database)},
		{name: "failure of the object store", needs: journeyPhase, do: away(stack.ObjectStore)},
		{name: "bad login", needs: journeyPhase, do: (*pilot).badLogin},
		{name: "weak secrets", needs: journeyPhase, do: (*pilot).weak},
		{name: "cookies", needs: "config", do: (*pilot).cookies},
		{name: backupPhase, needs: journeyPhase, leaves: true, do: (*pilot).backup},
		{name: verifyPhase, needs: backupPhase, leaves: true, do: (*pilot).verify},
		{name: "restore drill", needs: verifyPhase, leaves: true, do: (*pilot).restore},
		{name: "upgrade drill", needs: secretsPhase, leaves: true, do: (*pilot).upgrade},
		{name: "migrations", needs: journeyPhase, leaves: true, do: (*pilot).migrations},
		{name: logsPhase, always: true, leaves: true, do: (*pilot).logs},
		{name: evidencePhase, do: (*pilot).evidence},
		{name: teardownPhase, always: true, do: (*pilot).teardown},
	}
}

// Phases are the names of the phases, in order.
func Phases() []string {
	var out []string
	for _, f := range phases() {
		out = append(out, f.name)
	}
	return out
}

// plan says which phases to run: those that are asked for, or missing, and all
// that they need. The logs are looked through and the stack goes whenever
// there is one; the evidence is looked at in any case.
func plan(o Options, st *state) map[string]bool {
	wanted := map[string]bool{evidencePhase: true}
	all := phases()
	begun := o.From == "" && len(o.Only) == 0
	for _, f := range all {
		begun = begun || f.name == o.From
		old := st.find(f.name)
		missing := old == nil || !old.done()
		if !f.always && f.name != evidencePhase && (begun && (o.From != "" || missing) || slices.Contains(o.Only, f.name)) {
			wanted[f.name] = true
		}
	}
	for _, f := range slices.Backward(all) { // what is needed comes before
		if wanted[f.name] && f.needs != "" {
			wanted[f.needs] = true
		}
	}
	for _, f := range all {
		wanted[f.name] = wanted[f.name] || f.always && wanted[secretsPhase]
	}
	return wanted
}
