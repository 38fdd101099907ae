// Package targets is what a person or CI types: one file a namespace, a few
// lines a target. What a target does stands in pipeline.
package targets

import (
	"os"
	"strings"

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

// run runs a target over this process's surroundings. It is the only place that
// reads the environment, and the one that a run's error passes: in Actions it
// becomes an annotation, elsewhere mage prints it.
func run(target func(*pipeline.Suite) error) error {
	ui := term.New(os.Stderr, os.Getenv)
	s, err := suite(ui)
	if err == nil {
		err = target(s)
	}
	return ui.Fail(err)
}

func suite(ui *term.UI) (*pipeline.Suite, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	return pipeline.New(pipeline.Suite{Product: current, Dir: dir, Getenv: os.Getenv, UI: ui, Out: os.Stdout})
}

// list reads an optional argument of several values, separated by commas.
func list(p *string) []string {
	return strings.FieldsFunc(value(p), func(r rune) bool { return r == ',' })
}

// value reads an optional argument.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
