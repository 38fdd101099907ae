package drill

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

// Names of databases, as [stack.Data] gives them.
const (
	postgres = "postgres"
	sqlite   = "sqlite"
)

// BackupOptions say what a backup holds besides the data.
type BackupOptions struct {
	// Time names the backup; zero: now.
	Time time.Time
	// Manifest has the names of branch, commit, services, database and user. The
	// rest of it is filled in. With SQLite only branch and commit are used.
	Manifest backup.Manifest
	// Config are the configuration files, as patterns relative to Root. A
	// trailing "/**" stands for a whole directory. Files whose names begin with
	// .env are left out: that is where secrets are kept.
	Root   string
	Config []string
	// Secrets are looked for in the configuration, and a hit fails the backup;
	// those of the instance are looked for in any case.
	Secrets stack.Secrets
	// Limits are those that the bundle will be checked with.
	Limits backup.Limits
}

// Backup makes a backup bundle of a running instance in dir: first the
// database, then the objects that it speaks of. With PostgreSQL the product
// keeps running, with SQLite it is stopped meanwhile.
func Backup(ctx context.Context, run *Run, from Instance, dir string, o BackupOptions) (info backup.Info, err error) {
	err = run.need(ctx, "back up", func(ctx context.Context) (string, error) {
		info, err = pack(ctx, from, dir, o)
		if err != nil {
			return "", err
		}
		run.Facts["backup"] = filepath.Base(info.Dir)
		return contents(info), run.sums(info)
	})
	return info, err
}

// sums keeps a digest that stands for the whole bundle: that of its checksums.
func (r *Run) sums(info backup.Info) error {
	text, err := os.ReadFile(filepath.Join(info.Dir, backup.SumsName))
	if err != nil {
		return fmt.Errorf("reading the checksums of the bundle: %w", err)
	}
	sum := sha256.Sum256(text)
	r.Facts["backup checksums"] = "sha256:" + hex.EncodeToString(sum[:])
	return nil
}

// contents says what a bundle holds.
func contents(info backup.Info) string {
	var parts []string
	for _, p := range info.Parts {
		parts = append(parts, fmt.Sprintf("%s (%d bytes, %d unpacked)", p.Name, p.Size, p.Expanded))
	}
	return filepath.Base(info.Dir) + ": " + strings.Join(parts, ", ")
}

func pack(ctx context.Context, from Instance, dir string, o BackupOptions) (_ backup.Info, err error) {
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		return backup.Info{}, fmt.Errorf("opening the checkout with the configuration: %w", err)
	}
	defer root.Close() //nolint:errcheck // only read
	files, err := configuration(root, o.Config)
	if err != nil {
		return backup.Info{}, err
	}
	secrets := maps.Clone(from.Secrets())
	if secrets == nil {
		secrets = stack.Secrets{}
	}
	maps.Copy(secrets, o.Secrets)
	src := backup.Source{
		Time: o.Time, Manifest: o.Manifest, Volume: from.PackObjects, Config: backup.Named(root.FS(), files),
		Secrets: secrets, Limits: o.Limits,
	}
	if src.Time.IsZero() {
		src.Time = time.Now()
	}
	switch database := from.Database(); database {
	case postgres:
		src.Postgres = from.Dump
	case sqlite:
		src.SQLite = from.Dump
		if err := from.Stop(ctx, stack.Backend); err != nil {
			return backup.Info{}, fmt.Errorf("stopping the product for its backup: %w", err)
		}
		defer func() {
			if started := from.Start(ctx); started != nil {
				err = errors.Join(err, fmt.Errorf("starting the product after its backup: %w", started))
			}
		}()
	default:
		return backup.Info{}, fmt.Errorf("a backup of a database of the kind %q cannot be made, only of %q and %q", database, postgres, sqlite)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return backup.Info{}, fmt.Errorf("making the directory for backups: %w", err)
	}
	return backup.Create(ctx, dir, src)
}

// configuration finds the files of the patterns, each of which has to match.
func configuration(root *os.Root, patterns []string) ([]string, error) {
	var files []string
	for _, pattern := range patterns {
		found, err := match(root.FS(), pattern)
		if err != nil {
			return nil, fmt.Errorf("finding the configuration %q in %s: %w", pattern, root.Name(), err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no file in %s is called %q, which a backup has to hold: correct the product's definition", root.Name(), pattern)
		}
		files = append(files, found...)
	}
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasPrefix(path.Base(name), ".env") })
	slices.Sort(files)
	return slices.Compact(files), nil
}

func match(tree fs.FS, pattern string) ([]string, error) {
	dir, whole := strings.CutSuffix(pattern, "/**")
	if !whole {
		return fs.Glob(tree, pattern)
	}
	var found []string
	err := fs.WalkDir(tree, dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, name)
		}
		return err
	})
	return found, err
}

// DamagedError is a bundle that cannot be restored.
type DamagedError struct {
	// Dir is the bundle.
	Dir string
	// Problems are all that were found.
	Problems []backup.Problem
}

// Error gives one problem a line.
func (e *DamagedError) Error() string {
	var out strings.Builder
	fmt.Fprintf(&out, "the backup bundle %s cannot be restored: take another; problems found: %d", e.Dir, len(e.Problems))
	for _, p := range e.Problems {
		out.WriteString("\n  " + p.String())
	}
	return out.String()
}

// Verify checks a backup bundle to its last byte. What is wrong with it is a
// [*DamagedError].
func Verify(ctx context.Context, run *Run, dir string) (info backup.Info, err error) {
	err = run.need(ctx, "verify the bundle", func(ctx context.Context) (string, error) {
		var problems []backup.Problem
		problems, info, err = backup.Verify(ctx, dir, backup.Limits{})
		if err != nil {
			return "", err
		}
		if len(problems) > 0 {
			return "", &DamagedError{dir, problems}
		}
		run.Facts["backup"] = info.Manifest.Timestamp
		return contents(info), run.sums(info)
	})
	return info, err
}
