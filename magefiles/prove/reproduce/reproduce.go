// Package reproduce holds two builds of one commit against each other: a
// release's bundle, or what of it is published, and one that was built again.
// It pairs what they hold by role and title, says of everything that differs
// which bytes differ and where, and names what is left out of the comparison
// and why. It knows bundle.
package reproduce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/filediff"
)

// Verdict is what came of one artifact.
type Verdict string

// The verdicts.
const (
	// Identical: bit for bit the same.
	Identical Verdict = "identical"
	// Signature: the same but for a signature inside of it.
	Signature Verdict = "identical but for its signature"
	// Follows: it differs only in the digests and sizes of others that do.
	Follows Verdict = "follows"
	// Differs: it has other content.
	Differs Verdict = "differs"
	// Missing: one of the two builds does not have it.
	Missing Verdict = "missing"
)

// Artifact is one thing that both builds should have.
type Artifact struct {
	// Name is the title of a file; of parts of the image it is what they are:
	// "image index", "config of linux/amd64", "layer 2 of linux/amd64 (binary)".
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	// A and B are the digests of the release and of the build again; "" where
	// it is missing.
	A string `json:"release,omitempty"`
	B string `json:"again,omitempty"`
	// Of are the artifacts that this one follows.
	Of []string `json:"of,omitempty"`
	filediff.Result
}

// LeftOut is something that was not compared.
type LeftOut struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Report is what came of a comparison.
type Report struct {
	// Same tells that everything that was compared is identical, but for
	// signatures inside of packages and what follows from them.
	Same      bool       `json:"same"`
	Artifacts []Artifact `json:"artifacts"`
	LeftOut   []LeftOut  `json:"leftOut"`
}

// Count counts the artifacts with a verdict.
func (r Report) Count(v Verdict) (n int) {
	for _, a := range r.Artifacts {
		if a.Verdict == v {
			n++
		}
	}
	return n
}

// Options of [Compare].
type Options struct {
	// Scratch is a directory for what is unpacked: see [filediff.Options].
	Scratch string
	// Absent, which may be nil, says why the release has no file of a title
	// although the build again has; "" where it should.
	Absent func(title string) (why string)
}

// Compare holds a release against a build again. Content of the release that
// its bundle does not hold is compared by digest alone.
func Compare(ctx context.Context, release, again *bundle.Bundle, o Options) (Report, error) {
	c := comparison{again: map[string]item{}, sumsOnly: map[string]string{}, pairs: map[string]string{}, names: map[string]string{}}
	mine, left, err := items(release)
	if err != nil {
		return Report{}, fmt.Errorf("reading the release: %w", err)
	}
	others, more, err := items(again)
	if err != nil {
		return Report{}, fmt.Errorf("reading the build again: %w", err)
	}
	c.left = left
	for _, l := range more { // a build again has no proofs; where it has, they are named once
		if !slices.Contains(c.left, l) {
			c.left = append(c.left, l)
		}
	}
	for _, i := range others {
		c.again[i.name] = i
	}
	c.o = filediff.Options{Scratch: o.Scratch}
	for _, a := range mine {
		b, there := c.again[a.name]
		delete(c.again, a.name)
		if err := c.pair(ctx, a, b, there); err != nil {
			return Report{}, fmt.Errorf("comparing %s: %w", a.name, err)
		}
	}
	for _, b := range others {
		if _, alone := c.again[b.name]; !alone {
			continue
		}
		why := ""
		if b.file && o.Absent != nil {
			why = o.Absent(b.name)
		}
		if why != "" {
			c.left = append(c.left, LeftOut{b.name, why})
		} else {
			c.out = append(c.out, Artifact{Name: b.name, Verdict: Missing, B: b.digest.String()})
		}
	}
	if err := c.follow(); err != nil {
		return Report{}, err
	}
	return c.report(), nil
}

// comparison is one that is under way.
type comparison struct {
	o     filediff.Options
	again map[string]item
	out   []Artifact
	left  []LeftOut
	// sumsOnly are the files of the build again of which the release has the checksum
	// alone, by name.
	sumsOnly map[string]string
	// pairs are the digests, in hex, of what differs: the release's and the
	// other; names says what they are of.
	pairs, names map[string]string
}

func (c *comparison) pair(ctx context.Context, a, b item, there bool) error {
	out := Artifact{Name: a.name, A: a.digest.String()}
	defer func() { c.out = append(c.out, out) }()
	if !there {
		out.Verdict = Missing
		return nil
	}
	out.B = b.digest.String()
	c.link(a.name, a.digest.Hex, b.digest.Hex)
	for i := range min(len(a.inside), len(b.inside)) { // the digests of unpacked layers
		c.link(a.inside[i].name, a.inside[i].hex, b.inside[i].hex)
	}
	if a.digest == b.digest {
		out.Verdict = Identical
		return nil
	}
	out.Verdict = Differs
	var err error
	switch {
	case a.sums && b.sums:
		out.Result, err = c.sums(a, b)
	case a.path == "" || b.path == "":
		out.Differences = []filediff.Difference{{What: "sha256", A: a.digest.Hex, B: b.digest.Hex}}
		if a.file && a.path == "" {
			c.sumsOnly[a.name] = b.path
		}
	default:
		out.Result, err = filediff.Files(ctx, a.path, b.path, c.o)
	}
	switch {
	case err != nil:
		return err
	case a.toolchain != b.toolchain:
		out.Differences = append([]filediff.Difference{{What: "toolchain", A: a.toolchain, B: b.toolchain}}, out.Differences...)
	case a.sums && out.Same():
		out.Verdict = Identical
	case out.SignatureAlone():
		out.Verdict = Signature
	}
	return nil
}

