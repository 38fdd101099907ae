package attest

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// Result is what came of a test, a smoke run or a drill, to be attested on the
// image that was tried.
type Result struct {
	// Name is the record's, as in "drill:restore".
	Name string
	// Predicate names in its configuration the record, which the bundle has.
	Predicate intoto.TestRun
	// Platform is that of the image that was run, such as "linux/amd64"; "" where
	// it was the commit alone that was tried.
	Platform string
}

// results makes the statements of the results. Those with the same name and
// stack are one thing tried twice: of it there is one.
func (all things) results(b *bundle.Bundle, list []Result) ([]proof, error) {
	var out []proof
	for _, r := range list {
		trial, err := all.trial(b, r)
		if err != nil {
			return nil, fmt.Errorf("attesting the result of %s: %w", r.Name, err)
		}
		on := []thing{all.index}
		if r.Platform != "" {
			on = append(on, all.images[slices.IndexFunc(all.images, func(t thing) bool { return t.platform == r.Platform })])
		}
		var subjects []intoto.Subject
		for _, t := range on {
			subjects = append(subjects, intoto.SHA256(t.name, t.Digest.Hex))
		}
		statement, err := intoto.Encode(intoto.TestResult, r.Predicate, subjects...)
		if err != nil {
			return nil, err
		}
		for _, t := range on {
			p := proof{t.label + ".result." + resultTitle(trial), t, intoto.TestResult, statement}
			if slices.ContainsFunc(out, func(o proof) bool { return o.title == p.title }) {
				return nil, fmt.Errorf("attesting the result of %s: it is there twice, of each record the newest is wanted", r.Name)
			}
			out = append(out, p)
		}
	}
	return out, nil
}

func resultTitle(t intoto.Trial) string {
	title := strings.ReplaceAll(t.Name, ":", "-")
	if t.Stack != "" {
		title += "@" + t.Stack
	}
	return title
}

// trial wants a result that is what it says: of the record of that name, which
// lies in the bundle, of its commit and of an image in it.
func (all things) trial(b *bundle.Bundle, r Result) (intoto.Trial, error) {
	if err := r.Predicate.Check(); err != nil {
		return intoto.Trial{}, err
	}
	t, err := r.Predicate.Trial()
	if err != nil {
		return t, err
	}
	switch {
	case t.Name != r.Name:
		return t, fmt.Errorf("its predicate is about %q", t.Name)
	case t.Commit != b.Plan.Commit:
		return t, fmt.Errorf("it is of commit %s, the bundle of %s: run it again on what is released", t.Commit, b.Plan.Commit)
	case t.Platform != r.Platform:
		return t, fmt.Errorf("its predicate is about the platform %q, want %q", t.Platform, r.Platform)
	case r.Platform != "" && !slices.ContainsFunc(all.images, func(i thing) bool { return i.platform == r.Platform }):
		return t, fmt.Errorf("the image index has no image for %s", r.Platform)
	case !slices.ContainsFunc(b.Entries(bundle.Evidence), func(d v1.Descriptor) bool { return d.Digest.Hex == t.Record }):
		return t, fmt.Errorf("its record (sha256:%s) is not in the bundle: write the evidence before it is signed", t.Record)
	}
	return t, nil
}
