package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Tag is one image tag of a release.
type Tag struct {
	Name string `json:"name"`
	// Rolling tags move from release to release; the others are made once and
	// never point elsewhere.
	Rolling bool `json:"rolling"`
}

// Tags is the policy's table: the image tags that a release of ref gets,
// immutable ones first, then rolling ones, the most specific first and
// "latest" last.
//
// The commit is the full hash; "" leaves the "sha-" tag out. The date is taken
// in UTC. Published and withdrawn are stable versions; the one that ref names
// counts as published.
func Tags(ref Ref, commit string, date time.Time, published, withdrawn []Version) ([]Tag, error) {
	var tags []Tag
	add := func(rolling bool, names ...string) {
		for _, n := range names {
			tags = append(tags, Tag{Name: n, Rolling: rolling})
		}
	}
	if ref.Channel == Candidate || ref.Channel == Stable {
		add(false, ref.Version.Image())
	}
	if commit != "" {
		if err := CheckCommit(commit); err != nil {
			return nil, err
		}
		add(false, CommitTag(commit))
	}
	nightly := "nightly-" + date.UTC().Format(time.DateOnly)
	switch ref.Channel {
	case Edge:
		add(true, nightly, "edge")
	case Nightly:
		add(true, nightly)
	case Candidate:
	case Stable:
		rolling := Rolling(append(slices.Clone(published), ref.Version), withdrawn)
		for _, name := range RollingOrder(rolling) {
			if rolling[name].Compare(ref.Version) == 0 {
				add(true, name)
			}
		}
	default:
		return nil, fmt.Errorf("channel %q has no row in the tag table", ref.Channel)
	}
	return tags, nil
}

// CommitTag names the tag of a commit's build.
func CommitTag(commit string) string { return "sha-" + commit }

// Latest is the rolling tag of the highest stable version.
const Latest = "latest"

// Rolling says where every rolling alias should point, as a function of the
// published stable versions minus the withdrawn ones: X.Y at the highest PATCH
// of its MINOR, X at the highest of its MAJOR, "latest" at the highest of all.
// Pre-releases among the input have no say.
func Rolling(published, withdrawn []Version) map[string]Version {
	out := map[string]Version{}
	for _, v := range published {
		gone := slices.ContainsFunc(withdrawn, func(w Version) bool { return w.Compare(v) == 0 })
		if gone || v.Channel() != Stable {
			continue
		}
		for _, name := range []string{v.Line(), v.Major(), Latest} {
			if best, ok := out[name]; !ok || v.Compare(best) > 0 {
				out[name] = v
			}
		}
	}
	return out
}

// RollingOrder gives the names of a rolling map in the order in which a release
// moves them: the most specific first, "latest" last, higher lines first.
func RollingOrder(rolling map[string]Version) []string {
	names := make([]string, 0, len(rolling))
	for name := range rolling {
		names = append(names, name)
	}
	rank := func(name string) int {
		switch {
		case name == Latest:
			return 2
		case strings.Contains(name, "."):
			return 0
		}
		return 1
	}
	slices.SortFunc(names, func(a, b string) int {
		if c := rank(a) - rank(b); c != 0 {
			return c
		}
		if c := rolling[b].Compare(rolling[a]); c != 0 {
			return c
		}
		return strings.Compare(b, a)
	})
	return names
}
