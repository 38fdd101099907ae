// Package gate refuses early: before anything slow starts it holds a tag, its
// signature, its branch and the checkout against the policy, and so the
// paperwork, the CI's word, the candidate that came before, and a hotfix. It
// knows git, the product, the decisions and the paperwork, and changes nothing.
package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// The names of the gates, in the order in which they are shown.
const (
	TagGate       = "tag"
	SignatureGate = "signature"
	BranchGate    = "branch"
	HeadGate      = "head"
	TreeGate      = "tree"
)

// OutputDir is where bundles and releases are put; it never makes a tree dirty.
const OutputDir = "dist"

// Source is what a release is made from.
type Source struct {
	Ref decide.Ref `json:"ref"`
	// FullRef is git's full name: "refs/tags/v0.4.0" or "refs/heads/main".
	FullRef string `json:"fullRef"`
	// Commit is the full hash, CommitTime the committer's time in UTC.
	Commit     string    `json:"commit"`
	CommitTime time.Time `json:"commitTime"`
	// Tag is nil for edge and nightly.
	Tag *Tag `json:"tag,omitempty"`
}

// Tag is an annotated tag.
type Tag struct {
	// Object is the hash of the tag object, Name the name inside it.
	Object string `json:"object"`
	Name   string `json:"name"`
	// Tagger and Time are the tagger's own word.
	Tagger string    `json:"tagger"`
	Time   time.Time `json:"time"`
	// Signature is nil where the tag has none that was verified.
	Signature *Signature `json:"signature,omitempty"`
}

// Signature is a verified signature.
type Signature struct {
	Format git.Format `json:"format"`
	// Key is the fingerprint of the key that signed: upper-case hex for
	// OpenPGP, SHA256:… for SSH. Owner is its first user ID, or the principal.
	Key   string `json:"key"`
	Owner string `json:"owner"`
	// Primary is the fingerprint of the OpenPGP primary key where a subkey
	// signed.
	Primary string `json:"primary,omitempty"`
	// Made is when the signature says that it was made; the zero time for SSH,
	// whose signatures do not say.
	Made time.Time `json:"made,omitzero"`
	// File is where the key is pinned, From the branch and commit of that file.
	File string `json:"file"`
	From string `json:"from"`
}

// Signed tells whether a pinned key vouches for the source.
func (s Source) Signed() bool { return s.Tag != nil && s.Tag.Signature != nil }

// Report is the outcome of all gates that could be evaluated.
type Report struct {
	Source Source
	Gates  []decide.Gate
	// Refusals are the reasons behind the gates that failed, in their order.
	Refusals []Refusal
}

// Err joins the refusals; nil where every gate let the release pass.
func (r Report) Err() error {
	var errs []error
	said := map[string]bool{} // what stops two gates is said once
	for _, refusal := range r.Refusals {
		if !said[refusal.Error()] {
			errs = append(errs, refusal)
		}
		said[refusal.Error()] = true
	}
	return errors.Join(errs...)
}

// add records a gate's outcome. An error that is no refusal is given back: it
// stopped the evaluation.
func (r *Report) add(name, detail string, err error) error {
	if err == nil {
		r.Gates = append(r.Gates, decide.Gate{Name: name, State: decide.Pass, Detail: detail})
		return nil
	}
	var refusal Refusal
	if !errors.As(err, &refusal) {
		return fmt.Errorf("checking the %s: %w", name, err)
	}
	r.Gates = append(r.Gates, decide.Gate{Name: name, State: decide.Fail, Detail: refusal.Error()})
	r.Refusals = append(r.Refusals, refusal)
	return nil
}

type checker struct {
	repo git.Repo
	p    product.Product
	ref  decide.Ref
	now  time.Time
	// branches are those of the repository, or branchErr why there are none.
	branches  branches
	branchErr error
}

// Check evaluates every gate of the ref. A tag must be annotated, carry its own
// name, point at a commit of the main or a hotfix branch, be signed by a pinned
// key, and be what is checked out, unchanged. Edge and nightly need no tag:
// HEAD must be on the main branch.
//
// A gate that needs what another one did not find is left out of the report;
// that other one has failed. The error is for what stops the evaluation itself.
// Keys are held against now, not against the time that a signature claims.
func Check(ctx context.Context, repo git.Repo, p product.Product, ref decide.Ref, now time.Time) (Report, error) {
	c := checker{repo: repo, p: p, ref: ref, now: now}
	c.branches, c.branchErr = c.findBranches(ctx)
	report := Report{Source: Source{Ref: ref}}
	var err error
	switch ref.Channel {
	case decide.Edge, decide.Nightly:
		err = c.checkMain(ctx, &report)
	case decide.Candidate, decide.Stable:
		if ref.Name != ref.Version.Tag() {
			return report, fmt.Errorf("checking %q: the name is not the tag of version %s", ref.Name, ref.Version)
		}
		err = c.checkTag(ctx, &report)
	default:
		err = fmt.Errorf("checking %q: unknown channel %q", ref.Name, ref.Channel)
	}
	return report, err
}

