package gitea

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	sdk "code.gitea.io/sdk/gitea"
	"golang.org/x/sync/errgroup"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/internal/transfer"
)

// downloads bounds the files that are read at once.
const downloads = 4

// Page implements [forge.Forge].
func (g *Gitea) Page(ctx context.Context, tag string) (*forge.Release, error) {
	found, err := g.find(ctx, tag)
	if err != nil || found == nil {
		return nil, err
	}
	return shown(found), nil
}

func shown(r *sdk.Release) *forge.Release {
	return &forge.Release{Tag: r.TagName, Name: r.Title, Draft: r.IsDraft, Prerelease: r.IsPrerelease, Notes: r.Note}
}

// Find implements [forge.Forge]. The server keeps no checksums: every file is
// read once, and again only when the server has another one.
func (g *Gitea) Find(ctx context.Context, tag string) (*forge.Release, error) {
	found, err := g.find(ctx, tag)
	if err != nil || found == nil {
		return nil, err
	}
	r := shown(found)
	if r.Assets, err = g.assets(ctx, tag, found.Attachments); err != nil {
		return nil, err
	}
	if !r.Draft && !r.Prerelease {
		latest, err := g.latest(ctx)
		if err != nil {
			return nil, err
		}
		r.Latest = latest == tag
	}
	return r, nil
}

// find gives the release of a tag, nil where there is none. Those who may write
// see a draft under its tag as well. The server looks for the tag without
// regard to case.
func (g *Gitea) find(ctx context.Context, tag string) (*sdk.Release, error) {
	doing := "looking for release " + tag
	found, err := call(ctx, g, doing, func(c *sdk.Client) (*sdk.Release, *sdk.Response, error) {
		return c.GetReleaseByTag(g.owner, g.name, tag)
	})
	if is(err, http.StatusNotFound) {
		// It says the same of a repository that is not there or not shown.
		_, err := g.repository(ctx, doing)
		return nil, err
	}
	if err == nil && found.TagName != tag {
		err = fmt.Errorf("%s: %s has a release of the tag %s, which differs in case alone, and holds such tags for one: delete that one first", doing, g.repo(), found.TagName)
	}
	return found, err
}

// repository looks at the repository itself.
func (g *Gitea) repository(ctx context.Context, doing string) (*sdk.Repository, error) {
	r, err := call(ctx, g, doing, func(c *sdk.Client) (*sdk.Repository, *sdk.Response, error) {
		return c.GetRepo(g.owner, g.name)
	})
	if is(err, http.StatusNotFound) {
		who := "the token's user"
		if g.token == "" {
			who = "anyone without a token"
		}
		err = fmt.Errorf("%s: %s has no repository %s, or does not show it to %s", doing, g.server, g.repo(), who)
	}
	return r, err
}

// tagged wants a git tag to be there. Without it the server would make one
// itself, and a draft whose tag is pushed later becomes public by that, with
// whatever files it has.
func (g *Gitea) tagged(ctx context.Context, doing, tag string) error {
	_, err := call(ctx, g, doing, func(c *sdk.Client) (*sdk.Tag, *sdk.Response, error) {
		return c.GetTag(g.owner, g.name, tag)
	})
	if is(err, http.StatusNotFound) {
		return fmt.Errorf("%s: %s/%s has no tag %s: push it first (git push REMOTE refs/tags/%s), releases are made of pushed tags only", doing, g.server, g.repo(), tag, tag)
	}
	return err
}

// Latest implements [forge.Forge]. The server shows, of the public releases
// that are no pre-releases, the one whose draft was last made or edited; one
// whose tag was pushed again counts from the date in that tag. It cannot be told
// otherwise, so a patch of an older line that is released last is shown first.
func (g *Gitea) Latest(ctx context.Context) (string, error) {
	tag, err := g.latest(ctx)
	if err != nil {
		return "", err
	}
	return tag, forge.ErrOwnLatest
}

func (g *Gitea) latest(ctx context.Context) (string, error) {
	r, err := call(ctx, g, "asking for the latest release", func(c *sdk.Client) (*sdk.Release, *sdk.Response, error) {
		return c.GetLatestRelease(g.owner, g.name)
	})
	if is(err, http.StatusNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return r.TagName, nil
}

// SetLatest implements [forge.Forge]: it is always [forge.ErrOwnLatest].
func (g *Gitea) SetLatest(context.Context, string) error { return forge.ErrOwnLatest }

// file is an attachment on the server. Its content never changes, its name may.
type file struct {
	id, size int64
	created  time.Time
}

// assets gives attachments with their true sizes and checksums, in their order.
func (g *Gitea) assets(ctx context.Context, tag string, files []*sdk.Attachment) ([]forge.Asset, error) {
	out := make([]forge.Asset, len(files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(downloads)
	for i, a := range files {
		group.Go(func() error {
			var err error
			out[i], err = g.sum(ctx, tag, a)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// sum reads an attachment, once in the life of g.
func (g *Gitea) sum(ctx context.Context, tag string, a *sdk.Attachment) (forge.Asset, error) {
	key := file{a.ID, a.Size, a.Created.UTC()}
	g.mu.Lock()
	known, ok := g.sums[key]
	g.mu.Unlock()
	if !ok {
		var err error
		doing := fmt.Sprintf("reading %s of release %s", a.Name, tag)
		known, err = retry.Do(ctx, g.retry, func() (forge.Asset, error) { return g.download(ctx, doing, a) })
		if err != nil {
			return forge.Asset{}, err
		}
		g.mu.Lock()
		g.sums[key] = known
		g.mu.Unlock()
	}
	known.Name = a.Name
	return known, nil
}

// download reads an attachment by its UUID: under its name another one may lie,
// and the address in the answer has the host that the server is configured with.
// The SDK has no call for it.
func (g *Gitea) download(ctx context.Context, doing string, a *sdk.Attachment) (forge.Asset, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.server+"/attachments/"+a.UUID, nil)
	if err != nil {
		return forge.Asset{}, fmt.Errorf("%s: %w", doing, err)
	}
	g.sign(req)
	res, err := g.client.Do(req)
	if err != nil {
		return forge.Asset{}, fmt.Errorf("%s: %w", doing, err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	if res.StatusCode != http.StatusOK {
		return forge.Asset{}, g.refused(doing, res, "")
	}
	h := sha256.New()
	n, err := io.CopyBuffer(h, struct{ io.Reader }{res.Body}, make([]byte, 256<<10))
	if err != nil { // the answer had begun: the transport does not see that
		return forge.Asset{}, lost(fmt.Errorf("%s: %w", doing, err))
	}
	return forge.Asset{Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// sign puts the token on a request that the SDK does not make.
func (g *Gitea) sign(req *http.Request) {
	req.Header.Set("User-Agent", transfer.UserAgent)
	if g.token != "" {
		req.Header.Set("Authorization", "token "+g.token)
	}
}
