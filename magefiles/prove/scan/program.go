package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Program is the scanner program: see package grype below this one.
type Program struct {
	// Path is the executable.
	Path string
	// Log gets what it says, line by line; it may be nil.
	Log io.Writer
}

// programSource is the program's package, from this module's top.
const programSource = "./magefiles/prove/scan/grype"

// BuildProgram builds the scanner program into a directory, with the Go
// toolchain and from the sources that this package was built from. Where it is
// built already that takes a second; the first time it takes minutes.
func BuildProgram(ctx context.Context, dir string, log io.Writer) (p Program, err error) {
	top, err := moduleTop()
	if err != nil {
		return p, err
	}
	if _, err := exec.LookPath("go"); err != nil {
		return p, fmt.Errorf("the scanner program is built with Go, which is not on the PATH: install it, or name a built program in RELEASE_SCANNER: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return p, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return p, fmt.Errorf("waiting for another run that builds the scanner program: %w", err)
	}
	p = Program{Path: filepath.Join(dir, "grype"), Log: log}
	err = run.Do(ctx, run.Cmd{
		Name: "go", Args: []string{"build", "-o", p.Path, programSource}, Dir: top, Env: []string{"GOWORK=off", "GOFLAGS="}, Log: log,
	})
	if err != nil {
		return p, fmt.Errorf("building the scanner program (RELEASE_SCANNER may name a built one): %w", err)
	}
	return p, nil
}

// moduleTop is where this module's sources lie.
func moduleTop() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	top := filepath.Join(filepath.Dir(file), "..", "..", "..")
	if _, err := os.Stat(filepath.Join(top, filepath.FromSlash(programSource), "main.go")); !ok || !filepath.IsAbs(file) || err != nil {
		return "", fmt.Errorf("the sources of the scanner program are not where this suite was built from (%s; a build with -trimpath does not say): build %s elsewhere and name it in RELEASE_SCANNER", filepath.Dir(file), programSource)
	}
	return top, nil
}

// maxReport is the size of the largest answer of a scanner, in bytes.
const maxReport = 256 << 20

// ask sends one request. What comes back is held against its form.
func (p Program) ask(ctx context.Context, r Request) (Report, error) {
	question, err := json.Marshal(r)
	if err != nil {
		return Report{}, err
	}
	out := &capped{left: maxReport}
	err = run.Stream(ctx, run.Cmd{Name: p.Path, Dir: os.TempDir(), Stdin: bytes.NewReader(question), Log: p.Log}, out)
	if err != nil {
		return Report{}, err
	}
	return ParseReport(out.Bytes())
}

// Build makes a small database: see [Build].
func (p Program) Build(ctx context.Context, b Build) error {
	_, err := p.ask(ctx, Request{Do: DoBuild, Build: &b})
	return err
}

// Database is the database at a location, fetched where a newer one is there.
func (p Program) Database(ctx context.Context, l Location) (Database, error) {
	r, err := p.ask(ctx, Request{Do: DoDatabase, Database: l})
	return r.Database, err
}

// ParseReport reads what the scanner program answered.
func ParseReport(text []byte) (Report, error) {
	var r Report
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return Report{}, fmt.Errorf("the scanner program's answer cannot be read: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Report{}, errors.New("the scanner program's answer goes on after its end")
	}
	for i, f := range r.Findings {
		if f.ID == "" || f.Package == "" {
			return Report{}, fmt.Errorf("the scanner program's answer has a finding (%d) without id or package", i+1)
		}
		r.Findings[i].Severity = severityOf(string(f.Severity))
	}
	r.Findings = merge(r.Findings)
	return r, nil
}

// capped is a buffer that refuses more than it may hold.
type capped struct {
	bytes.Buffer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, fmt.Errorf("the scanner says more than %d bytes", maxReport)
	}
	return c.Buffer.Write(p)
}

// Grype scans SBOMs with the scanner program.
type Grype struct {
	Program  Program
	Database Location
}

// Scan implements [Scanner].
func (g Grype) Scan(ctx context.Context, t Targets) (Report, error) {
	r, err := g.Program.ask(ctx, Request{Do: DoScan, Database: g.Database, Documents: t.Documents})
	if err != nil {
		return Report{}, fmt.Errorf("scanning with grype: %w", err)
	}
	if err := complete(r, t.Documents); err != nil {
		return Report{}, err
	}
	return r, nil
}
