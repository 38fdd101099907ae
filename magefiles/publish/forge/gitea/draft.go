package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// Draft implements [forge.Forge]. It wants the tag to be pushed.
func (g *Gitea) Draft(ctx context.Context, r forge.Release) error {
	doing := "drafting release " + r.Tag
	// Making it is the one request that must not be sent twice: after a broken
	// connection it is looked for first.
	_, err := retry.Do(ctx, g.retry, func() (struct{}, error) {
		found, err := g.find(ctx, r.Tag)
		switch {
		case err != nil:
		case found == nil:
			err = g.create(ctx, doing, r)
		case !found.IsDraft:
			err = &forge.PublicError{Tag: r.Tag}
		default:
			err = g.describe(ctx, doing, found, r, true)
		}
		return struct{}{}, err
	})
	return err
}

// errUnnoted says that a pushed tag has no row in the server's database yet.
var errUnnoted = errors.New("the server has not taken note of the pushed tag yet: run this again in a minute")

// unnoted is how long it is given for that. It takes milliseconds.
const unnoted = 5 * time.Second

// create makes a draft of a pushed tag. The server takes note of a push a
// moment after git has ended, and one that comes upon a draft then makes it
// public. With a note the draft takes the note's row, and has the target that is
// asked for, none. Without one it is made with the default branch as its target:
// then it is taken back, which leaves such a row, and made again a little later.
func (g *Gitea) create(ctx context.Context, doing string, r forge.Release) error {
	if err := g.tagged(ctx, doing, r.Tag); err != nil {
		return err
	}
	made, err := call(ctx, g, doing, func(c *sdk.Client) (*sdk.Release, *sdk.Response, error) {
		return c.CreateRelease(g.owner, g.name, sdk.CreateReleaseOption{
			TagName: r.Tag, Title: r.Name, Note: r.Notes, IsDraft: true, IsPrerelease: r.Prerelease})
	})
	switch {
	case is(err, http.StatusConflict): // somebody else made it just now
		return &retry.Passing{Err: err}
	case err != nil || made.Target == "":
		return lost(err)
	}
	_, err = call(ctx, g, doing, func(c *sdk.Client) (struct{}, *sdk.Response, error) {
		res, err := c.DeleteRelease(g.owner, g.name, made.ID)
		return struct{}{}, res, err
	})
	if err != nil && !is(err, http.StatusNotFound) {
		return err
	}
	return &retry.Passing{Err: fmt.Errorf("%s: %w", doing, errUnnoted), After: unnoted}
}

// describe gives a release name, notes, flags and the state of a draft or not,
// with one request, where it has others.
func (g *Gitea) describe(ctx context.Context, doing string, found *sdk.Release, r forge.Release, draft bool) error {
	if r.Notes == "" && found.Note != "" {
		return fmt.Errorf("%s: the server takes no empty notes where there are some: write a line", doing)
	}
	if found.Title == r.Name && forge.SameNotes(found.Note, r.Notes) && found.IsPrerelease == r.Prerelease && found.IsDraft == draft {
		return nil
	}
	edit := sdk.EditReleaseOption{Title: r.Name, Note: r.Notes, IsDraft: &draft, IsPrerelease: &r.Prerelease}
	if !draft && found.Target != "" {
		// A draft that somebody else made. Should the tag vanish now, the server
		// would make one at the target. This one is not there then either, and
		// the release stays a draft, as one without a target does.
		edit.Target = "refs/tags/" + r.Tag
	}
	_, err := g.edit(ctx, doing, found.ID, edit)
	return err
}

func (g *Gitea) edit(ctx context.Context, doing string, id int64, edit sdk.EditReleaseOption) (*sdk.Release, error) {
	return call(ctx, g, doing, func(c *sdk.Client) (*sdk.Release, *sdk.Response, error) {
		return c.EditRelease(g.owner, g.name, id, edit)
	})
}

// Publish implements [forge.Forge]. The draft's files are read before; of
// several under one name, which an upload that was cut off may leave, one stays.
// r.Latest is without effect: see [Gitea.Latest].
func (g *Gitea) Publish(ctx context.Context, r forge.Release) error {
	doing := "publishing release " + r.Tag
	found, err := g.find(ctx, r.Tag)
	switch {
	case err != nil:
		return err
	case found == nil:
		return fmt.Errorf("%s: there is no such draft", doing)
	case !found.IsDraft:
		return nil
	}
	if err := g.tagged(ctx, doing, r.Tag); err != nil {
		return err
	}
	if err := g.complete(ctx, found, r); err != nil {
		return err
	}
	return g.describe(ctx, doing, found, r, false)
}

// complete holds a draft's files against those that it should have.
func (g *Gitea) complete(ctx context.Context, found *sdk.Release, r forge.Release) error {
	assets, err := g.assets(ctx, r.Tag, found.Attachments)
	if err != nil {
		return err
	}
	good := map[string]bool{}
	var surplus []*sdk.Attachment
	for i, a := range assets {
		want, ok := r.Find(a.Name)
		switch {
		case !ok:
			return &forge.IncompleteError{Tag: r.Tag, Asset: a.Name, Problem: "does not belong to it"}
		case a == want && !good[a.Name]:
			good[a.Name] = true
		default:
			surplus = append(surplus, found.Attachments[i])
		}
	}
	for _, a := range assets {
		if want, _ := r.Find(a.Name); !good[a.Name] {
			problem := fmt.Sprintf("has sha256 %s, expected %s", a.SHA256, want.SHA256)
			if a.Size != want.Size {
				problem = fmt.Sprintf("has %d bytes, expected %d", a.Size, want.Size)
			}
			return &forge.IncompleteError{Tag: r.Tag, Asset: a.Name, Problem: problem}
		}
	}
	for _, want := range r.Assets {
		if !good[want.Name] {
			return &forge.IncompleteError{Tag: r.Tag, Asset: want.Name, Problem: "is missing"}
		}
	}
	return g.remove(ctx, found, surplus)
}

// Amend implements [forge.Forge].
func (g *Gitea) Amend(ctx context.Context, tag, notes string) error {
	doing := "changing the notes of release " + tag
	found, err := g.find(ctx, tag)
	switch {
	case err != nil:
		return err
	case found == nil || found.IsDraft:
		return fmt.Errorf("%s: it is not public", doing)
	case notes == "" && found.Note != "":
		return fmt.Errorf("%s: the server takes no empty notes where there are some: write a line", doing)
	case forge.SameNotes(found.Note, notes):
		return nil
	}
	_, err = g.edit(ctx, doing, found.ID, sdk.EditReleaseOption{Note: notes})
	return err
}
