// Package targets is what a person or CI types: one file a namespace, a few
// lines a target. What a target does stands in pipeline.
package targets

import (
	"os"

	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/pipeline"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// current is the product that the targets work on. A magefile of another
// product replaces it once, before any target runs: see [Use].
var current = product.RustShare()

// Use hands over another product. A magefile calls it in a variable's
// initializer, which Go runs before main:
//
//	var _ = targets.Use(product.Product{…})
func Use(p product.Product) product.Product {
	current = p
	return p
}

// suite is the pipeline over this process's surroundings. It is the only place
// that reads the environment.
func suite() (*pipeline.Suite, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return pipeline.New(pipeline.Suite{
		Product: current,
		Dir:     dir,
		Getenv:  os.Getenv,
		UI:      term.New(os.Stderr, os.Getenv),
		Out:     os.Stdout,
	})
}

// value reads an optional argument.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
