package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
)

// peersScript builds the peers and runs the tests that need them.
const peersScript = "scripts/peers.sh"

// TestPeers runs the suite's own tests against programs that take long to
// build: they are built first, where the cache does not have them.
func (s *Suite) TestPeers(ctx context.Context) error {
	script := filepath.Join(s.Dir, filepath.FromSlash(peersScript))
	if _, err := os.Stat(script); err != nil {
		return fmt.Errorf("test:peers is about the suite itself, and %s is no checkout of it: run it where %s is", s.Dir, peersScript)
	}
	return s.UI.Run(ctx, "tests with peers", func(ctx context.Context, step *term.Step) error {
		return run.Do(ctx, run.Cmd{Name: script, Dir: s.Dir, Log: step.Log()})
	})
}
