package forge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/internal/transfer"
)

// Directory is a forge on disk. Below it lie
//
//	<tag>/             a public release: its assets, notes.md, release.json
//	.drafts/<tag>/     the same as a draft; becomes public by one rename
//	latest             the tag of the release that is shown first
type Directory string

var _ Forge = Directory("")

const (
	latestFile  = "latest"
	draftsDir   = ".drafts"
	notesFile   = "notes.md"
	releaseFile = "release.json"
)

func (d Directory) public(tag string) string { return filepath.Join(string(d), tag) }
func (d Directory) draft(tag string) string  { return filepath.Join(string(d), draftsDir, tag) }

// where finds the directory of a release; "" where there is none. A public one
// goes before a draft.
func (d Directory) where(tag string) (dir string, draft bool, err error) {
	if err := checkTag(tag); err != nil {
		return "", false, err
	}
	for i, dir := range []string{d.public(tag), d.draft(tag)} {
		info, err := os.Stat(dir)
		if err == nil && info.IsDir() {
			return dir, i == 1, nil
		}
		if err == nil {
			return "", false, fmt.Errorf("%s is in the way: it is no directory of a release, move it away", dir)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", false, fmt.Errorf("looking for release %s: %w", tag, err)
		}
	}
	return "", false, nil
}

// Page implements [Forge].
func (d Directory) Page(_ context.Context, tag string) (*Release, error) {
	_, r, err := d.page(tag)
	return r, err
}

// page reads a release but for its assets, and says where it lies.
func (d Directory) page(tag string) (dir string, r *Release, err error) {
	dir, draft, err := d.where(tag)
	if err != nil || dir == "" {
		return "", nil, err
	}
	r = &Release{}
	text, err := os.ReadFile(filepath.Join(dir, releaseFile))
	if err == nil {
		err = json.Unmarshal(text, r)
	} else if draft && errors.Is(err, fs.ErrNotExist) {
		err = nil // interrupted before it was written
	}
	if err != nil {
		return "", nil, fmt.Errorf("reading release %s in %s: %w", tag, dir, err)
	}
	notes, err := os.ReadFile(filepath.Join(dir, notesFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("reading the notes of release %s: %w", tag, err)
	}
	r.Tag, r.Draft, r.Notes, r.Assets = tag, draft, string(notes), nil
	return dir, r, nil
}

// Find implements [Forge]. The checksums are those of the files as they are.
func (d Directory) Find(ctx context.Context, tag string) (*Release, error) {
	dir, r, err := d.page(tag)
	if err != nil || r == nil {
		return nil, err
	}
	names, err := assets(dir)
	if err != nil {
		return nil, fmt.Errorf("listing the assets of release %s: %w", tag, err)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a, err := sum(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("reading asset %s of release %s: %w", name, tag, err)
		}
		r.Assets = append(r.Assets, a)
	}
	latest, err := d.Latest(ctx)
	r.Latest = latest == tag
	return r, err
}

// assets lists the files of a release that are not its own.
func assets(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if n := e.Name(); n != notesFile && n != releaseFile && !strings.HasPrefix(n, atomicfile.Prefix) {
			names = append(names, n)
		}
	}
	return names, err
}

func sum(path string) (Asset, error) {
	f, err := os.Open(path)
	if err != nil {
		return Asset{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	h := sha256.New()
	n, err := io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 256<<10))
	return Asset{Name: filepath.Base(path), Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

// Latest implements [Forge].
func (d Directory) Latest(context.Context) (string, error) {
	text, err := os.ReadFile(filepath.Join(string(d), latestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading which release is the latest: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Draft implements [Forge].
func (d Directory) Draft(_ context.Context, r Release) error {
	dir, draft, err := d.where(r.Tag)
	if err != nil {
		return err
	}
	if dir != "" && !draft {
		return &PublicError{r.Tag}
	}
	dir = d.draft(r.Tag)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the draft of release %s: %w", r.Tag, err)
	}
	if err := sweep(dir); err != nil {
		return fmt.Errorf("clearing the draft of release %s: %w", r.Tag, err)
	}
	if err := d.describe(dir, r); err != nil {
		return fmt.Errorf("writing the draft of release %s: %w", r.Tag, err)
	}
	return nil
}

// sweep removes what interrupted writes left behind.
func sweep(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, atomicfile.Pattern))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

func (d Directory) describe(dir string, r Release) error {
	r.Assets = slices.Clone(r.Assets)
	slices.SortFunc(r.Assets, func(a, b Asset) int { return strings.Compare(a.Name, b.Name) })
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, notesFile), []byte(r.Notes), 0o644); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, releaseFile), append(text, '\n'), 0o644)
}

