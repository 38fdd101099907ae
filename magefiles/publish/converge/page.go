package converge

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// DraftRelease makes the forge's draft or brings its text up to date.
type DraftRelease struct{ Release forge.Release }

func (a DraftRelease) String() string { return "draft release " + a.Release.Tag }
func (DraftRelease) rank() int        { return rankDraft }
func (a DraftRelease) do(ctx context.Context, r *run) error {
	return r.Forge.Draft(ctx, a.Release)
}

// UploadAsset puts a file into the forge's release.
type UploadAsset struct {
	Tag   string
	Asset forge.Asset
	path  string
}

func (a UploadAsset) String() string {
	return fmt.Sprintf("upload %s (%d bytes) to release %s", a.Asset.Name, a.Asset.Size, a.Tag)
}
func (UploadAsset) rank() int { return rankAssets }
func (a UploadAsset) do(ctx context.Context, r *run) error {
	return r.Forge.Upload(ctx, a.Tag, a.Asset, func() (io.ReadCloser, error) {
		f, err := os.Open(a.path)
		if err != nil {
			return nil, err
		}
		return &watched{f, r.Watch.sent}, nil
	})
}

type watched struct {
	io.ReadCloser
	sent func(int64)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.sent(int64(n))
	return n, err
}

// DropAsset takes a file out of a draft that does not belong to the release.
type DropAsset struct{ Tag, Name string }

func (a DropAsset) String() string { return fmt.Sprintf("drop %s from draft %s", a.Name, a.Tag) }
func (DropAsset) rank() int        { return rankAssets }
func (a DropAsset) do(ctx context.Context, r *run) error {
	return r.Forge.Drop(ctx, a.Tag, a.Name)
}

// PublishRelease makes the draft public.
type PublishRelease struct{ Release forge.Release }

func (a PublishRelease) String() string {
	kind := "not as the latest"
	if a.Release.Latest {
		kind = "as the latest"
	}
	if a.Release.Prerelease {
		kind = "as a pre-release"
	}
	return fmt.Sprintf("publish release %s %s", a.Release.Tag, kind)
}
func (PublishRelease) rank() int { return rankPublish }
func (a PublishRelease) do(ctx context.Context, r *run) error {
	return r.Forge.Publish(ctx, a.Release)
}

// SetLatest has the forge show another release first.
type SetLatest struct{ Tag, From string }

func (a SetLatest) String() string {
	if a.From == "" {
		return "show release " + a.Tag + " as the latest"
	}
	return fmt.Sprintf("show release %s as the latest instead of %s", a.Tag, a.From)
}
func (SetLatest) rank() int { return rankSetLatest }
func (a SetLatest) do(ctx context.Context, r *run) error {
	return r.Forge.SetLatest(ctx, a.Tag)
}

// AmendRelease gives a public release other notes.
type AmendRelease struct{ Tag, Notes string }

func (a AmendRelease) String() string { return "amend the notes of release " + a.Tag }
func (AmendRelease) rank() int        { return rankAmend }
func (a AmendRelease) do(ctx context.Context, r *run) error {
	return r.Forge.Amend(ctx, a.Tag, a.Notes)
}
