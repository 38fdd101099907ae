package gate

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// branches are the refs of the branches that a release may come from, those of
// the home remote before the local ones.
type branches struct {
	main, hotfix []git.Ref
	// looked are the short names of all that were found, wanted what was looked
	// for.
	looked, wanted []string
}

// findBranches looks at local branches and at those of one remote, the product's
// home: other remotes are other people's repositories, whose "main" is not
// ours.
func (c checker) findBranches(ctx context.Context) (branches, error) {
	b := branches{}
	prefixes := []string{}
	home, err := Home(ctx, c.repo, c.p)
	if err != nil {
		return b, err
	}
	if home != "" {
		prefixes = append(prefixes, "refs/remotes/"+home+"/")
	}
	prefixes = append(prefixes, "refs/heads/")
	for _, prefix := range prefixes {
		refs, err := c.repo.Refs(ctx, strings.TrimSuffix(prefix, "/"))
		if err != nil {
			return b, err
		}
		b.wanted = append(b.wanted, prefix+c.p.Branches.Main)
		for _, ref := range refs {
			name, ok := strings.CutPrefix(ref.Name, prefix)
			switch {
			case !ok || ref.Commit == "":
				continue
			case name == c.p.Branches.Main:
				b.main = append(b.main, ref)
			case strings.HasPrefix(name, c.p.Branches.Hotfix):
				b.hotfix = append(b.hotfix, ref)
			default:
				continue
			}
			b.looked = append(b.looked, shortRef(ref.Name))
		}
	}
	if len(b.main) > 0 {
		return b, nil
	}
	shallow, err := c.repo.Shallow(ctx)
	if err != nil {
		return b, err
	}
	if shallow {
		return b, &ShallowError{Lacks: "the branch " + c.p.Branches.Main}
	}
	return b, &NoMainBranchError{Looked: b.wanted}
}

func shortRef(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, "refs/heads/"), "refs/remotes/")
}

// Home names the remote that is the product's repository: the one with its
// URL, else "origin", else the only one; "" where there is none.
func Home(ctx context.Context, repo git.Repo, p product.Product) (string, error) {
	remotes, err := repo.Remotes(ctx)
	if err != nil {
		return "", err
	}
	origin := ""
	for _, r := range remotes {
		if sameRepository(r.URL, p.Source) {
			return r.Name, nil
		}
		if r.Name == "origin" || len(remotes) == 1 {
			origin = r.Name
		}
	}
	return origin, nil
}

// sameRepository compares two URLs of a repository, whatever the protocol:
// git@host:owner/name.git is https://host/owner/name.
func sameRepository(a, b string) bool {
	x, y := repositoryName(a), repositoryName(b)
	return x != "" && x == y
}

func repositoryName(raw string) string {
	if !strings.Contains(raw, "://") {
		host, path, ok := strings.Cut(raw, ":")
		if !ok || strings.Contains(host, "/") {
			return "" // a local directory
		}
		raw = "ssh://" + host + "/" + strings.TrimPrefix(path, "/")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	path := strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), ".git")
	return strings.ToLower(u.Hostname()) + path
}

// branch wants the commit in the history of the main branch, or, for a tag, of
// a hotfix branch.
func (c checker) branch(ctx context.Context, commit string) (string, error) {
	if c.branchErr != nil {
		return "", c.branchErr
	}
	b := c.branches
	refs, looked, want := b.main, b.looked, c.p.Branches.Main+", "+c.p.Branches.Hotfix+"*"
	if c.ref.Version.IsZero() {
		looked, want = nil, c.p.Branches.Main
		for _, ref := range refs {
			looked = append(looked, shortRef(ref.Name))
		}
	} else {
		refs = append(slices.Clip(refs), b.hotfix...)
	}
	for _, ref := range refs {
		in, err := c.repo.IsAncestor(ctx, commit, ref.Commit)
		if err != nil {
			return "", err
		}
		if in {
			return fmt.Sprintf("commit %s is on %s", short(commit), shortRef(ref.Name)), nil
		}
	}
	shallow, err := c.repo.Shallow(ctx)
	if err != nil {
		return "", err
	}
	if shallow { // an answer "no" is not to be trusted here
		return "", &ShallowError{Lacks: fmt.Sprintf("the history between commit %s and %s", short(commit), list(looked, 5))}
	}
	return "", &WrongBranchError{Commit: commit, Want: want, Looked: looked}
}
