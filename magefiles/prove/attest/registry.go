package attest

import (
	"context"
	"errors"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Registry looks proofs up in a repository, for [Options.Published]. Nothing
// but the registry's own 404 counts as "there is none".
func Registry(repo name.Repository, opts ...remote.Option) func(context.Context, string) (v1.Image, error) {
	return func(ctx context.Context, tag string) (v1.Image, error) {
		image, err := remote.Image(repo.Tag(tag), append(opts[:len(opts):len(opts)], remote.WithContext(ctx))...)
		var answer *transport.Error
		if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
			return nil, nil
		}
		return image, err
	}
}
