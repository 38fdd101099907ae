package attest

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// provenance is the one statement about everything that was built: index,
// images, binaries and every file of the release page, but for the checksums and
// the Sigstore bundles, which are about those.
//
// A build has one provenance, with the times of that build. So a statement about
// the same build and the same content is kept, whoever made it: the one that is
// published, else the one that the bundle holds.
func (all things) provenance(b *bundle.Bundle, p product.Product, o Options, known map[string][][]byte) ([]byte, error) {
	build := intoto.Build{
		Definition: intoto.BuildDefinition{
			BuildType: intoto.BuildType,
			External: intoto.Parameters{
				Repository: p.Source, Ref: b.Plan.Ref.Full(), Channel: string(b.Plan.Ref.Channel), Target: b.Plan.Ref.Target(),
			},
			Dependencies: dependencies(b, p, o.Dependencies),
		},
		Run: intoto.RunDetails{
			Builder:  intoto.BuilderID{ID: o.Builder.ID, Version: o.Builder.Version},
			Metadata: o.Builder.metadata(),
		},
	}
	subjects := all.subjects(b)
	if old := kept(build, subjects, o, known); old != nil {
		return old, nil
	}
	return intoto.Encode(intoto.Provenance, build, subjects...)
}

func (by Builder) metadata() *intoto.Metadata {
	m := intoto.Metadata{InvocationID: by.Invocation, StartedOn: second(by.Started), FinishedOn: second(by.Finished)}
	if m == (intoto.Metadata{}) {
		return nil
	}
	return &m
}

// second is a time in UTC and whole seconds, nil where it is not known.
func second(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// subjects lists what the provenance is about.
func (all things) subjects(b *bundle.Bundle) []intoto.Subject {
	var out []intoto.Subject
	for _, t := range all.each() {
		out = append(out, intoto.SHA256(t.name, t.Digest.Hex))
	}
	for _, t := range all.binaries {
		out = append(out, intoto.SHA256(t.label, t.raw))
	}
	var files []intoto.Subject
	for _, d := range b.Entries(bundle.File) {
		title := d.Annotations[bundle.TitleKey]
		if !bundle.OfSums(title) && d.MediaType != bundleMedia {
			files = append(files, intoto.SHA256(title, d.Digest.Hex))
		}
	}
	slices.SortFunc(files, func(a, c intoto.Subject) int { return strings.Compare(a.Name, c.Name) })
	return append(out, files...)
}

// dependencies are what was built from and with: the source first, then the base
// image, the compilers of the binaries, and what the caller knows.
func dependencies(b *bundle.Bundle, p product.Product, more []intoto.Resource) []intoto.Resource {
	out := []intoto.Resource{{
		URI: intoto.Source(p.Source, b.Plan.Ref.Full()), Digest: map[string]string{"gitCommit": b.Plan.Commit},
	}}
	if repository, digest, ok := strings.Cut(p.Image.Base, "@"); ok {
		algorithm, hex, _ := strings.Cut(digest, ":")
		out = append(out, intoto.Resource{Name: "base image", URI: "oci://" + repository, Digest: map[string]string{algorithm: hex}})
	}
	for _, tool := range []struct{ name, key string }{{"rustc", bundle.ToolchainKey}, {"cargo", bundle.CargoKey}} {
		var lines []string
		for _, d := range b.Entries(bundle.Binary) {
			if line := d.Annotations[tool.key]; line != "" && !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
		slices.Sort(lines)
		for _, line := range lines {
			out = append(out, intoto.Tool(tool.name, line))
		}
	}
	return append(out, more...)
}

// kept gives the statement about the same build and the same content that is
// there already, nil where there is none.
func kept(build intoto.Build, subjects []intoto.Subject, o Options, known map[string][][]byte) []byte {
	fits := func(statements [][]byte) [][]byte {
		out := slices.DeleteFunc(slices.Clone(statements), func(s []byte) bool { return !same(s, build, subjects) })
		slices.SortFunc(out, bytes.Compare)
		return out
	}
	published, mine := fits(o.Provenances), fits(signedBy(o.Signer, known))
	// Of several the one in the bundle, since the release page may have it.
	for _, s := range published {
		if slices.ContainsFunc(mine, func(m []byte) bool { return bytes.Equal(m, s) }) {
			return s
		}
	}
	if len(published) > 0 {
		return published[0]
	}
	if len(mine) > 0 {
		return mine[0]
	}
	return nil
}

// signedBy gives the statements that a signer has signed before.
func signedBy(s Signer, known map[string][][]byte) [][]byte {
	var out [][]byte
	for statement, texts := range known {
		if slices.ContainsFunc(texts, func(text []byte) bool { return s.Check(text, []byte(statement)) }) {
			out = append(out, []byte(statement))
		}
	}
	return out
}

// same tells whether a statement is the provenance of the same build, about the
// very same content.
func same(statement []byte, build intoto.Build, subjects []intoto.Subject) bool {
	s, err := intoto.Decode(statement)
	if err != nil || s.PredicateType != intoto.Provenance {
		return false
	}
	old, err := intoto.DecodeBuild(s)
	return err == nil && old.SameBuild(build) && reflect.DeepEqual(s.Subject, subjects)
}
