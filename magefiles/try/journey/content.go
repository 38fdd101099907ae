package journey

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
)

// content is the text of a file that a journey uploads: bytes that follow from
// a name, so that they need no memory, and that no compression makes small.
func content(name string, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8(sha256.Sum256([]byte(name))), size)
}

// digest is the SHA-256 of r in lower-case hexadecimal digits, and its size. It
// reads no more than limit bytes and one.
func digest(r io.Reader, limit int64) (sum string, size int64, err error) {
	h := sha256.New()
	size, err = io.Copy(h, io.LimitReader(r, limit+1))
	return hex.EncodeToString(h.Sum(nil)), size, err
}
