package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-github/v75/github"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

var errTag = errors.New("there is no such tag on GitHub, which would make one by itself from the main branch: push the signed tag first")

// tagged wants the git tag to be there: GitHub makes a missing one when it
// publishes a release.
func (g *GitHub) tagged(ctx context.Context, tag string) error {
	_, _, err := g.client.Git.GetRef(ctx, g.owner, g.name, "tags/"+tag)
	if status(err) == http.StatusNotFound {
		if _, err := g.repository(ctx); err != nil {
			return err
		}
		return errTag
	}
	return err
}

// Draft implements [forge.Forge]. The git tag has to be there. Of several
// drafts of one tag, which interrupted runs may leave, the oldest is kept.
func (g *GitHub) Draft(ctx context.Context, r forge.Release) error {
	doing := "drafting release " + r.Tag
	if err := checkTag(doing, r.Tag); err != nil {
		return err
	}
	_, err := again(ctx, g, func() (struct{}, error) { return struct{}{}, g.draft(ctx, r) })
	return g.explain(doing, contents, err)
}

func (g *GitHub) draft(ctx context.Context, r forge.Release) error {
	list, err := g.of(ctx, r.Tag)
	if err != nil {
		return err
	}
	if len(list) > 0 && !list[0].GetDraft() {
		return &forge.PublicError{Tag: r.Tag}
	}
	if len(list) == 0 {
		if err := g.tagged(ctx, r.Tag); err != nil {
			return err
		}
		return g.create(ctx, r)
	}
	for _, spare := range list[1:] {
		if err := g.dropDraft(ctx, spare.GetID()); err != nil {
			return err
		}
	}
	first := list[0]
	g.know(r.Tag, first)
	if first.GetName() == r.Name && forge.SameNotes(first.GetBody(), r.Notes) && first.GetPrerelease() == r.Prerelease {
		return nil
	}
	_, err = g.edit(ctx, first.GetID(), &github.RepositoryRelease{Name: &r.Name, Body: &r.Notes, Prerelease: &r.Prerelease})
	return err
}

func (g *GitHub) create(ctx context.Context, r forge.Release) error {
	made, _, err := g.client.Repositories.CreateRelease(ctx, g.owner, g.name, &github.RepositoryRelease{
		TagName: &r.Tag, Name: &r.Name, Body: &r.Notes, Prerelease: &r.Prerelease,
		Draft: github.Ptr(true), MakeLatest: github.Ptr("false"),
	})
	if err != nil {
		return unsure(err)
	}
	g.know(r.Tag, release{RepositoryRelease: *made})
	return nil
}

func (g *GitHub) edit(ctx context.Context, id int64, change *github.RepositoryRelease) (*github.RepositoryRelease, error) {
	r, _, err := g.client.Repositories.EditRelease(ctx, g.owner, g.name, id, change)
	return r, unsure(err)
}

// dropDraft deletes a release that still is a draft.
func (g *GitHub) dropDraft(ctx context.Context, id int64) error {
	var now release
	if _, err := g.get(ctx, g.path("releases/%d", id), &now); err != nil {
		return gone(err)
	}
	if !now.GetDraft() {
		return nil
	}
	_, err := g.client.Repositories.DeleteRelease(ctx, g.owner, g.name, id)
	return gone(err)
}

