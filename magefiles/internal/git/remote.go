package git

import (
	"context"
	"fmt"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// RemoteRefs asks a remote, over the network where it lies there, for its
// branches and tags, each full name ("refs/tags/v0.4.0") with the hash that it
// holds: that of the tag object for an annotated tag. As [Repo.Push] does, it
// uses the person's own configuration and credentials, and never prompts.
func (r Repo) RemoteRefs(ctx context.Context, remote string) (map[string]string, error) {
	if err := CheckName(remote); err != nil {
		return nil, fmt.Errorf("asking a remote for its refs: %w", err)
	}
	out, err := run.Text(ctx, run.Cmd{
		Name: "git", Args: []string{"ls-remote", "--refs", "--", remote, "refs/heads/*", "refs/tags/*"}, Dir: r.Dir,
		Env: []string{"GIT_TERMINAL_PROMPT=0", "LC_ALL=C"},
	})
	if err != nil {
		return nil, fmt.Errorf("asking %s for its refs: %w", remote, err)
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		hash, name, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		if !ok || !hashForm.MatchString(hash) {
			return nil, fmt.Errorf("asking %s for its refs: cannot read git's line %q", remote, line)
		}
		refs[name] = hash
	}
	return refs, nil
}
