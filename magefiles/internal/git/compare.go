package git

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// FileStat is a file that differs between two commits.
type FileStat struct {
	Path string
	// Added and Deleted count lines; both are 0 for a file that git takes for
	// binary.
	Added, Deleted int
}

// Stat lists the files that differ between the trees of two commits, with the
// size of the difference. A renamed file is listed under both names.
func (r Repo) Stat(ctx context.Context, a, b string) ([]FileStat, error) {
	out, err := r.diffTree(ctx, "--numstat", a, b)
	if err != nil {
		return nil, err
	}
	var files []FileStat
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if line == "" {
			continue
		}
		f := strings.SplitN(line, "\t", 3)
		if len(f) != 3 {
			return nil, fmt.Errorf("comparing %s with %s: cannot read git's line %q", a, b, line)
		}
		stat := FileStat{Path: f[2]}
		if f[0] != "-" { // git's sign for a binary file
			var errs [2]error
			stat.Added, errs[0] = strconv.Atoi(f[0])
			stat.Deleted, errs[1] = strconv.Atoi(f[1])
			if errs[0] != nil || errs[1] != nil {
				return nil, fmt.Errorf("comparing %s with %s: cannot read git's line %q", a, b, line)
			}
		}
		files = append(files, stat)
	}
	return files, nil
}

// Commits lists the commits that lead to b and not to a, the latest first.
func (r Repo) Commits(ctx context.Context, a, b string) ([]string, error) {
	return r.revList(ctx, a, b)
}

// MainLine lists the commits that were made on the branch b itself and do not
// lead to a, the latest first: of merged branches it has the merge alone.
func (r Repo) MainLine(ctx context.Context, a, b string) ([]string, error) {
	return r.revList(ctx, a, b, "--first-parent")
}

func (r Repo) revList(ctx context.Context, a, b string, options ...string) ([]string, error) {
	from, err := r.Resolve(ctx, a)
	if err != nil {
		return nil, err
	}
	to, err := r.Resolve(ctx, b)
	if err != nil {
		return nil, err
	}
	out, err := r.text(ctx, append(append([]string{"rev-list"}, options...), from+".."+to)...)
	if err != nil {
		return nil, fmt.Errorf("listing the commits between %s and %s: %w", a, b, err)
	}
	return strings.Fields(out), nil
}

// diffTree compares the trees of two commits. The form says what git prints of
// each file; entries end in a zero byte.
func (r Repo) diffTree(ctx context.Context, form, a, b string) ([]byte, error) {
	from, err := r.Resolve(ctx, a)
	if err != nil {
		return nil, err
	}
	to, err := r.Resolve(ctx, b)
	if err != nil {
		return nil, err
	}
	out, err := r.output(ctx, "diff-tree", "-r", "-z", form, "--no-renames", from, to)
	if err != nil {
		return nil, fmt.Errorf("comparing %s with %s: %w", a, b, err)
	}
	return out, nil
}
