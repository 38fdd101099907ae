package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/doctor"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/publish/embedded"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// What a kept rehearsal leaves in its directory. Bundles and release pages lie
// in "dist".
const (
	rehearsedCheckout = "checkout"
	rehearsedKeys     = "keys"
	rehearsedRegistry = "registry"
	rehearsedHistory  = "rehearsal.json"
)

// Rehearse copies the product into a fresh repository with keys of its own and
// publishes its releases to an embedded registry, each verified. With keep,
// all of it stays in that directory. With like, the commits and keys are those
// of a kept rehearsal.
func (s *Suite) Rehearse(ctx context.Context, keep, like string) (err error) {
	sample, err := s.sample()
	if err != nil {
		return err
	}
	dir, err := emptyDir(keep)
	if err != nil {
		return err
	}
	if keep == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	r := &rehearsal{Suite: *s, dir: dir}
	r.Dir = filepath.Join(dir, rehearsedCheckout)
	r.Suite.Dist = filepath.Join(dir, "dist")
	r.Product = rehearsed(s.Product)
	r.Forge = forge.Directory(r.dist(releasesDir))
	if err := (&Suite{Product: s.Product, Dir: sample}).require(ctx, "rehearse"); err != nil {
		return err
	}
	if r.Stack, err = s.rehearsalStack(ctx, sample); err != nil {
		return err
	}
	if r.CargoTarget, err = cacheDir("rehearse", s.Product.Name, "target"); err != nil {
		return err
	}
	if err := r.rehearseScan(ctx); err != nil {
		return err
	}
	registry, err := embedded.Serve(ctx, filepath.Join(dir, rehearsedRegistry), "", embedded.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	defer func() { err = errors.Join(err, r.closeSigstore()) }()
	_, path, _ := strings.Cut(s.Product.Image.Repository, "/")
	r.Image = registry.Repository(path)

	if like == "" {
		err = r.fresh(ctx, sample, r.play)
	} else {
		err = r.again(ctx, like)
	}
	if err != nil {
		return err
	}
	if err := r.tables(); err != nil {
		return err
	}
	if keep != "" {
		s.UI.Println("Kept in %s. Serve its registry again: go run . registry:serve %s", dir, filepath.Join(dir, rehearsedRegistry))
	}
	return nil
}

// rehearsed is a product as it is rehearsed: without what this machine alone does
// not have. It is scanned by grype alone.
func rehearsed(p product.Product) product.Product {
	p.Extra, p.Workflows = nil, nil
	if p.Scan != nil {
		policy := *p.Scan
		policy.Scanners, policy.Candidate = []string{product.Grype}, nil
		p.Scan = &policy
	}
	return p
}

type rehearsal struct {
	Suite
	dir string
	// sigstore is where CI's releases are signed keyless; nil where the key signs.
	sigstore *sigstorekit.Instance
	history  history
	outcomes []outcome
	// rows are those of the tables that a rehearsal ends with.
	rows []row
}

// row is something that the maintainer or CI did, and, where it was signed, what
// others have to prove it by.
type row struct {
	what, made, tag, changed                          string
	signer, provenance, sboms, scan, packages, passed string
}

// fresh makes repository and keys and has the maintainer live through the
// history. What CI does in between is played, or only written down where play
// is nil.
func (r *rehearsal) fresh(ctx context.Context, sample string, play func(context.Context, episode) error) (err error) {
	version, err := cargo.ProductVersion(sample, r.Product.Cargo.Package)
	if err != nil {
		return err
	}
	if err := r.copySample(sample); err != nil {
		return err
	}
	who, err := keys.New(ctx, filepath.Join(r.dir, rehearsedKeys, "maintainer"), "Rehearsal Maintainer", "maintainer@rehearsal.invalid")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, who.Close(context.WithoutCancel(ctx))) }()
	if r.Key, err = attest.NewKey(); err != nil {
		return err
	}
	if err := r.Key.Save(filepath.Join(r.dir, rehearsedKeys), nil); err != nil {
		return err
	}
	if err := r.openSigstore(ctx); err != nil {
		return err
	}
	if err := r.pin(who); err != nil {
		return err
	}
	identity := who.Git()
	r.Who, r.Clock = &identity, dawn
	if err := r.makeHistory(ctx, version, play); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r.history, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.dir, rehearsedHistory), append(text, '\n'), 0o644)
}

