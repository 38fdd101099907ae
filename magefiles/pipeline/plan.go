package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/doctor"
	"github.com/kubedoio/rustshare-release/magefiles/gate"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/markdown"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// ShowPlan prints what a release would do.
func (s *Suite) ShowPlan(ctx context.Context, ref string, asJSON bool) error {
	reg, f, err := s.open(ctx, true)
	if err != nil {
		return err
	}
	defer reg.close()
	from, err := s.plan(ctx, ref, "", reg.Registry, f)
	if err != nil {
		return err
	}
	if err := s.planPage(from.plan); err != nil {
		return err
	}
	if asJSON {
		return s.printJSON(from.plan)
	}
	return s.printPlan(from.plan)
}

// start is what a release starts from.
type start struct {
	plan   decide.Plan
	source gate.Source
	repo   git.Repo
	// candidate is what a stable release promotes, nil where there is none.
	candidate *gate.Promoted
	// paper is what the release's paperwork says.
	paper paper
}

// plan evaluates every gate and compares the tags with what they point at now.
// It has no side effect. The error is for what makes a plan impossible; a
// refusal is a gate of the plan.
func (s *Suite) plan(ctx context.Context, name, why string, reg *registry.Registry, f forge.Forge) (start, error) {
	repo, ref, err := s.find(ctx, name)
	if err != nil {
		return start{}, err
	}
	report, err := gate.Check(ctx, repo, s.Product, ref, time.Now())
	if err != nil {
		return start{}, err
	}
	src := report.Source
	if src.Commit == "" { // nothing to plan for: the refusals say why
		return start{}, report.Err()
	}
	version, err := cargo.ProductVersion(s.Dir, s.Product.Cargo.Package)
	if err != nil {
		return start{}, err
	}
	p := decide.Plan{
		Product: s.Product.Name, Definition: s.Product.Digest(),
		Ref: ref, Version: version,
		Commit: src.Commit, CommitTime: src.CommitTime,
		Image: reg.Repository().Name(), Platforms: s.Product.Platforms(), Assets: append(s.assets(), s.packageTitles(ref)...),
		Gates: report.Gates,
	}
	head, err := repo.Head(ctx)
	if err != nil {
		return start{}, err
	}
	declared := versionGate(ref, version)
	if declared.State == decide.Fail && head != src.Commit {
		declared.Detail = fmt.Sprintf("the sources that are checked out declare version %s, tag %s wants %s: they are not those of its commit", version, ref.Name, ref.Version.Core())
	}
	p.Gates = append(append(p.Gates, declared), s.packagesGate(ref)...)
	var candidate *gate.Promoted
	if !ref.Version.IsZero() {
		var gates []decide.Gate
		if gates, candidate, err = s.releaseGates(ctx, repo, ref, src.Commit, reg, f, why); err != nil {
			return start{}, err
		}
		p.Gates = append(p.Gates, gates...)
	}
	paper, err := s.readPaper(ctx, repo, ref, src.Commit)
	if err != nil {
		return start{}, err
	}
	published, unread := publishedVersions(ctx, reg)
	var withdrawn []decide.Version
	if ref.Channel == decide.Stable && unread == nil {
		var g *decide.Gate
		if withdrawn, g, unread = s.withdrawn(ctx, reg, ref.Version, published); g != nil {
			p.Gates = append(p.Gates, *g)
		}
	}
	tags, err := decide.Tags(ref, src.Commit, s.clock(), published, withdrawn)
	if err != nil {
		return start{}, err
	}
	var now map[string]pointed
	if unread == nil {
		now, unread = pointing(ctx, reg, tags)
	}
	if unread != nil {
		p.Gates = append(p.Gates, decide.Gate{
			Name: "registry", State: decide.Fail,
			Detail: unread.Error() + "; what the tags point at now, and which aliases another version holds, is not known",
		})
	}
	for _, t := range tags {
		c := decide.TagChange{Tag: t, Next: decide.CommitTag(src.Commit), Change: true}
		if !ref.Version.IsZero() {
			c.Next = ref.Version.String()
		}
		if at, ok := now[t.Name]; ok {
			c.Now, c.NowIs = at.digest.String(), at.is()
			c.Change = at.commit != src.Commit
			if c.Change && t.Rolling && ref.Version.IsZero() { // edge follows main forward only
				if behind, err := repo.IsAncestor(ctx, at.commit, src.Commit); err == nil {
					c.Change = behind
				}
			}
		}
		p.Tags = append(p.Tags, c)
	}
	if !ref.Version.IsZero() && unread == nil {
		p.Gates = append(p.Gates, publishedGate(ref.Version, src.Commit, now))
	}
	from := start{p, src, repo, candidate, paper}
	if unread == nil {
		from.plan.Tries, err = s.policy(ctx, from, reg)
	}
	return from, err
}

