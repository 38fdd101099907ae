package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/doctor"
	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/internal/term"
	"github.com/kubedoio/rustshare-release/magefiles/make/packages"
)

// The variables with the keys of packages: the text of a key, or the path of a
// file with it.
const (
	// envPackagesKey is an armored OpenPGP private key, for deb and rpm, and
	// envPackagesPassword its password.
	envPackagesKey      = "RELEASE_PACKAGES_KEY"
	envPackagesPassword = "RELEASE_PACKAGES_PASSWORD" //nolint:gosec // its name, not its value
	// envAPKKey is an RSA private key (PEM), for apk.
	envAPKKey = "RELEASE_APK_KEY"
)

// packed tells whether a ref is released as packages: those that have a page.
func (s *Suite) packed(ref decide.Ref) bool {
	return s.Product.Packages != nil && !ref.Version.IsZero()
}

// packageTitles names the packages of a ref.
func (s *Suite) packageTitles(ref decide.Ref) []string {
	v, err := packages.VersionOf(ref.Version)
	if !s.packed(ref) || err != nil {
		return nil
	}
	return packages.Titles(s.Product, v)
}

// packagesGate holds a version against what packages have an order for.
func (s *Suite) packagesGate(ref decide.Ref) []decide.Gate {
	if !s.packed(ref) {
		return nil
	}
	g := decide.Gate{Name: "packages", State: decide.Pass, Detail: "in all formats it sorts between the versions before and after it"}
	if _, err := packages.VersionOf(ref.Version); err != nil {
		g.State, g.Detail = decide.Fail, err.Error()
	}
	return []decide.Gate{g}
}

// packageSigner gives the keys of packages; nil where there are none.
type packageSigner func() (*packages.Signer, error)

// packageSignerHere is [Suite.packageSigner], and nobody where no key is here: what
// is built to be compared is compared without signatures, and a release that goes
// on with it signs.
func (s *Suite) packageSignerHere() (*packages.Signer, error) {
	if s.Getenv(envPackagesKey) == "" && s.Getenv(envAPKKey) == "" {
		return nil, nil //nolint:nilnil // there may be none
	}
	return s.packageSigner()
}

// packageSigner gives the keys of packages, held against those that the checkout
// pins; nil where there are none.
func (s *Suite) packageSigner() (*packages.Signer, error) {
	s.UI.Mask(s.Getenv(envPackagesPassword))
	pgp, err := s.secretText(envPackagesKey)
	if err != nil {
		return nil, err
	}
	rsa, err := s.secretText(envAPKKey)
	if err != nil {
		return nil, err
	}
	signer, err := packages.ParseSigner(pgp, []byte(s.Getenv(envPackagesPassword)), rsa)
	if err != nil {
		return nil, err
	}
	pinned := s.Product.Packages.Keys
	pgpPinned, err := s.pinnedFile(pinned.OpenPGP)
	if err != nil {
		return nil, err
	}
	rsaPinned, err := s.pinnedFile(pinned.RSA)
	if err != nil {
		return nil, err
	}
	return signer, signer.Check(pinned, pgpPinned, rsaPinned)
}

// canPack stops a release whose packages could not be made, or not be signed as
// its checkout promises.
func (s *Suite) canPack(ref decide.Ref) error {
	if !s.packed(ref) {
		return nil
	}
	if err := packages.Ready(s.Product, s.Dir); err != nil {
		return err
	}
	_, err := s.packageSigner()
	return err
}

// packages says into how many files a release was packed, as its bundle has it.
func (o outcome) packages(s Suite) string {
	b, err := bundle.Open(s.dist(o.Plan.ID()))
	if err != nil {
		return "NO"
	}
	files := 0
	for _, d := range b.Entries(bundle.File) {
		if d.Annotations[bundle.PackageKey] != "" {
			files++
		}
	}
	if files == 0 {
		return "none"
	}
	return fmt.Sprintf("%d files", files)
}

// secretText reads a variable that holds a secret, or the path of one.
func (s *Suite) secretText(name string) ([]byte, error) {
	value := s.Getenv(name)
	if value == "" {
		return nil, nil
	}
	if strings.HasPrefix(strings.TrimSpace(value), "-----BEGIN") {
		s.UI.Mask(value)
		return []byte(value), nil
	}
	text, err := os.ReadFile(value)
	if err != nil { // the value may be a damaged key: it is not shown
		var at *os.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, fmt.Errorf("%s is neither a key (-----BEGIN …) nor the path of a readable file: %w", name, err)
	}
	s.UI.Mask(string(text))
	return text, nil
}

