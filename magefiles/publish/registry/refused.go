package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
)

// RefusedError is an answer of the registry that ends a request. It wraps the
// [transport.Error] with status and the registry's own words.
type RefusedError struct {
	// Repository is what was spoken to, Doing what was tried.
	Repository, Doing string
	// Status is the HTTP status.
	Status int
	// Hint says which permission or name is wrong and what to do next.
	Hint string
	Err  error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: %s was refused with %d (%v): %s", e.Repository, e.Doing, e.Status, e.Err, e.Hint)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// explain turns an answer's error into a [*RefusedError] and others into one
// that says what was tried.
func (r *Registry) explain(doing string, err error) error {
	var done *RefusedError
	if err == nil || errors.As(err, &done) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s at %s: %w", doing, r.repo, err)
	}
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return fmt.Errorf("%s at %s: %w", doing, r.repo, err)
	}
	return &RefusedError{
		Repository: r.repo.String(), Doing: doing, Status: answer.StatusCode,
		Hint: r.hint(answer.StatusCode), Err: answer,
	}
}

func (r *Registry) hint(status int) string {
	host, repo := r.repo.RegistryStr(), r.repo.RepositoryStr()
	right, scope, role, verb := "packages: write", "write:package", "Write", "push to"
	if r.readOnly {
		right, scope, role, verb = "packages: read", "read:package", "Read", "pull from"
	}
	if host == ghcr {
		scope = right
	}
	switch status {
	case http.StatusUnauthorized:
		if r.offered.Load() {
			return fmt.Sprintf("the token in RELEASE_FORGE_TOKEN or GITHUB_TOKEN was refused: it is wrong, has expired or lacks the scope `%s`", scope)
		}
		if host == ghcr {
			return fmt.Sprintf("no valid credentials: run `docker login ghcr.io`, or set GITHUB_TOKEN to a token with `%s`", right)
		}
		return fmt.Sprintf("no valid credentials: run `docker login %s`", host)
	case http.StatusForbidden:
		if host == ghcr {
			return fmt.Sprintf("the token may not do this: it needs `%s`, and the package %s must give this repository the role %s (package settings, Manage Actions access)", right, repo, role)
		}
		if r.offered.Load() {
			return fmt.Sprintf("the token in RELEASE_FORGE_TOKEN or GITHUB_TOKEN may not do this: it needs the scope `%s`, and its user the right to %s %s", scope, verb, repo)
		}
		return fmt.Sprintf("the account that `docker login %s` stored may not do this: give it the right to %s %s", host, verb, repo)
	case http.StatusNotFound:
		return fmt.Sprintf("the registry knows no repository %s: create it there, or correct Image.Repository in the product's definition", repo)
	case http.StatusMethodNotAllowed:
		return fmt.Sprintf("%s takes no pushes (a mirror or a read-only registry): name another registry", host)
	case http.StatusRequestEntityTooLarge:
		return "the content is larger than the registry, or a proxy before it, takes: raise the limit there"
	case http.StatusBadRequest:
		return fmt.Sprintf("the registry calls the request invalid: check the name %s and that the bundle's bytes are whole", repo)
	}
	if retry.Status(status) {
		return "it stayed so after several tries: run this again later, it goes on where it stopped"
	}
	return "it will not change by trying again"
}