// find gives the checkout and what is to be released: see [gate.FindRef].
func (s *Suite) find(ctx context.Context, name string) (git.Repo, decide.Ref, error) {
	if err := doctor.Checkout(s.Dir, s.Product); err != nil {
		return git.Repo{}, decide.Ref{}, err
	}
	repo, err := git.Open(ctx, s.Dir)
	if err != nil {
		return repo, decide.Ref{}, err
	}
	ref, err := gate.FindRef(ctx, repo, s.Product, name, s.Getenv)
	return repo, ref, err
}

// versionGate holds the product's own version against the tag's core.
func versionGate(ref decide.Ref, version string) decide.Gate {
	g := decide.Gate{Name: "version", State: decide.Pass, Detail: "the sources declare " + version}
	if !ref.Version.IsZero() && version != ref.Version.Core() {
		g.State = decide.Fail
		g.Detail = fmt.Sprintf("the sources declare version %s, tag %s wants %s; set it, commit, and tag that commit", version, ref.Name, ref.Version.Core())
	}
	return g
}

// publishedGate refuses a version that is published from another commit.
func publishedGate(v decide.Version, commit string, tags map[string]pointed) decide.Gate {
	g := decide.Gate{Name: "published", State: decide.Pass, Detail: v.Image() + " is not published yet"}
	now, ok := tags[v.Image()]
	switch {
	case !ok:
	case now.commit == commit:
		g.Detail = v.Image() + " is published from this commit: a rerun, which finishes what is missing"
	default:
		g.State = decide.Fail
		g.Detail = fmt.Sprintf("%s is published already, as %s of commit %s; a released version is never published again: fix it in the next one", v.Image(), now.digest, or(now.commit, "unknown"))
	}
	return g
}

// withdrawn gives the versions whose withdrawal decides about the tags of a
// stable release. Where it is itself withdrawn, a gate warns of that.
func (s *Suite) withdrawn(ctx context.Context, reg *registry.Registry, v decide.Version, published []decide.Version) ([]decide.Version, *decide.Gate, error) {
	trust, err := s.trust()
	if err != nil {
		return nil, nil, err
	}
	p := s.publisher(reg, nil, trust, s.expectTag)
	all, err := p.WithdrawnFor(ctx, v, published)
	if err != nil || !slices.ContainsFunc(all, func(w decide.Version) bool { return w.Compare(v) == 0 }) {
		return all, nil, err
	}
	d, _, err := reg.Head(ctx, v.Image())
	if err != nil {
		return all, nil, err
	}
	said, err := p.Withdrawn(ctx, d.Digest)
	if err != nil || !said.Stands() {
		return all, nil, err
	}
	return all, &decide.Gate{Name: "withdrawn", State: decide.Warning, Evidence: d.Digest.String(), Detail: fmt.Sprintf(
		"%s is withdrawn: %s No rolling tag moves to it; `go run . release:restore %s` takes the withdrawal back", v, markdown.Sentence(said.Reason), v)}, nil
}

