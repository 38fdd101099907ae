package pipeline

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/scan"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// rehearsedDatabase is the made-up vulnerability database of a rehearsal, in its
// directory.
const rehearsedDatabase = "vulnerabilities"

// rehearseScan has a rehearsal scan without a network, with a database that holds
// one advisory, about a crate that there is none of. Where a database is named,
// that is taken.
func (r *rehearsal) rehearseScan(ctx context.Context) error {
	if r.Product.Scan == nil || r.database(product.Grype, "") != "" {
		return nil
	}
	return r.UI.Run(ctx, "made-up vulnerability database", func(ctx context.Context, step *term.Step) error {
		program, err := r.scanProgram(ctx, step.Log())
		if err != nil {
			return err
		}
		dir := filepath.Join(r.dir, rehearsedDatabase)
		r.Database = filepath.Join(dir, "v6", scan.DatabaseFile)
		step.Detail("one advisory, about nothing that is there")
		return program.Build(ctx, scan.Build{Dir: dir, Advisories: []scan.Advisory{{
			ID: "REHEARSAL-2026-0001", Ecosystem: "rust-crate", Package: "rehearsal-made-up-crate", Affected: "<1.0.0", Fixed: "1.0.0", Severity: "critical",
		}}})
	})
}

// scanned is what a release's records say of its scans, for the table.
func (r *rehearsal) scanned(id string) (string, error) {
	b, err := bundle.Open(r.dist(id))
	if err != nil {
		return "", err
	}
	all, err := record.ReadEvidence(b)
	if err != nil {
		return "", err
	}
	var out []string
	for _, e := range all {
		if e.Kind != record.Scan {
			continue
		}
		out = append(out, strings.TrimPrefix(e.Name, scanName(""))+": "+e.Summary)
	}
	return or(strings.Join(out, ", "), "no"), nil
}
