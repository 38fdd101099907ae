package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// rehearsedRoot is where a rehearsal pins the trusted root of its Sigstore
// instance, where the product names no file. The instance's keys lie in
// rehearsedSigstore.
const (
	rehearsedRoot     = ".release/trusted_root.json"
	rehearsedSigstore = rehearsedKeys + "/sigstore"
)

// openSigstore starts a Sigstore instance for a product that is signed keyless,
// with the keys of a rehearsal before it where there are some. Where it cannot
// be had, a key of the rehearsal's own signs, and the log says so.
func (r *rehearsal) openSigstore(ctx context.Context) error {
	if r.Product.Trust.Keyless == nil || r.sigstore != nil {
		return nil
	}
	k := *r.Product.Trust.Keyless
	r.Product.Trust.Keyless = nil
	o := sigstorekit.Options{Dir: filepath.Join(r.dir, filepath.FromSlash(rehearsedSigstore)), Log: true}
	instead := func(format string, args ...any) error {
		if r.Product.Trust.ReleaseKey == "" {
			return fmt.Errorf("the product is signed keyless alone, and %s", fmt.Sprintf(format, args...))
		}
		r.UI.Warn("Releases are signed with a key of the rehearsal's own, not keyless: "+format, args...)
		return nil
	}
	if r.history.Episodes != nil { // what happened before says whether there is a root in the commits
		if _, err := os.Stat(o.Dir); errors.Is(err, fs.ErrNotExist) {
			return instead("so were those of the rehearsal that this one is like")
		}
	}
	if k.Issuer != sigstorekit.GitHub || !strings.HasPrefix(r.Product.Source, gitHub) {
		return instead("the instance for rehearsals knows workflows on GitHub alone")
	}
	if missing := sigstorekit.Missing(o); len(missing) > 0 {
		return instead("%s not there, %s builds them", strings.Join(missing, " and "), sigstorekit.Install)
	}
	var err error
	if r.sigstore, err = sigstorekit.Start(ctx, o); err != nil {
		r.sigstore = nil
		if r.history.Episodes == nil { // keys that nothing was signed with
			err = errors.Join(err, os.RemoveAll(o.Dir))
		}
		return instead("%v", err)
	}
	k.TrustedRoot = or(k.TrustedRoot, rehearsedRoot)
	r.Product.Trust.Keyless = &k
	return nil
}

const gitHub = "https://github.com/"

func (r *rehearsal) closeSigstore() error {
	if r.sigstore == nil {
		return nil
	}
	return r.sigstore.Close()
}

// as gives the suite as an episode's CI would have it: the identity of a run on
// the very ref, and no key. Withdrawals are made by a maintainer, with the key
// where the product pins one.
func (r *rehearsal) as(e episode) (Suite, error) {
	s := r.Suite
	what, ref, commit, event := string(e.Channel), "refs/tags/"+e.Ref, e.Commit, "push"
	if e.Ref == s.Product.Branches.Main {
		ref = "refs/heads/" + e.Ref
	}
	if e.Withdraw != "" || e.Restore != "" {
		what, ref, commit, event = product.Withdrawal, "refs/heads/"+s.Product.Branches.Main, strings.Repeat("0", 40), "workflow_dispatch"
	}
	if r.sigstore == nil || (what == product.Withdrawal && s.Product.Trust.ReleaseKey != "") {
		return s, nil
	}
	n := slices.IndexFunc(s.Product.Trust.Keyless.Identities, func(i product.Identity) bool {
		return slices.Contains(i.For, what) && (i.Workflow != "" || i.Issuer == sigstorekit.People)
	})
	if n < 0 {
		return s, fmt.Errorf("the product pins nobody who could sign for %q: add an identity to Trust.Keyless", what)
	}
	var env map[string]string
	var err error
	if i := s.Product.Trust.Keyless.Identities[n]; i.Workflow == "" {
		var token string
		token, err = r.sigstore.Person(i.Person)
		env = map[string]string{envIDToken: token}
	} else {
		env, err = r.sigstore.Job(sigstorekit.Run{
			Repository: strings.TrimPrefix(s.Product.Source, gitHub), Workflow: i.Workflow, Ref: ref, Commit: commit, Event: event,
		})
	}
	before := s.Getenv
	s.Key, s.Sigstore = nil, r.sigstore.Services
	s.Getenv = func(name string) string {
		if name == envKey || name == envKeyFile {
			return ""
		}
		if v, ok := env[name]; ok {
			return v
		}
		return before(name)
	}
	return s, err
}

// whoWithdraws is who signs withdrawals.
func (r *rehearsal) whoWithdraws() string {
	if r.Product.Trust.ReleaseKey == "" {
		return "keyless"
	}
	return "key"
}

// signerName is short for a log: a key's fingerprint, or what signedBy keeps.
func signerName(signer string) string {
	if name := signedBy(signer); name != "key" {
		return name
	}
	return shortDigest(signer)
}

// signedBy keeps of a signer what tells him in a table: the workflow and its
// ref, or that it was a key.
func signedBy(signer string) string {
	subject, _, _ := strings.Cut(signer, " ")
	workflow, ref, ok := strings.Cut(subject, "@")
	if !ok {
		return "key"
	}
	return path.Base(workflow) + " @ " + refName(ref)
}