// pointed is what a tag points at.
type pointed struct {
	digest          v1.Hash
	version, commit string
}

func (p pointed) is() string {
	if p.commit == "" {
		return p.version
	}
	return strings.TrimSpace(p.version + " " + short(p.commit))
}

// publishedVersions lists the stable versions that the registry holds.
func publishedVersions(ctx context.Context, reg *registry.Registry) ([]decide.Version, error) {
	names, err := reg.Tags(ctx)
	if err != nil {
		return nil, err
	}
	var out []decide.Version
	for _, name := range names {
		if v, err := decide.ParseVersion(name); err == nil && v.Channel() == decide.Stable {
			out = append(out, v)
		}
	}
	return out, nil
}

// pointing tells what the tags point at now; those that are absent are left
// out.
func pointing(ctx context.Context, reg *registry.Registry, tags []decide.Tag) (map[string]pointed, error) {
	at := map[string]pointed{}
	known := map[v1.Hash]pointed{}
	for _, t := range tags {
		d, ok, err := reg.Head(ctx, t.Name)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if _, ok := known[d.Digest]; !ok {
			if known[d.Digest], err = describe(ctx, reg, d.Digest); err != nil {
				return nil, err
			}
		}
		at[t.Name] = known[d.Digest]
	}
	return at, nil
}

// describe reads version and commit from an image's annotations.
func describe(ctx context.Context, reg *registry.Registry, h v1.Hash) (pointed, error) {
	raw, _, _, err := reg.Manifest(ctx, h.String())
	if err != nil {
		return pointed{}, err
	}
	var m struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return pointed{}, fmt.Errorf("reading manifest %s: %w", h, err)
	}
	return pointed{
		digest:  h,
		version: m.Annotations["org.opencontainers.image.version"],
		commit:  m.Annotations["org.opencontainers.image.revision"],
	}, nil
}

// assets names what the release page gets besides SBOMs and checksums.
func (s *Suite) assets() []string {
	var names []string
	for _, t := range s.Product.Cargo.Targets {
		names = append(names, t.Asset)
	}
	for _, path := range s.Product.Extra {
		names = append(names, path[strings.LastIndex(path, "/")+1:])
	}
	return names
}

func (s *Suite) clock() time.Time {
	if !s.Clock.IsZero() {
		return s.Clock
	}
	return time.Now()
}

// printPlan writes a plan for people.
func (s *Suite) printPlan(p decide.Plan) error {
	ref := p.Ref.Name
	rows := [][]string{
		{"release", fmt.Sprintf("%s %s (%s)", p.Product, ref, p.Ref.Channel)},
		{"commit", fmt.Sprintf("%s, %s", p.Commit, p.CommitTime.Format(time.RFC3339))},
		{"version", p.Version},
		{"image", p.Image},
		{"platforms", strings.Join(p.Platforms, ", ")},
		{"assets", strings.Join(p.Assets, ", ")},
		{"has to pass", or(strings.Join(p.Tries, ", "), "nothing")},
	}
	if err := s.UI.Table(s.Out, []string{"plan", ""}, rows); err != nil {
		return err
	}
	if err := s.blankLine(); err != nil {
		return err
	}
	if err := s.UI.Table(s.Out, planTagsHeader, planTags(p)); err != nil {
		return err
	}
	if err := s.blankLine(); err != nil {
		return err
	}
	return s.printGates(p.Gates)
}

func (s *Suite) blankLine() error {
	_, err := fmt.Fprintln(s.Out)
	return err
}

func short(commit string) string {
	return commit[:min(len(commit), 12)]
}

// shortDigest keeps a digest recognisable in a table.
func shortDigest(d string) string {
	if alg, hex, ok := strings.Cut(d, ":"); ok {
		return alg + ":" + hex[:min(len(hex), 12)]
	}
	return d
}

func or(s, alternative string) string {
	if s == "" {
		return alternative
	}
	return s
}
