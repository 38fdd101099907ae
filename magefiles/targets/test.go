package targets

import (
	"context"

	"github.com/magefile/mage/mg"

	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
)

// Test runs the product's own tests.
type Test mg.Namespace

// Backend runs the tests of the Rust workspace, and counts them.
// -affected is a tag, branch or commit: only the crates that a change since
// then reaches are tested, the working tree's changes included.
func (Test) Backend(ctx context.Context, affected *string, json *bool) error {
	return test(ctx, pipeline.TestOrder{Backend: true}, affected, json)
}

// Frontend runs the frontend's test script, and counts what Vitest or Jest report.
// -affected as for test:backend: nothing is run where no file of the frontend
// changed.
func (Test) Frontend(ctx context.Context, affected *string, json *bool) error {
	return test(ctx, pipeline.TestOrder{Frontend: true}, affected, json)
}

// Run runs the tests of backend and frontend side by side.
// Plain `test` is the same. -affected as for test:backend.
func (Test) Run(ctx context.Context, affected *string, json *bool) error {
	return test(ctx, pipeline.TestOrder{Backend: true, Frontend: true}, affected, json)
}

// Peers runs the suite's own tests that need programs which take long to build: Trivy, Gitea, Kyverno and others.
// They are built once, into the user's cache. It works in a checkout of the suite.
func (Test) Peers(ctx context.Context) error {
	return run(func(s *pipeline.Suite) error { return s.TestPeers(ctx) })
}

func test(ctx context.Context, o pipeline.TestOrder, affected *string, json *bool) error {
	o.Affected, o.JSON = value(affected), value(json)
	return run(func(s *pipeline.Suite) error { return s.Test(ctx, o) })
}