// gone is content with something not being there.
func gone(err error) error {
	if status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// Drop implements [forge.Forge].
func (g *GitHub) Drop(ctx context.Context, tag, name string) error {
	doing := fmt.Sprintf("taking %s out of release %s", name, tag)
	if err := checkTag(doing, tag); err != nil {
		return err
	}
	r, err := g.find(ctx, tag)
	if err != nil || r == nil {
		return g.explain(doing, contents, err)
	}
	if !r.GetDraft() {
		return &forge.PublicError{Tag: tag}
	}
	a, err := g.named(ctx, r.GetID(), name)
	if err != nil || a == nil {
		return g.explain(doing, contents, err)
	}
	return g.explain(doing, contents, g.dropAsset(ctx, a.GetID()))
}

func (g *GitHub) dropAsset(ctx context.Context, id int64) error {
	_, err := g.client.Repositories.DeleteReleaseAsset(ctx, g.owner, g.name, id)
	return gone(err)
}

// Publish implements [forge.Forge]. A release that is public already is not
// touched, but for its being shown first.
func (g *GitHub) Publish(ctx context.Context, r forge.Release) error {
	doing := "publishing release " + r.Tag
	if err := checkTag(doing, r.Tag); err != nil {
		return err
	}
	public, err := again(ctx, g, func() (bool, error) { return g.publish(ctx, r) })
	if err != nil || !public || !r.Latest || r.Prerelease {
		return g.explain(doing, contents, err)
	}
	latest, err := g.Latest(ctx)
	if err != nil || latest == r.Tag {
		return err
	}
	return g.SetLatest(ctx, r.Tag)
}

// publish tells whether the release was public already.
func (g *GitHub) publish(ctx context.Context, r forge.Release) (public bool, err error) {
	found, err := g.find(ctx, r.Tag)
	switch {
	case err != nil:
		return false, err
	case found == nil:
		return false, errors.New("there is no such draft: run the release again, it makes it")
	case !found.GetDraft():
		return true, nil
	}
	if err := g.alone(ctx, r.Tag, found.GetID()); err != nil {
		return false, err
	}
	if err := g.complete(ctx, found.GetID(), r); err != nil {
		return false, err
	}
	if err := g.tagged(ctx, r.Tag); err != nil {
		return false, err
	}
	now, err := g.edit(ctx, found.GetID(), &github.RepositoryRelease{
		Draft: github.Ptr(false), Prerelease: &r.Prerelease, MakeLatest: makeLatest(r.Latest && !r.Prerelease),
	})
	if err == nil && now.GetDraft() {
		err = errors.New("GitHub took the request and left it a draft: run the release again")
	}
	return false, err
}

// alone deletes the other drafts of a tag: a list that came late may have
// hidden one when this one was made.
func (g *GitHub) alone(ctx context.Context, tag string, id int64) error {
	list, err := g.of(ctx, tag)
	if err != nil {
		return err
	}
	for _, other := range list {
		switch {
		case other.GetID() == id:
		case !other.GetDraft():
			return &forge.PublicError{Tag: tag}
		default:
			if err := g.dropDraft(ctx, other.GetID()); err != nil {
				return err
			}
		}
	}
	return nil
}

func makeLatest(yes bool) *string {
	if yes {
		return github.Ptr("true")
	}
	return github.Ptr("false")
}

// complete holds a draft's files against those that it should have.
func (g *GitHub) complete(ctx context.Context, id int64, r forge.Release) error {
	assets, err := g.assets(ctx, id)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, a := range assets {
		name := a.GetName()
		want, ok := r.Find(name)
		if !ok {
			return &forge.IncompleteError{Tag: r.Tag, Asset: name, Problem: "does not belong to it"}
		}
		there[name] = true
		found, err := g.asset(ctx, a)
		switch {
		case err != nil:
			return err
		case a.GetState() != uploaded:
			return &forge.IncompleteError{Tag: r.Tag, Asset: name, Problem: "was not uploaded to its end"}
		case found.Size != want.Size:
			return &forge.IncompleteError{Tag: r.Tag, Asset: name, Problem: fmt.Sprintf("has %d bytes, expected %d", found.Size, want.Size)}
		case found.SHA256 != want.SHA256:
			return &forge.IncompleteError{Tag: r.Tag, Asset: name, Problem: fmt.Sprintf("has sha256 %s, expected %s", found.SHA256, want.SHA256)}
		}
	}
	for _, a := range r.Assets {
		if !there[a.Name] {
			// Perhaps the list comes late.
			return &retry.Passing{Err: &forge.IncompleteError{Tag: r.Tag, Asset: a.Name, Problem: "is missing"}}
		}
	}
	return nil
}

// SetLatest implements [forge.Forge].
func (g *GitHub) SetLatest(ctx context.Context, tag string) error {
	return g.change(ctx, tag, "showing release "+tag+" as the latest", func(r *release) (*github.RepositoryRelease, error) {
		if r.GetPrerelease() {
			return nil, errors.New("it is a pre-release, which GitHub never shows as the latest")
		}
		return &github.RepositoryRelease{MakeLatest: makeLatest(true)}, nil
	})
}

// Amend implements [forge.Forge].
func (g *GitHub) Amend(ctx context.Context, tag, notes string) error {
	return g.change(ctx, tag, "changing the notes of release "+tag, func(r *release) (*github.RepositoryRelease, error) {
		if forge.SameNotes(r.GetBody(), notes) {
			return nil, nil
		}
		return &github.RepositoryRelease{Body: &notes}, nil
	})
}

// change edits a public release. All that is set here may be set twice.
func (g *GitHub) change(ctx context.Context, tag, doing string, what func(*release) (*github.RepositoryRelease, error)) error {
	if err := checkTag(doing, tag); err != nil {
		return err
	}
	_, err := again(ctx, g, func() (struct{}, error) {
		var none struct{}
		r, err := g.find(ctx, tag)
		if err != nil {
			return none, err
		}
		if r == nil || r.GetDraft() {
			return none, errors.New("it is not public")
		}
		change, err := what(r)
		if err != nil || change == nil {
			return none, err
		}
		_, err = g.edit(ctx, r.GetID(), change)
		return none, err
	})
	return g.explain(doing, contents, err)
}
