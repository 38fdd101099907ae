package stack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Image is an image in Docker under a name of our own.
type Image struct {
	// Ref is that name. ID is Docker's for the image, as "sha256:<hex>": the
	// digest of its configuration, or of a manifest where Docker keeps images
	// in containerd.
	Ref, ID string
}

// Load streams an image into Docker, over no registry and with its layers as
// they are, and looks whether it is that very image there. The caller removes
// it. The same image may be loaded more than once.
func Load(ctx context.Context, img v1.Image) (_ *Image, err error) {
	tag, err := name.NewTag(imageRepository+":"+owner()+"."+strings.ToLower(rand.Text()[:8]), name.StrictValidation)
	if err != nil {
		return nil, fmt.Errorf("naming the image: %w", err)
	}
	err = piped(func(w io.Writer) error { return tarball.Write(tag, img, w) },
		func(r io.Reader) error { return docker{}.stream(ctx, r, nil, "image", "load", "--quiet") })
	if err != nil {
		return nil, fmt.Errorf("loading the image into Docker: %w", err)
	}
	i := &Image{Ref: tag.String()}
	if err := i.verify(ctx, img); err != nil {
		return nil, errors.Join(fmt.Errorf("comparing the image with that in Docker: %w", err), i.Remove(context.WithoutCancel(ctx)))
	}
	return i, nil
}

// verify compares what Docker has with the image: layers by the digests of what
// is in them, and the configuration by its digest. Docker with containerd names
// images by a manifest of its own instead, so there the parts of the
// configuration that matter for running are compared.
func (i *Image) verify(ctx context.Context, img v1.Image) error {
	want, err := img.ConfigFile()
	if err != nil {
		return err
	}
	id, err := img.ConfigName()
	if err != nil {
		return err
	}
	text, err := docker{}.text(ctx, "image", "inspect", i.Ref)
	if err != nil {
		return err
	}
	var found []struct {
		ID               string
		Architecture, Os string
		Config           v1.Config
		RootFS           struct{ Layers []string }
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil || len(found) != 1 {
		return fmt.Errorf("docker image inspect answers for %d images (%w)", len(found), err)
	}
	f := found[0]
	i.ID = f.ID
	var layers []string
	for _, l := range want.RootFS.DiffIDs {
		layers = append(layers, l.String())
	}
	if !slices.Equal(f.RootFS.Layers, layers) {
		return fmt.Errorf("it has the layers %v, expected %v", f.RootFS.Layers, layers)
	}
	if f.ID == id.String() {
		return nil
	}
	same := f.Architecture == want.Architecture && f.Os == want.OS && f.Config.User == want.Config.User && f.Config.WorkingDir == want.Config.WorkingDir &&
		slices.Equal(f.Config.Env, want.Config.Env) && slices.Equal(f.Config.Entrypoint, want.Config.Entrypoint) && slices.Equal(f.Config.Cmd, want.Config.Cmd) &&
		(len(f.Config.Labels) == 0 && len(want.Config.Labels) == 0 || reflect.DeepEqual(f.Config.Labels, want.Config.Labels))
	if !same {
		return fmt.Errorf("its configuration is %s, expected %s", f.ID, id)
	}
	return nil
}

// Remove takes the name away, and the image with it where that was its last. It
// may be called more than once.
func (i *Image) Remove(ctx context.Context) error {
	_, err := docker{}.text(ctx, "image", "rm", i.Ref)
	if err != nil && !strings.Contains(strings.ToLower(err.Error()), "no such image") {
		return fmt.Errorf("removing the image: %w", err)
	}
	return nil
}