func (c checker) checkMain(ctx context.Context, r *Report) error {
	src := &r.Source
	src.FullRef = "refs/heads/" + c.p.Branches.Main
	head, err := c.repo.Head(ctx)
	if err != nil {
		return fmt.Errorf("checking %s: %w", c.ref.Name, err)
	}
	src.Commit = head
	if src.CommitTime, err = c.repo.CommitTime(ctx, head); err != nil {
		return fmt.Errorf("checking %s: %w", c.ref.Name, err)
	}
	detail, err := c.branch(ctx, head)
	if err := r.add(BranchGate, detail, err); err != nil {
		return err
	}
	return c.tree(ctx, r)
}

func (c checker) checkTag(ctx context.Context, r *Report) error {
	src := &r.Source
	src.FullRef = "refs/tags/" + c.ref.Name
	obj, commit, err := c.tag(ctx)
	src.Commit = commit
	if obj != nil {
		src.Tag = &Tag{Object: obj.Hash, Name: obj.Name, Tagger: obj.Tagger.String(), Time: obj.Tagger.When}
	}
	detail := ""
	if err == nil {
		detail = fmt.Sprintf("%s is an annotated tag by %s at commit %s", c.ref.Name, obj.Tagger, short(commit))
	}
	if err := r.add(TagGate, detail, err); err != nil {
		return err
	}
	if obj != nil {
		if err := c.signatureGate(ctx, r, *obj); err != nil {
			return err
		}
	}
	if commit != "" {
		if src.CommitTime, err = c.repo.CommitTime(ctx, commit); err != nil {
			return fmt.Errorf("checking %s: %w", c.ref.Name, err)
		}
		detail, err := c.branch(ctx, commit)
		if err := r.add(BranchGate, detail, err); err != nil {
			return err
		}
		detail, err = c.head(ctx, commit)
		if err := r.add(HeadGate, detail, err); err != nil {
			return err
		}
	}
	return c.tree(ctx, r)
}

// tag finds the tag object and its commit. Both come with a refusal where they
// are known all the same.
func (c checker) tag(ctx context.Context) (*git.TagObject, string, error) {
	name := c.ref.Name
	ref, err := c.repo.Tag(ctx, name)
	if errors.Is(err, git.ErrNoTag) {
		shallow, err := c.repo.Shallow(ctx)
		if err != nil {
			return nil, "", err
		}
		if shallow {
			return nil, "", &ShallowError{Lacks: "the tag " + name}
		}
		return nil, "", &TagMissingError{Tag: name}
	}
	if err != nil {
		return nil, "", err
	}
	switch ref.Type {
	case "tag":
	case "commit":
		return nil, ref.Commit, &LightweightTagError{Tag: name, Commit: ref.Commit}
	default:
		return nil, "", &WrongObjectError{Tag: name, Type: ref.Type}
	}
	obj, err := c.repo.ReadTag(ctx, ref.Object)
	if errors.Is(err, git.ErrBadTag) {
		return nil, ref.Commit, &MalformedTagError{Tag: name, Err: err}
	}
	if err != nil {
		return nil, "", err
	}
	if obj.Type != "commit" {
		return nil, "", &WrongObjectError{Tag: name, Type: obj.Type}
	}
	if obj.Name != name {
		return &obj, obj.Object, &RenamedTagError{Tag: name, Inner: obj.Name}
	}
	return &obj, obj.Object, nil
}

func (c checker) head(ctx context.Context, commit string) (string, error) {
	head, err := c.repo.Head(ctx)
	if err != nil && !errors.Is(err, git.ErrNoCommit) {
		return "", err
	}
	if head != commit {
		return "", &WrongHeadError{Tag: c.ref.Name, Commit: commit, Head: head}
	}
	return "HEAD is the tag's commit " + short(commit), nil
}

func (c checker) tree(ctx context.Context, r *Report) error {
	files, err := c.repo.Dirty(ctx, OutputDir)
	if err == nil && len(files) > 0 {
		err = &DirtyTreeError{Files: files}
	}
	return r.add(TreeGate, "the working tree is the commit's", err)
}
