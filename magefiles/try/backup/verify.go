package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// maxText is how large manifest.env and SHA256SUMS may be, in bytes.
const maxText = 1 << 16

// Verify checks a bundle and names every problem; where there is none, the
// bundle can be restored. Each file is read once, several at a time, in memory
// that does not grow with them; nothing is written. The error is a failure to
// read, not a fault of the bundle: it wraps [io/fs.ErrNotExist] where dir is
// not there.
func Verify(ctx context.Context, dir string, limits Limits) ([]Problem, Info, error) {
	limits = limits.filled()
	info := Info{Dir: dir}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, info, fmt.Errorf("opening the backup bundle: %w", err)
	}
	defer root.Close() //nolint:errcheck // only read
	top := &problems{file: "."}
	present, err := list(root, top)
	if err != nil {
		return nil, info, fmt.Errorf("reading the backup bundle: %w", err)
	}
	pair(present, top)
	databases(present, top)

	results, total := make([]result, len(layout())), new(atomic.Int64)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for i, m := range layout() {
		r := &results[i]
		r.member, r.p = m, &problems{file: m.name}
		if present[m.name] {
			group.Go(func() error { return r.check(inner, root, limits, total) })
		}
	}
	if err := group.Wait(); err != nil {
		return nil, info, fmt.Errorf("reading the backup bundle: %w", err)
	}
	for _, r := range results {
		if r.kind != text && r.sum != "" {
			info.Parts = append(info.Parts, r.part)
		}
		if r.name == ManifestName && r.sum != "" {
			info.Manifest.parse(r.text, r.p)
			agree(present, info.Manifest, top)
			if err := named(dir, info.Manifest, top); err != nil {
				return nil, info, err
			}
		}
	}
	if present[SumsName] {
		compare(results)
	}
	found := top.all()
	for _, r := range results {
		found = append(found, r.p.all()...)
	}
	return found, info, nil
}

// result is what one file came to.
type result struct {
	member
	p    *problems
	part Part
	text string
	sum  string // empty where the file could not be read
}

func (r *result) check(ctx context.Context, root *os.Root, limits Limits, total *atomic.Int64) (err error) {
	if r.kind == text {
		r.text, r.sum, err = readText(root, r.name)
		return known(err, r.p)
	}
	r.part, err = checkPart(ctx, root, r.member, limits, total, r.p)
	r.sum = r.part.SHA256
	return err
}

// readText reads one of the small files.
func readText(root *os.Root, name string) (text, sum string, err error) {
	f, err := openRegular(root, name)
	if err != nil {
		return "", "", err
	}
	defer f.Close() //nolint:errcheck // only read
	all, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return "", "", err
	}
	if len(all) > maxText {
		return "", "", fault(fmt.Sprintf("is larger than %d bytes, which is the limit", maxText))
	}
	return string(all), digest(all), nil
}

// list names what lies in the bundle, and what is missing or too much.
func list(root *os.Root, top *problems) (map[string]bool, error) {
	dir, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // only read
	present := map[string]bool{}
	var extra []string
	for {
		entries, err := dir.ReadDir(256)
		for _, e := range entries {
			if _, ok := find(e.Name()); ok {
				present[e.Name()] = true
			} else if len(extra) <= maxProblems {
				extra = append(extra, e.Name())
			} else {
				top.more++
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	for _, m := range layout() {
		if !m.optional && !present[m.name] {
			top.add("%s is missing", m.name)
		}
	}
	slices.Sort(extra)
	for _, name := range extra {
		what := "something"
		if info, err := root.Lstat(name); err == nil {
			what = typeName(info.Mode())
		}
		top.add("%s is %s that does not belong to a bundle", short(name), what)
	}
	return present, nil
}

// pair holds that the chat's parts come together.
func pair(present map[string]bool, top *problems) {
	for _, p := range [][2]string{{ChatPostgres, ChatVolume}, {ChatVolume, ChatPostgres}} {
		if present[p[0]] && !present[p[1]] {
			top.add("%s is there without %s: the chat's parts come as a pair or not at all", p[0], p[1])
		}
	}
}

// databases holds that there is one database.
func databases(present map[string]bool, top *problems) {
	switch {
	case present[Postgres] && present[SQLite]:
		top.add("%s is there beside %s: a bundle has one database", SQLite, Postgres)
	case !present[Postgres] && !present[SQLite]:
		top.add("%s is missing", Postgres)
	}
}

// agree holds that the manifest speaks of the database that is there.
func agree(present map[string]bool, m Manifest, top *problems) {
	switch {
	case present[SQLite] && !present[Postgres] && m.Database != sqlite:
		top.add("%s is there, and %s does not say %s=%s", SQLite, ManifestName, databaseKey, sqlite)
	case present[Postgres] && !present[SQLite] && m.Database == sqlite:
		top.add("%s is there, and %s says %s=%s", Postgres, ManifestName, databaseKey, sqlite)
	}
}

// named holds that the directory has the name that the manifest says.
func named(dir string, m Manifest, top *problems) error {
	path, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("finding out the bundle's name: %w", err)
	}
	base := filepath.Base(path)
	if !stampForm(base) {
		top.add("the directory is named %s, expected a UTC time such as 20261123T021500Z", short(base))
	}
	if m.Timestamp != "" && m.Timestamp != base {
		top.add("the directory is named %s, and BACKUP_TIMESTAMP is %s: expected the same", short(base), m.Timestamp)
	}
	return nil
}

// compare holds SHA256SUMS against the files.
func compare(results []result) {
	i := slices.IndexFunc(results, func(r result) bool { return r.name == SumsName })
	list := results[i]
	if list.sum == "" {
		return // It could not be read, which was told.
	}
	sums := parseSums(list.text, list.p)
	for _, r := range results {
		if r.name == SumsName {
			continue
		}
		want, listed := sums[r.name]
		switch {
		case listed && r.sum == "" && len(r.p.list) == 0:
			list.p.add("lists %s, which is not there", r.name)
		case !listed && r.sum != "":
			list.p.add("does not list %s", r.name)
		case listed && r.sum != "" && r.sum != want:
			r.p.add("%s", mismatch(r.sum, want))
		}
	}
}

func mismatch(found, want string) string {
	return fmt.Sprintf("its SHA-256 is %s, and SHA256SUMS says %s: copy the bundle again, or take another", found, want)
}
