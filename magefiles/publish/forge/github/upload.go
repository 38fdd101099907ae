package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"

	"github.com/google/go-github/v75/github"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/internal/transfer"
)

// Upload implements [forge.Forge]. The content is streamed, and what GitHub
// says that it has is held against size and checksum.
func (g *GitHub) Upload(ctx context.Context, tag string, a forge.Asset, content forge.Content) error {
	doing := fmt.Sprintf("uploading %s to release %s", a.Name, tag)
	if err := checkTag(doing, tag); err != nil {
		return err
	}
	if err := forge.CheckName(a.Name); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if a.Size <= 0 {
		return fmt.Errorf("%s: GitHub takes no empty files: leave it out of the release", doing)
	}
	_, err := again(ctx, g, func() (struct{}, error) { return struct{}{}, g.upload(ctx, tag, a, content) })
	var conflict *forge.ConflictError
	if errors.As(err, &conflict) {
		return conflict
	}
	return g.explain(doing, contents, err)
}

// upload looks at what is there, makes room where that is allowed, and sends
// the asset.
func (g *GitHub) upload(ctx context.Context, tag string, a forge.Asset, content forge.Content) error {
	r, err := g.find(ctx, tag)
	if err != nil {
		return err
	}
	if r == nil {
		return fmt.Errorf("there is no release %s: run the release again, it makes it", tag)
	}
	there, err := g.named(ctx, r.GetID(), a.Name)
	if err != nil {
		return err
	}
	if there != nil {
		found, err := g.asset(ctx, *there)
		if err != nil {
			return err
		}
		if found == a {
			return nil
		}
		if !r.GetDraft() && there.GetState() == uploaded {
			return &forge.ConflictError{Tag: tag, Asset: a.Name, Found: found.SHA256, Want: a.SHA256}
		}
	}
	if r.Immutable {
		return errors.New("the release is immutable, GitHub lets nobody add or replace its files: publish these files under a new version")
	}
	if there != nil {
		if err := g.dropAsset(ctx, there.GetID()); err != nil {
			return err
		}
	}
	made, err := g.send(ctx, r.GetID(), a, content)
	if err != nil {
		return err
	}
	return g.compare(ctx, *made, a)
}

// named gives the asset of a name, nil where there is none.
func (g *GitHub) named(ctx context.Context, id int64, name string) (*github.ReleaseAsset, error) {
	assets, err := g.assets(ctx, id)
	for _, a := range assets {
		if a.GetName() == name {
			return &a, err
		}
	}
	return nil, err
}

// send streams an asset to the host for uploads.
func (g *GitHub) send(ctx context.Context, id int64, a forge.Asset, content forge.Content) (*github.ReleaseAsset, error) {
	body := &body{open: content, want: a}
	defer body.close()
	req, err := g.client.NewUploadRequest(g.path("releases/%d/assets?name=%s", id, url.QueryEscape(a.Name)), nil, a.Size, mediaType(a.Name))
	if err != nil {
		return nil, err
	}
	req.GetBody = body.again
	if req.Body, err = body.again(); err != nil {
		return nil, err
	}
	var made github.ReleaseAsset
	_, err = g.client.Do(ctx, req, &made)
	if fault := body.current().Finish(); fault != nil {
		return nil, fault
	}
	if refused(err, "name", "already_exists") {
		// Somebody else's, or our own whose answer was lost: look again.
		return nil, &retry.Passing{Err: err}
	}
	if err != nil {
		return nil, unsure(err)
	}
	return &made, nil
}

// compare holds what GitHub has against what it should have, and takes it back
// where that differs.
func (g *GitHub) compare(ctx context.Context, made github.ReleaseAsset, want forge.Asset) error {
	found, err := g.asset(ctx, made)
	if err != nil || found == want {
		return err
	}
	err = fmt.Errorf("GitHub stored %d bytes with sha256 %q as %s (%s), expected %d with %s: it was deleted again, run this again",
		found.Size, found.SHA256, found.Name, made.GetState(), want.Size, want.SHA256)
	return errors.Join(err, g.dropAsset(ctx, made.GetID()))
}

// body opens the content for each try.
type body struct {
	open forge.Content
	want forge.Asset

	mu   sync.Mutex
	last *transfer.Content
}

func (b *body) again() (io.ReadCloser, error) {
	b.close()
	r, err := b.open()
	if err != nil {
		return nil, &retry.Permanent{Err: fmt.Errorf("opening the content: %w", err)}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = transfer.NewContent(r, b.want.Size, b.want.SHA256)
	return b.last, nil
}

func (b *body) current() *transfer.Content {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

func (b *body) close() {
	if c := b.current(); c != nil {
		_ = c.Close()
	}
}

// mediaTypes are those of the files that a release has, by the ends of their
// names.
var mediaTypes = []struct{ end, kind string }{
	{".spdx.json", "application/spdx+json"},
	{".cdx.json", "application/vnd.cyclonedx+json"},
	{".cyclonedx.json", "application/vnd.cyclonedx+json"},
	{".sigstore.json", "application/vnd.dev.sigstore.bundle.v0.3+json"},
	{".sigstore", "application/vnd.dev.sigstore.bundle.v0.3+json"},
	{".intoto.jsonl", "application/jsonl"},
	{".json", "application/json"},
	{".tar.gz", "application/gzip"},
	{".tgz", "application/gzip"},
	{".gz", "application/gzip"},
	{".tar.xz", "application/x-xz"},
	{".tar.zst", "application/zstd"},
	{".zip", "application/zip"},
	{".deb", "application/vnd.debian.binary-package"},
	{".rpm", "application/x-rpm"},
	{".asc", "application/pgp-signature"},
	{".pem", "application/x-pem-file"},
	{".pub", "application/x-pem-file"},
	{".md", "text/markdown; charset=utf-8"},
	{".txt", "text/plain; charset=utf-8"},
	{".yaml", "application/yaml"},
	{".yml", "application/yaml"},
	{"SHA256SUMS", "text/plain; charset=utf-8"},
}

// mediaType gives the kind of a file by its name; binaries and Alpine packages,
// which have none of their own, are plain bytes.
func mediaType(name string) string {
	for _, m := range mediaTypes {
		if strings.HasSuffix(name, m.end) {
			return m.kind
		}
	}
	return "application/octet-stream"
}