// Upload implements [Forge]. The content is copied and held against size and
// checksum on the way.
func (d Directory) Upload(ctx context.Context, tag string, a Asset, content Content) error {
	if err := CheckName(a.Name); err != nil {
		return err
	}
	if a.Name == notesFile || a.Name == releaseFile {
		return fmt.Errorf("asset %q cannot be uploaded: the release keeps its own file under that name; give the asset another one", a.Name)
	}
	dir, draft, err := d.where(tag)
	if err != nil {
		return err
	}
	if dir == "" {
		return fmt.Errorf("uploading %s: there is no release %s", a.Name, tag)
	}
	path := filepath.Join(dir, a.Name)
	if !draft {
		found, err := sum(path)
		if err == nil && found.SHA256 == a.SHA256 {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(&ConflictError{tag, a.Name, found.SHA256, a.SHA256}, err)
		}
	}
	if err := store(ctx, path, a, content); err != nil {
		return fmt.Errorf("uploading %s to release %s: %w", a.Name, tag, err)
	}
	return nil
}

func store(ctx context.Context, path string, a Asset, content Content) error {
	r, err := content()
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read
	f, err := atomicfile.Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(f, struct{ io.Reader }{&until{ctx, transfer.NewContent(r, a.Size, a.SHA256)}}, make([]byte, 256<<10))
	return atomicfile.Settle(f, path, 0o644, err)
}

// until is a reader that ends with its context.
type until struct {
	ctx context.Context //nolint:containedctx // lives as long as one call
	r   io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// Drop implements [Forge].
func (d Directory) Drop(_ context.Context, tag, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	dir, draft, err := d.where(tag)
	if err != nil || dir == "" {
		return err
	}
	if !draft {
		return &PublicError{tag}
	}
	err = os.Remove(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Publish implements [Forge].
func (d Directory) Publish(ctx context.Context, r Release) error {
	dir, draft, err := d.where(r.Tag)
	if err != nil {
		return err
	}
	if dir == "" {
		return fmt.Errorf("publishing release %s: there is no such draft", r.Tag)
	}
	if draft {
		if err := d.complete(dir, r); err != nil {
			return err
		}
		if err := errors.Join(sweep(dir), d.describe(dir, r)); err != nil {
			return fmt.Errorf("publishing release %s: %w", r.Tag, err)
		}
		if err := os.Rename(dir, d.public(r.Tag)); err != nil {
			return fmt.Errorf("publishing release %s: %w", r.Tag, err)
		}
	}
	if r.Latest {
		return d.SetLatest(ctx, r.Tag)
	}
	return nil
}

// complete holds a draft's files against those that it should have. Contents
// were hashed when they were uploaded or found; here names and sizes count.
func (d Directory) complete(dir string, r Release) error {
	names, err := assets(dir)
	if err != nil {
		return fmt.Errorf("publishing release %s: %w", r.Tag, err)
	}
	for _, name := range names {
		if _, ok := r.Find(name); !ok {
			return &IncompleteError{r.Tag, name, "does not belong to it"}
		}
	}
	for _, a := range r.Assets {
		info, err := os.Stat(filepath.Join(dir, a.Name))
		if err != nil {
			return &IncompleteError{r.Tag, a.Name, "is missing"}
		}
		if info.Size() != a.Size {
			return &IncompleteError{r.Tag, a.Name, fmt.Sprintf("has %d bytes, expected %d", info.Size(), a.Size)}
		}
	}
	return nil
}

// SetLatest implements [Forge].
func (d Directory) SetLatest(_ context.Context, tag string) error {
	dir, draft, err := d.where(tag)
	if err != nil {
		return err
	}
	if dir == "" || draft {
		return fmt.Errorf("release %s cannot be shown as the latest: it is not public", tag)
	}
	if err := sweep(string(d)); err != nil {
		return fmt.Errorf("marking release %s as the latest: %w", tag, err)
	}
	if err := atomicfile.Write(filepath.Join(string(d), latestFile), []byte(tag+"\n"), 0o644); err != nil {
		return fmt.Errorf("marking release %s as the latest: %w", tag, err)
	}
	return nil
}

// Amend implements [Forge].
func (d Directory) Amend(_ context.Context, tag, notes string) error {
	dir, draft, err := d.where(tag)
	if err != nil {
		return err
	}
	if dir == "" || draft {
		return fmt.Errorf("the notes of release %s cannot be changed: it is not public", tag)
	}
	if err := errors.Join(sweep(dir), atomicfile.Write(filepath.Join(dir, notesFile), []byte(notes), 0o644)); err != nil {
		return fmt.Errorf("writing the notes of release %s: %w", tag, err)
	}
	return nil
}