// pinnedFile reads a file of the checkout; nil where it is not there.
func (s *Suite) pinnedFile(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(filepath.Join(s.Dir, filepath.FromSlash(name)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// pack makes the packages of a release.
func (s *Suite) pack(ctx context.Context, ui runner, b *bundle.Bundle, signer packageSigner) error {
	if !s.packed(b.Plan.Ref) {
		return nil
	}
	v, err := packages.VersionOf(b.Plan.Ref.Version)
	if err != nil {
		return err
	}
	return s.packAs(ctx, ui, b, v, signer)
}

func (s *Suite) packAs(ctx context.Context, ui runner, b *bundle.Bundle, v packages.Version, whose packageSigner) error {
	return ui.Run(ctx, "packages", func(ctx context.Context, step *term.Step) error {
		signer, err := whose()
		if err != nil {
			return err
		}
		made, err := packages.Make(ctx, b, s.Product, packages.Input{Checkout: s.Dir, Version: v, Signer: signer})
		if err != nil {
			return err
		}
		step.Detail("%d made, %d there already, %s", made.New, made.Kept, or(signer.String(), "not signed"))
		return nil
	})
}

// PackOrder asks for packages without a release.
type PackOrder struct {
	// Tag names a bundle in dist; empty for a build of the checkout.
	Tag string
	// Out is where the files go; empty for dist/packages/VERSION.
	Out  string
	JSON bool
}

// packedFile is a file that came of a [PackOrder].
type packedFile struct {
	Name     string `json:"name"`
	Platform string `json:"platform"`
	SHA256   string `json:"sha256"`
	Size     int64  `json:"size"`
	// Signed is the fingerprint of the key, empty where there was none.
	Signed string `json:"signed,omitempty"`
}

// BuildPackages makes packages of a bundle in dist or of the checkout, and puts
// them into a directory. It publishes nothing.
func (s *Suite) BuildPackages(ctx context.Context, o PackOrder) error {
	if s.Product.Packages == nil {
		return fmt.Errorf("%s is not packed into anything: Packages of its definition is empty", s.Product.Name)
	}
	dir, err := os.MkdirTemp("", "packages-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	b, v, err := s.packing(ctx, o.Tag, dir)
	if err != nil {
		return err
	}
	if err := s.packAs(ctx, s.UI, b, v, s.packageSigner); err != nil {
		return err
	}
	out := or(o.Out, s.dist("packages", v.String()))
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var made []packedFile
	for _, title := range packages.Titles(s.Product, v) {
		d, _ := b.Find(bundle.File, title)
		if err := copyOut(b, d, filepath.Join(out, title)); err != nil {
			return err
		}
		made = append(made, packedFile{title, d.Annotations[bundle.PlatformKey], d.Digest.Hex, d.Size, d.Annotations[bundle.SignedKey]})
	}
	if err := s.UI.Summary(); err != nil {
		return err
	}
	if o.JSON {
		return s.printJSON(struct {
			Version string       `json:"version"`
			Commit  string       `json:"commit"`
			Dir     string       `json:"dir"`
			Files   []packedFile `json:"files"`
		}{v.String(), b.Plan.Commit, out, made})
	}
	rows := [][]string{{out, ""}}
	for _, f := range made {
		rows = append(rows, []string{f.Name, "sha256:" + f.SHA256})
	}
	return s.UI.Table(s.Out, []string{s.Product.Name + " " + v.String(), ""}, rows)
}

// packing gives the bundle to pack, with its version: that of a tag, or one made
// of the checkout in dir.
func (s *Suite) packing(ctx context.Context, tag, dir string) (*bundle.Bundle, packages.Version, error) {
	if tag != "" {
		b, err := bundle.Open(s.dist(strings.TrimPrefix(tag, "refs/tags/")))
		if errors.Is(err, os.ErrNotExist) {
			return nil, packages.Version{}, fmt.Errorf("%s holds no bundle of %s: make it (`go run . release:publish -tag=%s -dryRun`), or leave -tag away to build the checkout", s.dist(), tag, tag)
		}
		if err != nil {
			return nil, packages.Version{}, err
		}
		if b.Plan.Ref.Version.IsZero() {
			return nil, packages.Version{}, fmt.Errorf("%s is no version: a bundle of it is published without packages; leave -tag away to pack the checkout", tag)
		}
		v, err := packages.VersionOf(b.Plan.Ref.Version)
		return b, v, err
	}
	needs, err := doctor.For("build:packages")
	if err != nil {
		return nil, packages.Version{}, err
	}
	if err := doctor.Require(ctx, s.Dir, s.Product, needs...); err != nil {
		return nil, packages.Version{}, err
	}
	one := *s
	one.Product.Extra = nil
	b, err := one.buildCheckout(ctx, s.UI, dir)
	if err != nil {
		return nil, packages.Version{}, err
	}
	v, err := packages.BuildOf(b.Plan.Version, b.Plan.CommitTime)
	return b, v, err
}

// copyOut writes a file of the bundle to a path.
func copyOut(b *bundle.Bundle, d v1.Descriptor, path string) error {
	from, err := os.Open(b.Path(d.Digest))
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // only read
	to, err := atomicfile.Create(filepath.Dir(path))
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return atomicfile.Settle(to, path, 0o644, err)
}
