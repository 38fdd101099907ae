package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// Check implements [forge.Checked]. A token cannot be asked for its scopes, so
// a release that cannot exist is edited: the server looks at the scope first.
func (g *Gitea) Check(ctx context.Context) error {
	doing := "asking whether releases may be made in " + g.repo()
	if g.token == "" {
		return fmt.Errorf("%s: there is no token for %s: make one in its settings under Applications with the scope %q", doing, g.server, writing)
	}
	r, err := g.repository(ctx, doing)
	if err != nil {
		var p *forge.PermissionError
		if errors.As(err, &p) {
			p.Needs = writing // it refused to be read; that is included
		}
		return err
	}
	switch {
	case r.Archived:
		return fmt.Errorf("%s: it is archived: unarchive it, or name another repository", doing)
	case r.Empty:
		return fmt.Errorf("%s: it is empty: push the branch and the tag first", doing)
	case !r.HasReleases:
		return fmt.Errorf("%s: releases are switched off in its settings: switch them on", doing)
	}
	_, err = g.edit(ctx, doing, 0, sdk.EditReleaseOption{})
	if is(err, http.StatusNotFound) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%s: the server edited a release that cannot be: is it Gitea or Forgejo?", doing)
	}
	return err
}
