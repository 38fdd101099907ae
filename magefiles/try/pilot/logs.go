package pilot

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// packedLogs is the archive with the logs of all stacks of a session.
const packedLogs = "logs.tar.gz"

// leaked notes a secret in a log, once.
func (p *pilot) leaked(stackName string, service stack.Service, secret string) {
	what := fmt.Sprintf("the log of the %s of the stack %s holds the value of %s", service, stackName, secret)
	if !slices.Contains(p.state.Leaks, what) {
		p.state.Leaks = append(p.state.Leaks, what)
	}
}

// logs is the phase that wants no secret of the run in any log of it, and packs
// the logs.
func (p *pilot) logs(ctx context.Context, r *record) error {
	if p.main != nil {
		if err := p.main.gather(ctx); err != nil {
			p.unread = append(p.unread, err)
		}
	}
	if len(p.gathered) > 0 {
		path := p.path(packedLogs)
		if err := p.pack(ctx, path); err != nil {
			return errors.Join(append(p.unread, fmt.Errorf("packing the logs: %w", err))...)
		}
		r.leave(path)
		f, err := look(p.o.Dir, path)
		if err != nil {
			return fmt.Errorf("packing the logs: %w", err)
		}
		p.state.Logs = append(p.state.Logs, f)
	}
	problems := slices.Clone(p.unread)
	if len(p.state.Leaks) > 0 {
		problems = append(problems, fmt.Errorf("%s: a secret must never be logged; the packed logs do without it", strings.Join(p.state.Leaks, "; ")))
	}
	if len(p.gathered) == 0 {
		problems = append(problems, errors.New("there are no logs of any stack to search: nothing shows that they hold no secret"))
	}
	r.Detail = fmt.Sprintf("stacks: %d, logs: %d, secrets searched for in them: %d", p.opened, len(p.gathered), p.count())
	return errors.Join(problems...)
}

// count is the number of different secrets of the run.
func (p *pilot) count() int {
	seen := map[string]bool{}
	for _, s := range p.secrets {
		for _, v := range s {
			seen[v] = true
		}
	}
	return len(seen)
}

// pack writes the gathered logs, none of which holds a secret of the run then,
// as a gzipped tar.
func (p *pilot) pack(ctx context.Context, path string) (err error) {
	f, err := atomicfile.Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = atomicfile.Settle(f, path, 0o644, err) }()
	zip := gzip.NewWriter(f)
	out := tar.NewWriter(zip)
	for _, l := range p.gathered {
		if err := p.packOne(ctx, out, l); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(l.path), err)
		}
	}
	return errors.Join(out.Close(), zip.Close())
}

// packOne adds a log. Its stack has masked the secrets that were its own: a log
// that holds others is withheld.
func (p *pilot) packOne(ctx context.Context, out *tar.Writer, l gathered) error {
	f, err := os.Open(l.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	text, size := io.Reader(f), info.Size()
	for _, s := range p.secrets {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		held, err := s.Leaks(ctx, f)
		if err != nil {
			return err
		}
		for _, secret := range held {
			p.leaked(l.stack, l.service, secret)
			note := "This log is withheld: it holds secrets in a form that was not masked.\n"
			text, size = strings.NewReader(note), int64(len(note))
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	head := &tar.Header{Name: filepath.Base(l.path), Mode: 0o644, Size: size, ModTime: p.state.Started}
	if err := out.WriteHeader(head); err != nil {
		return err
	}
	_, err = io.Copy(out, text)
	return err
}

// abandon takes away what is still there.
func (p *pilot) abandon(ctx context.Context) (err error) {
	if p.main != nil {
		err = p.main.Destroy(ctx)
		p.main = nil
	}
	if p.scratch != "" {
		if removed := os.RemoveAll(p.scratch); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("removing the gathered logs: %w", removed))
		}
		p.scratch = ""
	}
	return err
}

// teardown is the phase after which nothing of the run is left but evidence.
func (p *pilot) teardown(ctx context.Context, r *record) error {
	if err := p.abandon(ctx); err != nil {
		return err
	}
	r.Detail = fmt.Sprintf("stacks opened: %d, none is left", p.opened)
	if p.o.KeepRestored {
		r.Detail = fmt.Sprintf("stacks opened: %d, none is left but that of the restore drill, as asked for", p.opened)
	}
	return nil
}