// again takes repository and keys from a kept rehearsal, and has CI do the same
// again.
func (r *rehearsal) again(ctx context.Context, like string) error {
	text, err := os.ReadFile(filepath.Join(like, rehearsedHistory))
	if err != nil {
		return fmt.Errorf("-like=%s names no kept rehearsal (one that was run with -keep=DIR): %w", like, err)
	}
	if err := json.Unmarshal(text, &r.history); err != nil {
		return fmt.Errorf("reading %s: %w", filepath.Join(like, rehearsedHistory), err)
	}
	for _, name := range []string{rehearsedHistory, rehearsedKeys} {
		if err := copyAll(filepath.Join(like, name), filepath.Join(r.dir, name), nil); err != nil {
			return err
		}
	}
	sealed, err := os.ReadFile(filepath.Join(r.dir, rehearsedKeys, "cosign.key"))
	if err != nil {
		return err
	}
	if r.Key, err = attest.ParseKey(sealed, func() ([]byte, error) { return nil, nil }); err != nil {
		return err
	}
	if err := r.openSigstore(ctx); err != nil {
		return err
	}
	if _, err = git.Clone(ctx, filepath.Join(like, rehearsedCheckout), r.Dir); err != nil {
		return err
	}
	for _, e := range r.history.Episodes {
		if err := r.play(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// play does what CI does in an episode.
func (r *rehearsal) play(ctx context.Context, e episode) error {
	s, err := r.as(e)
	if err != nil {
		return err
	}
	switch {
	case e.Withdraw != "":
		return r.UI.Run(ctx, "withdraw "+e.Withdraw, func(ctx context.Context, step *term.Step) error {
			return r.rolledBack(s.rollback(ctx, step, RollbackOrder{Version: e.Withdraw, Reason: e.Reason}))
		})
	case e.Restore != "":
		return r.UI.Run(ctx, "restore "+e.Restore, func(ctx context.Context, step *term.Step) error {
			return r.rolledBack(s.rollback(ctx, step, RollbackOrder{Version: e.Restore, Restore: true}))
		})
	}
	err = r.UI.Run(ctx, e.Ref+" "+string(e.Channel), func(ctx context.Context, step *term.Step) error {
		if err := (git.Repo{Dir: r.Dir}).Detach(ctx, e.Commit); err != nil {
			return err
		}
		s.Clock = r.history.Nightly
		out, err := s.release(ctx, step, Order{Ref: e.Ref, Channels: []decide.Channel{e.Channel}, Why: e.Why})
		if err != nil {
			return err
		}
		step.Detail("%s", out.Digest)
		r.outcomes = append(r.outcomes, out)
		signed := "not needed"
		if t := out.Source.Tag; t != nil {
			signed = "NO"
			if out.Source.Signed() {
				signed = "yes"
			}
		}
		scanned, err := r.scanned(out.Plan.ID())
		if err != nil {
			return err
		}
		r.rows = append(r.rows, row{
			what: "release " + out.Plan.Ref.Name, made: shortDigest(out.Digest.String()), tag: signed, changed: out.moved(),
			signer: signedBy(out.Report.Signer), provenance: out.provenance(), sboms: out.sboms(), scan: scanned, packages: out.packages(s),
			passed: or(strings.Join(out.Plan.Tries, " "), "nothing"),
		})
		return nil
	})
	if err != nil {
		return fmt.Errorf("rehearsing %s (%s): %w", e.Ref, e.Channel, err)
	}
	return nil
}

// rolledBack takes a roll-back into the table.
func (r *rehearsal) rolledBack(out rolledBack, err error) error {
	if err != nil {
		return err
	}
	what := "withdraw"
	if !out.Withdrawn {
		what = "restore"
	}
	r.rows = append(r.rows, row{
		what: what + " " + out.Version.Tag(), made: shortDigest(out.Digest), changed: or(strings.Join(out.Moved, " "), "nothing"),
		signer: r.whoWithdraws(),
	})
	return nil
}

// tables are what a rehearsal ends with: what was done, and what proves it.
func (r *rehearsal) tables() error {
	scan, passed := "scan", "passed"
	if r.Database != "" {
		scan += " (made-up database)"
	}
	if r.Stack != "" {
		passed += " (" + r.Stack + ")"
	}
	var done, proofs [][]string
	for _, w := range r.rows {
		done = append(done, []string{w.what, w.made, w.tag, w.changed})
		if w.signer != "" {
			proofs = append(proofs, []string{w.what, w.signer, w.provenance, w.sboms, w.scan, w.packages, w.passed})
		}
	}
	if err := r.UI.Table(r.Out, []string{"what was done", "image or commit", "tag signed", "what changed"}, done); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(r.Out); err != nil {
		return err
	}
	return r.UI.Table(r.Out, []string{"what proves it", "signed by", "provenance", "SBOM", scan, "packages", passed}, proofs)
}

// sample is the product to rehearse: the working directory where it is a
// checkout of the product, or the sample in testdata.
func (s *Suite) sample() (string, error) {
	err := doctor.Checkout(s.Dir, s.Product)
	if err == nil {
		return s.Dir, nil
	}
	sample := filepath.Join(s.Dir, "testdata", s.Product.Name)
	if doctor.Checkout(sample, s.Product) == nil {
		return sample, nil
	}
	return "", err
}

// copySample copies the product's sources, without what was built from them.
func (r *rehearsal) copySample(sample string) error {
	leave := map[string]bool{".git": true, ".release": true, "target": true, "node_modules": true, "dist": true}
	if f := r.Product.Frontend; f != nil {
		leave[filepath.FromSlash(f.Output)] = true
	}
	return copyAll(sample, r.Dir, func(path string) bool { return leave[path] || leave[filepath.Base(path)] })
}

// pin writes the rehearsal's public keys to where the product pins them.
func (r *rehearsal) pin(who *keys.Signer) error {
	trust := r.Product.Trust
	file := trust.SSHSigners
	if who.Format == git.OpenPGP && len(trust.OpenPGP) > 0 {
		file = strings.ReplaceAll(trust.OpenPGP[0], "*", "rehearsal")
	}
	if file == "" {
		return fmt.Errorf("the product pins no keys of the format %s, which is what this machine can sign with: install gnupg", who.Format)
	}
	files := map[string][]byte{file: who.Public}
	if trust.ReleaseKey != "" {
		files[trust.ReleaseKey] = r.Key.PublicPEM()
	}
	if r.sigstore != nil {
		files[trust.Keyless.TrustedRoot] = r.sigstore.TrustedRoot
	}
	for name, text := range files {
		path := filepath.Join(r.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// emptyDir makes the directory that a rehearsal works in, absolute; a temporary
// one where keep is empty.
func emptyDir(keep string) (string, error) {
	if keep == "" {
		return os.MkdirTemp("", "rehearse-*")
	}
	dir, err := filepath.Abs(keep)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("-keep=%s is not empty: name a directory that is, or that does not exist yet", keep)
	}
	return dir, err
}

// cacheDir gives a directory in the user's cache.
func cacheDir(elem ...string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(append([]string{base, "rustshare-release"}, elem...)...)
	return dir, os.MkdirAll(dir, 0o755)
}

// copyAll copies a file or a directory; leave, which may be nil, tells which
// paths below it stay behind.
func copyAll(from, to string, leave func(path string) bool) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case rel != "." && leave != nil && leave(rel):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, info.Mode().Perm())
	})
}
