package github

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-github/v75/github"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// release is GitHub's, with a field that the library does not know yet.
type release struct {
	github.RepositoryRelease
	Immutable bool `json:"immutable"`
}

// uploaded is the state of an asset that is whole.
const uploaded = "uploaded"

// perPage is the most that GitHub gives at once.
const perPage = 100

func (g *GitHub) path(format string, args ...any) string {
	return fmt.Sprintf("repos/%s/%s/", g.owner, g.name) + fmt.Sprintf(format, args...)
}

// get fetches JSON below the repository.
func (g *GitHub) get(ctx context.Context, path string, out any) (*github.Response, error) {
	req, err := g.client.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	return g.client.Do(ctx, req, out)
}

// all fetches every page of a list below the repository.
func all[T any](ctx context.Context, g *GitHub, path string) ([]T, error) {
	var out []T
	for page := 1; page != 0; {
		var some []T
		res, err := g.get(ctx, fmt.Sprintf("%s?per_page=%d&page=%d", path, perPage, page), &some)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
		page = res.NextPage
	}
	return out, nil
}

// of finds what there is for a tag: the public release, or else the drafts, the
// oldest first. GitHub shows drafts in the list alone.
func (g *GitHub) of(ctx context.Context, tag string) ([]release, error) {
	var r release
	_, err := g.get(ctx, g.path("releases/tags/%s", tag), &r)
	if err == nil && !r.GetDraft() {
		return []release{r}, nil
	}
	if err != nil && status(err) != http.StatusNotFound {
		return nil, err
	}
	list, err := all[release](ctx, g, g.path("releases"))
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(r release) bool { return r.GetTagName() != tag })
	slices.SortFunc(list, func(a, b release) int { return cmp.Compare(a.GetID(), b.GetID()) })
	list = slices.CompactFunc(list, func(a, b release) bool { return a.GetID() == b.GetID() }) // pages shift
	for _, r := range list {
		if !r.GetDraft() {
			return []release{r}, nil
		}
	}
	return list, nil
}

// find gives the release of a tag, as it is now; nil where there is none.
func (g *GitHub) find(ctx context.Context, tag string) (*release, error) {
	g.mu.Lock()
	id, known := g.ids[tag]
	g.mu.Unlock()
	if known {
		var r release
		_, err := g.get(ctx, g.path("releases/%d", id), &r)
		if err == nil && r.GetTagName() == tag {
			return &r, nil
		}
		if err != nil && status(err) != http.StatusNotFound {
			return nil, err
		}
	}
	list, err := g.of(ctx, tag)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	g.know(tag, list[0])
	return &list[0], nil
}

func (g *GitHub) know(tag string, r release) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ids[tag] = r.GetID()
}

func (g *GitHub) assets(ctx context.Context, id int64) ([]github.ReleaseAsset, error) {
	return all[github.ReleaseAsset](ctx, g, g.path("releases/%d/assets", id))
}

// checkTag wants a tag that can stand in an address.
func checkTag(doing, tag string) error {
	if forge.CheckName(tag) != nil {
		return fmt.Errorf("%s: %q names no release: want a tag such as v0.4.0", doing, tag)
	}
	return nil
}

// Page implements [forge.Forge].
func (g *GitHub) Page(ctx context.Context, tag string) (*forge.Release, error) {
	_, page, err := g.page(ctx, tag)
	return page, err
}

// page gives a release's id and what is on its page but for assets.
func (g *GitHub) page(ctx context.Context, tag string) (id int64, page *forge.Release, err error) {
	doing := "looking for release " + tag
	if err := checkTag(doing, tag); err != nil {
		return 0, nil, err
	}
	// Another run may have made the draft public, or an older one of several.
	list, err := g.of(ctx, tag)
	if err != nil || len(list) == 0 {
		return 0, nil, g.explain(doing, contentsRead, err)
	}
	r := list[0]
	g.know(tag, r)
	return r.GetID(), &forge.Release{Tag: tag, Name: r.GetName(), Draft: r.GetDraft(), Prerelease: r.GetPrerelease(), Notes: r.GetBody()}, nil
}

// Find implements [forge.Forge]. An asset whose upload was interrupted comes
// with the size -1 and no checksum.
func (g *GitHub) Find(ctx context.Context, tag string) (*forge.Release, error) {
	id, out, err := g.page(ctx, tag)
	if err != nil || out == nil {
		return nil, err
	}
	assets, err := g.assets(ctx, id)
	if err != nil {
		return nil, g.explain("listing the assets of release "+tag, contentsRead, err)
	}
	for _, a := range assets {
		found, err := g.asset(ctx, a)
		if err != nil {
			return nil, g.explain(fmt.Sprintf("reading asset %s of release %s", a.GetName(), tag), contentsRead, err)
		}
		out.Assets = append(out.Assets, found)
	}
	slices.SortFunc(out.Assets, func(a, b forge.Asset) int { return strings.Compare(a.Name, b.Name) })
	if !out.Draft && !out.Prerelease {
		latest, err := g.Latest(ctx)
		if err != nil {
			return nil, err
		}
		out.Latest = latest == tag
	}
	return out, nil
}

// asset gives name, size and checksum as they truly are.
func (g *GitHub) asset(ctx context.Context, a github.ReleaseAsset) (forge.Asset, error) {
	out := forge.Asset{Name: a.GetName(), Size: -1}
	if a.GetState() != uploaded {
		return out, nil
	}
	sum, err := g.sum(ctx, a)
	out.Size, out.SHA256 = int64(a.GetSize()), sum
	return out, err
}

// sum gives an asset's checksum: the one that GitHub keeps, or, where it keeps
// none (Enterprise Server, old assets), that of its content. An id's content
// never changes.
func (g *GitHub) sum(ctx context.Context, a github.ReleaseAsset) (string, error) {
	if sum, ok := strings.CutPrefix(a.GetDigest(), "sha256:"); ok {
		return sum, nil
	}
	g.mu.Lock()
	sum, ok := g.sums[a.GetID()]
	g.mu.Unlock()
	if ok {
		return sum, nil
	}
	sum, err := again(ctx, g, func() (string, error) {
		req, err := g.client.NewRequest(http.MethodGet, g.path("releases/assets/%d", a.GetID()), nil)
		if err != nil {
			return "", err
		}
		req.Header.Set("Accept", "application/octet-stream")
		h := sha256.New()
		if _, err := g.client.Do(ctx, req, h); err != nil {
			if retry.Broken(err) {
				err = &retry.Passing{Err: err}
			}
			return "", err
		}
		return hex.EncodeToString(h.Sum(nil)), nil
	})
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sums[a.GetID()] = sum
	return sum, nil
}

// Latest implements [forge.Forge].
func (g *GitHub) Latest(ctx context.Context) (string, error) {
	const doing = "asking which release is the latest"
	var r release
	_, err := g.get(ctx, g.path("releases/latest"), &r)
	if status(err) == http.StatusNotFound {
		// There is none, or the repository is out of reach.
		_, err = g.repository(ctx)
		return "", g.explain(doing, contentsRead, err)
	}
	return r.GetTagName(), g.explain(doing, contentsRead, err)
}

func (g *GitHub) repository(ctx context.Context) (*github.Repository, error) {
	r, _, err := g.client.Repositories.Get(ctx, g.owner, g.name)
	return r, err
}
