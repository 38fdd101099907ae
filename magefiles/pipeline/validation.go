package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/manual"
	"github.com/kubedoio/rustshare-release/magefiles/record"
	"github.com/kubedoio/rustshare-release/magefiles/record/validation"
)

// validated is what came of a validation record.
type validated struct {
	Verdict  record.Result `json:"verdict"`
	Markdown string        `json:"markdown"`
	HTML     string        `json:"html"`
}

// Validation writes the validation record of the release whose bundle lies in
// dist: Markdown for the repository, and one page for people who would rather
// look than read. Its verdict is no error: the record tells what is.
func (s *Suite) Validation(ctx context.Context, tag string, asJSON bool) error {
	repo, ref, err := s.find(ctx, tag)
	if err != nil {
		return err
	}
	b, err := s.releaseBundle(ctx, repo, ref)
	if err != nil {
		return err
	}
	release, err := s.validation(ctx, repo, b)
	if err != nil {
		return err
	}
	out, err := s.writeValidation(release, b)
	if err != nil {
		return err
	}
	if asJSON {
		return s.printJSON(out)
	}
	return s.UI.Table(s.Out, []string{ref.Name, string(out.Verdict)}, [][]string{{"Markdown", out.Markdown}, {"HTML", out.HTML}})
}

// releaseBundle is the bundle of a ref in dist.
func (s *Suite) releaseBundle(ctx context.Context, repo git.Repo, ref decide.Ref) (*bundle.Bundle, error) {
	rev := "HEAD"
	if !ref.Version.IsZero() {
		rev = "refs/tags/" + ref.Name
	}
	commit, err := repo.Resolve(ctx, rev)
	if err != nil {
		return nil, err
	}
	dir := s.dist(decide.Plan{Ref: ref, Commit: commit}.ID())
	b, err := bundle.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no bundle of %s: publish the release on this machine first, or fetch the directory from the CI run that did", dir, ref.Name)
	}
	return b, err
}

// validation gathers what the record says.
func (s *Suite) validation(ctx context.Context, repo git.Repo, b *bundle.Bundle) (validation.Release, error) {
	r := validation.Release{
		Title: s.Product.Title, Plan: b.Plan, KeyFile: s.Product.Trust.ReleaseKey,
	}
	d, index, ok, err := b.ImageIndex()
	if err != nil {
		return r, err
	}
	if !ok {
		return r, fmt.Errorf("the bundle %s has no image: the release did not come that far", b.Dir)
	}
	r.Digest = d.Digest.String()
	for _, m := range index.Manifests {
		if m.Platform != nil {
			r.Images = append(r.Images, validation.Image{Platform: m.Platform.OS + "/" + m.Platform.Architecture, Digest: m.Digest.String()})
		}
	}
	for _, e := range b.Entries(bundle.File) {
		r.Files = append(r.Files, validation.File{Name: e.Annotations[bundle.TitleKey], SHA256: e.Digest.Hex, Size: e.Size})
	}
	if r.Record, err = record.Read(b.Dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return r, err
	}
	if !r.Record.Finished.IsZero() {
		r.Plan = r.Record.Plan
	}
	r.Asked = r.Plan.Tries
	if r.Evidence, err = record.ReadEvidence(b); err != nil {
		return r, err
	}
	r.Used = usedIn(r.Evidence)
	// The gates stand in the plan, with their places.
	r.Evidence = slices.DeleteFunc(r.Evidence, func(e record.Evidence) bool { return e.Kind == record.Gate })
	v := b.Plan.Ref.Version
	if v.IsZero() {
		return r, nil
	}
	last, err := previous(ctx, repo, b.Plan.Commit, v)
	if err != nil {
		return r, err
	}
	if !last.IsZero() {
		r.Previous = last.Tag()
	}
	if r.Candidate, err = s.promotedFrom(ctx, r.Record.Candidate); err != nil {
		return r, err
	}
	return r, s.manualGates(ctx, repo, v, b.Plan.Commit, &r)
}

// usedIn are the images that ran beside the release's own.
func usedIn(all []record.Evidence) []validation.Used {
	var out []validation.Used
	for _, e := range all {
		for name, image := range e.Facts {
			service, ok := strings.CutPrefix(name, usedFact)
			ref, digest, _ := strings.Cut(strings.TrimSuffix(image, ")"), " (")
			u := validation.Used{Service: service, Image: ref, Digest: digest}
			if ok && !slices.Contains(out, u) {
				out = append(out, u)
			}
		}
	}
	slices.SortFunc(out, func(a, b validation.Used) int { return strings.Compare(a.Service+a.Image, b.Service+b.Image) })
	return out
}

// promotedFrom is the candidate that a release was promoted from, with what is
// attested on its image.
func (s *Suite) promotedFrom(ctx context.Context, from *record.Candidate) (*validation.Candidate, error) {
	if from == nil {
		return nil, nil
	}
	out := &validation.Candidate{Tag: from.Tag, Digest: from.Digest}
	digest, err := v1.NewHash(from.Digest)
	if err != nil {
		return nil, err
	}
	reg, err := s.openRegistry(ctx, true)
	if err != nil {
		return nil, err
	}
	defer reg.close()
	results, err := s.attested(ctx, reg.Registry, digest)
	if err != nil { // the record is of the release: it does without
		s.UI.Warn("what the candidate %s has passed is left out: %v", from.Tag, err)
	}
	for _, t := range results {
		if t.Text == nil {
			continue
		}
		e, err := record.DecodeEvidence(t.Text)
		if err != nil {
			return nil, err
		}
		if e.Kind != record.Gate { // the release has gates of its own
			out.Evidence = append(out.Evidence, e)
		}
	}
	return out, nil
}

// manualGates reads what people say, as the release's commit has it.
func (s *Suite) manualGates(ctx context.Context, repo git.Repo, v decide.Version, commit string, r *validation.Release) error {
	if v.Channel() != decide.Stable || !slices.Contains(s.Product.Promotion.Bumps, string(v.Bump())) {
		return nil
	}
	r.ManualPath, r.ManualAsked = path.Join(s.Product.Paperwork.Gates, v.Tag()+".yaml"), s.Product.Promotion.Manual
	text, err := repo.ReadFile(ctx, commit, r.ManualPath)
	if errors.Is(err, git.ErrNoFile) {
		return nil
	}
	if err != nil {
		return err
	}
	r.Manual, err = manual.Parse(r.ManualPath, text)
	return err
}

// writeValidation writes both forms.
func (s *Suite) writeValidation(r validation.Release, b *bundle.Bundle) (validated, error) {
	name := validation.Name(b.Plan)
	out := validated{
		Verdict:  validation.Verdict(r),
		Markdown: filepath.Join(s.Dir, filepath.FromSlash(s.Product.Paperwork.Records), name+".md"),
		HTML:     filepath.Join(b.Dir, name+".html"),
	}
	if b.Plan.Ref.Version.IsZero() { // the repository keeps those of versions
		out.Markdown = filepath.Join(b.Dir, name+".md")
	}
	text, err := validation.Markdown(r)
	if err != nil {
		return out, err
	}
	page, err := validation.HTML(r)
	if err != nil {
		return out, err
	}
	if err := os.MkdirAll(filepath.Dir(out.Markdown), 0o755); err != nil {
		return out, err
	}
	return out, errors.Join(atomicfile.Write(out.Markdown, text, 0o644), atomicfile.Write(out.HTML, page, 0o644))
}
