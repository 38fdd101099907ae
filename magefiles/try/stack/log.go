package stack

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const (
	// tailBytes are read from the end of a log, tailLines of them shown, and
	// no more than tailShown bytes.
	tailBytes = 64 << 10
	tailLines = 20
	tailShown = 4 << 10
)

func (p *Process) log() string { return p.path("backend.log") }

// Logs supports the backend, whose log has the output of all its runs.
func (p *Process) Logs(ctx context.Context, service Service, to io.Writer) error {
	if service != Backend {
		return p.unsupported("show logs of", service)
	}
	f, err := os.Open(p.log())
	if err != nil {
		return fmt.Errorf("reading the log of the backend: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	if err := p.secrets.Copy(ctx, to, f); err != nil {
		return fmt.Errorf("reading the log of the backend: %w", err)
	}
	return nil
}

// Leaks looks through the log of the backend and those of its probes.
func (p *Process) Leaks(ctx context.Context) ([]Leak, error) {
	f, err := os.Open(p.log())
	if err != nil {
		return nil, fmt.Errorf("searching the log of the backend for secrets: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	names, err := p.secrets.Leaks(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("searching the log of the backend for secrets: %w", err)
	}
	leaks := slices.Clone(p.probed)
	for _, name := range names {
		leaks = append(leaks, Leak{Service: Backend, Secret: name})
	}
	return sortLeaks(leaks), nil
}

// sortLeaks has each leak once.
func sortLeaks(leaks []Leak) []Leak {
	slices.SortFunc(leaks, func(a, b Leak) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Secret, b.Secret))
	})
	return slices.Compact(leaks)
}

// tail is the end of what a child logged, masked. It goes into errors, so
// where the log cannot be read it says that instead.
func (p *Process) tail(c *child) string {
	f, err := os.Open(p.log())
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }() // only read
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	from := max(c.logged, size-tailBytes)
	text, err := io.ReadAll(io.NewSectionReader(f, from, size-from))
	if err != nil {
		return err.Error()
	}
	return lastLines(p.secrets.Mask(string(text)), from > c.logged)
}

// lastLines is what of a log goes into an error. Where the beginning is cut off
// the first line is left out: half a secret could not be told.
func lastLines(masked string, cut bool) string {
	lines := strings.Split(strings.TrimSpace(masked), "\n")
	if cut && len(lines) > 1 {
		lines = lines[1:]
	}
	shown := strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
	return shown[max(0, len(shown)-tailShown):]
}