func (c *comparison) link(name, a, b string) {
	if _, known := c.names[a]; a != b && !known {
		c.pairs[a], c.names[a] = b, name
	}
}

func (c *comparison) report() Report {
	r := Report{Same: true, Artifacts: c.out, LeftOut: c.left}
	signed := map[string]bool{}
	for _, a := range c.out {
		if a.Verdict == Signature {
			signed[a.Name] = true
			r.LeftOut = append(r.LeftOut, LeftOut{"the signature inside " + a.Name, "who builds again does not have the key; the rest of the file was compared"})
		}
	}
	for again := true; again; { // what follows from signatures alone, and from that
		again = false
		for _, a := range c.out {
			if a.Verdict == Follows && !signed[a.Name] && !slices.ContainsFunc(a.Of, func(n string) bool { return !signed[n] }) {
				signed[a.Name], again = true, true
			}
		}
	}
	for _, a := range c.out {
		if a.Verdict != Identical && !signed[a.Name] {
			r.Same = false
		}
	}
	return r
}

// lineOf is what a difference of two lists of checksums begins with.
const lineOf = "line of "

// sums compares two lists of checksums by name. Files that are left out of the
// comparison count neither here.
func (c *comparison) sums(a, b item) (filediff.Result, error) {
	var r filediff.Result
	x, order, err := readSums(a)
	if err != nil {
		return r, err
	}
	y, others, err := readSums(b)
	if err != nil {
		return r, err
	}
	for _, n := range others {
		if _, ok := x[n]; !ok {
			order = append(order, n)
		}
	}
	for _, n := range order {
		if x[n] != y[n] && !slices.ContainsFunc(c.left, func(l LeftOut) bool { return l.Name == n }) {
			r.Differences = append(r.Differences, filediff.Difference{What: lineOf + n, A: x[n], B: y[n]})
		}
	}
	return r, nil
}

// maxSums bounds a list of checksums, which is held in memory.
const maxSums = 4 << 20

func readSums(i item) (map[string]string, []string, error) {
	out := map[string]string{}
	if i.path == "" {
		return out, nil, nil
	}
	info, err := os.Stat(i.path)
	if err == nil && info.Size() > maxSums {
		err = fmt.Errorf("%s has %d bytes, more than a list of checksums may have", i.name, info.Size())
	}
	if err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(i.path)
	if err != nil {
		return nil, nil, err
	}
	var order []string
	for line := range bytes.Lines(text) {
		sum, name, ok := strings.Cut(strings.TrimRight(string(line), "\r\n"), "  ")
		if ok {
			out[name] = sum
			order = append(order, name)
		}
	}
	return out, order, nil
}

// errNoImage says that a bundle is not finished.
var errNoImage = errors.New("the bundle has no image yet: build it whole first")

func readJSON(b *bundle.Bundle, d v1.Descriptor, v any) error {
	if err := b.ReadJSON(d.Digest, v); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("%s is no JSON: %w", d.Digest, err)
		}
		return err
	}
	return nil
}

// BySum compares by sha256, in hex, what only the sums are at hand of. An empty
// one says that it is missing.
func BySum(name, release, again string) Artifact {
	a := Artifact{Name: name, Verdict: Identical}
	for _, s := range []struct {
		hex string
		to  *string
	}{{release, &a.A}, {again, &a.B}} {
		if s.hex != "" {
			*s.to = "sha256:" + s.hex
		}
	}
	switch {
	case release == "" || again == "":
		a.Verdict = Missing
	case release != again:
		a.Verdict = Differs
		a.Differences = []filediff.Difference{{What: "sha256", A: release, B: again}}
	}
	return a
}

// Add takes more artifacts into the report. One that differs as another one of
// the report does follows that; where that is the same but for its signature, so
// is this.
func (r *Report) Add(more ...Artifact) {
	for _, a := range more {
		same := a.Verdict == Identical
		for _, o := range r.Artifacts {
			if a.Verdict == Differs && a.A == o.A && a.B == o.B {
				a.Verdict, a.Of, a.Differences = Follows, []string{o.Name}, nil
				same = o.Verdict == Signature
				break
			}
		}
		r.Artifacts = append(r.Artifacts, a)
		r.Same = r.Same && same
	}
}
