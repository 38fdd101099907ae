package bundle

import (
	"crypto/sha256"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Annotations of packages and archives in a bundle's index.json, beside
// [PlatformKey].
const (
	// PackageKey is the format of a package or an archive: "deb", "tar.gz".
	PackageKey = "com.github.kubedoio.release.package"
	// SignedKey is the fingerprint of the key that a package is signed with; none
	// where it is not.
	SignedKey = "com.github.kubedoio.release.signed"
)

// IngestFunc has write produce content, and hashes it on the way. A fault of
// the disk is reported even where write keeps it to itself.
func (b *Bundle) IngestFunc(write func(io.Writer) error) (Blob, error) {
	sum := sha256.New()
	var blob Blob
	err := b.store(func(w io.Writer) (v1.Hash, error) {
		out := &strict{w: io.MultiWriter(w, sum)}
		if err := write(out); err != nil {
			return v1.Hash{}, err
		}
		blob = Blob{hash(sum.Sum(nil)), out.n}
		return blob.Digest, out.err
	})
	return blob, err
}

// strict counts, and keeps the first fault.
type strict struct {
	w   io.Writer
	n   int64
	err error
}

func (s *strict) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.n += int64(n)
	s.err = err
	return n, err
}
