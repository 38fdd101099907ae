package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// check holds the evidence against what is wanted. It asks nobody any more.
func (e *evidence) check(r *recorder, j *judge, trust Trust, want Expect) {
	all := []*proofs{e.index}
	for _, i := range e.images {
		all = append(all, i.proofs)
		for _, a := range i.attached {
			all = append(all, a.proofs)
		}
	}
	ref := want.Ref
	if ref == "" {
		ref = e.ref(want)
	}
	for _, p := range all {
		p.keep(ref, e.revision)
	}
	found, mixed := format(trust.Format, all...)
	r.report.Format = found
	if mixed != "" {
		r.fail(MixedFormats, "index", "format", "%s", mixed)
	} else if found != "" {
		r.pass("index", "format", "one format of proofs: %s", found)
	}

	r.report.Signer = r.signature(j, "index", e.index)
	provenance := r.provenance("index", e.index, want)
	if provenance != nil {
		r.report.Provenance = &provenance.Provenance
		r.revision(e.revision, provenance.Commit)
	}
	for _, image := range e.images {
		r.signature(j, image.platform, image.proofs)
		r.provenance(image.platform, image.proofs, want)
		doc := r.sboms(image.platform, image.proofs, image.digest.Hex, "the image")
		r.indexSBOMs(image, e.index)
		p := Platform{Name: image.platform, Digest: image.digest.String(), SHA256: image.binary.sha256, Crates: doc.Crates, Packages: doc.Packages}
		if a := r.binary(image, provenance); a != nil {
			p.Binary = a.title
			r.provenance(a.title, a.proofs, want)
			r.sboms(a.title, a.proofs, image.binary.sha256, "the binary")
		}
		r.report.Platforms = append(r.report.Platforms, p)
	}
	r.results(e.index, e.revision, want.Require)
	r.report.Summaries = summaries(e.index)
	r.report.Inputs = inputs(all)
}

// why says why a proof that is there does not count, for the end of a
// sentence.
func (j *judge) why(err error) string {
	if j.certificates != nil {
		return fmt.Sprintf("%v; where another signer is right, name it with -key, or with -identity and -issuer", err)
	}
	return fmt.Sprintf("%v; where another key is right, name it with -key", err)
}

// signature gives the signer's name: the key's fingerprint, or the subject of
// the certificate with its issuer.
func (r *recorder) signature(j *judge, subject string, p *proofs) string {
	const check = "signature"
	for _, s := range p.good {
		if s.PredicateType != intoto.Signature {
			continue
		}
		r.pass(subject, check, "signed by %s", s.by.name)
		if s.by.key {
			return j.fingerprint
		}
		return s.by.name
	}
	if err := p.refusedOf(intoto.Signature); err != nil {
		r.fail(Untrusted, subject, check, "the signature of %s (%s) does not count: %s", subject, p.digest, r.why(err))
		return j.fingerprint
	}
	note := ""
	if len(p.good)+len(p.refused) > 0 {
		note = " (it has attestations, but those are no signature)"
	}
	r.fail(Unsigned, subject, check, "%s (%s) has no signature%s: sign the release and publish its proofs again", subject, p.digest, note)
	return j.fingerprint
}

// statement is a provenance with what it is about.
type statement struct {
	Provenance
	intoto.Statement
}

func (r *recorder) provenance(subject string, p *proofs, want Expect) *statement {
	const check = "provenance"
	candidates := p.of(intoto.Provenance)
	if len(candidates) == 0 {
		if err := p.refusedOf(intoto.Provenance); err != nil {
			r.fail(Untrusted, subject, check, "the provenance of %s (%s) does not count: %s", subject, p.digest, r.why(err))
		} else {
			r.fail(NoProvenance, subject, check, "%s (%s) has no provenance: attest the release and publish its proofs again", subject, p.digest)
		}
		return nil
	}
	var fit []statement
	var differs string
	for _, c := range candidates {
		build, err := intoto.DecodeBuild(c)
		if err != nil {
			differs = err.Error()
			continue
		}
		got := provenanceOf(build)
		if d := want.differs(got); d != "" {
			differs = d
			continue
		}
		fit = append(fit, statement{got, c})
	}
	if len(fit) == 0 {
		r.fail(WrongProvenance, subject, check, "the provenance of %s (%s) is of something else: %s; this is not the build that was asked for", subject, p.digest, differs)
		return nil
	}
	slices.SortFunc(fit, func(a, b statement) int { return cmp.Or(cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.Builder, b.Builder)) })
	r.pass(subject, check, "built from %s at %s, commit %s, by %s", fit[0].Repository, fit[0].Ref, fit[0].Commit, fit[0].Builder)
	return &fit[0]
}

// differs says how a provenance is not the expected one, "" where it is.
func (want Expect) differs(got Provenance) string {
	for _, c := range [][3]string{
		{"repository", got.Repository, want.Source}, {"ref", got.Ref, want.Ref}, {"commit", got.Commit, want.Commit}, {"channel", got.Channel, want.Channel},
	} {
		if c[2] != "" && c[1] != c[2] {
			return fmt.Sprintf("it names the %s %q, want %q", c[0], c[1], c[2])
		}
	}
	if got.Commit == "" {
		return "it names no commit of the source"
	}
	return ""
}

func (r *recorder) revision(named, commit string) {
	if named != commit {
		r.fail(WrongRevision, "index", "revision", "the index names the revision %q, its provenance the commit %q: it was not built from what it says", named, commit)
		return
	}
	r.pass("index", "revision", "the index names the commit of the provenance")
}

// sboms wants one document of each format, about this sha256, at the subject.
func (r *recorder) sboms(subject string, p *proofs, about, what string) intoto.Document {
	var out intoto.Document
	for _, predicate := range []string{intoto.SPDX, intoto.CycloneDX} {
		if doc, ok := r.sbom(subject, p, predicate, about, what); ok {
			out = doc
		}
	}
	return out
}

// indexSBOMs wants an image's documents at the index too.
func (r *recorder) indexSBOMs(image *imageEvidence, index *proofs) {
	for _, predicate := range []string{intoto.SPDX, intoto.CycloneDX} {
		r.sbom("index", index, predicate, image.digest.Hex, "the image for "+image.platform)
	}
}

func (r *recorder) sbom(subject string, p *proofs, predicate, about, what string) (intoto.Document, bool) {
	kind, check := "SPDX", "spdx"
	if predicate == intoto.CycloneDX {
		kind, check = "CycloneDX", "cyclonedx"
	}
	candidates := p.of(predicate)
	if len(candidates) == 0 {
		if err := p.refusedOf(predicate); err != nil {
			r.fail(Untrusted, subject, check, "the %s document of %s (%s) does not count: %s", kind, subject, p.digest, r.why(err))
		} else {
			r.fail(NoSBOM, subject, check, "%s (%s) has no %s document: attest the release and publish its proofs again", subject, p.digest, kind)
		}
		return intoto.Document{}, false
	}
	others := ""
	for _, c := range candidates {
		doc, err := intoto.DecodeSBOM(predicate, c.Predicate)
		switch {
		case err != nil:
			others = err.Error()
		case doc.SHA256 != about:
			others = fmt.Sprintf("it describes sha256:%s", doc.SHA256)
		case doc.Crates == 0:
			others = "it lists no crate"
		default:
			r.pass(subject, check, "%s of %s: %d crates, %d npm packages", kind, what, doc.Crates, doc.Packages)
			return doc, true
		}
	}
	r.fail(WrongSBOM, subject, check, "no %s document of %s is about %s sha256:%s: %s; make the SBOMs again", kind, subject, what, about, others)
	return intoto.Document{}, false
}

// binary wants the file that the image starts to be an attached one, named by
// the index's provenance. It gives the artifact.
func (r *recorder) binary(image *imageEvidence, provenance *statement) *attached {
	const check = "binary"
	if image.problem != "" {
		r.fail(WrongBinary, image.platform, check, "the binary of the image for %s cannot be compared: %s; build the image with this suite", image.platform, image.problem)
		return nil
	}
	if len(image.attached) == 0 {
		r.fail(NoBinary, image.platform, check, "no attached binary has the top layer %s of the image for %s: the binary in the image is not one that was released apart; build and publish the release again", image.layer, image.platform)
		return nil
	}
	a := image.attached[0]
	if provenance != nil { // anyone who may push can attach another one
		for _, other := range image.attached {
			if provenance.Names(other.digest.Hex) {
				a = other
			}
		}
	}
	in := image.binary
	switch {
	case a.sha256 != in.sha256:
		r.fail(WrongBinary, image.platform, check, "the binary %s in the image for %s has sha256 %s, the attached %s has %s: they are not the same build", in.path, image.platform, in.sha256, a.title, a.sha256)
	case provenance == nil: // reported by its own check
	case !provenance.Names(a.digest.Hex):
		r.fail(WrongBinary, image.platform, check, "the attached binary %s (%s) is not in the provenance: it was attached by somebody else, or after the release was signed", a.title, a.digest)
	case !named(provenance.Statement, a.title, in.sha256):
		r.fail(WrongBinary, image.platform, check, "the provenance has no %s with sha256 %s, which is what the image for %s starts: it was signed for another binary", a.title, in.sha256, image.platform)
	default:
		r.pass(image.platform, check, "%s in the image is %s, sha256 %s", in.path, a.title, in.sha256)
	}
	return a
}

func named(s intoto.Statement, name, hex string) bool {
	return slices.ContainsFunc(s.Subject, func(sub intoto.Subject) bool {
		return sub.Name == name && sub.Digest["sha256"] == hex
	})
}
