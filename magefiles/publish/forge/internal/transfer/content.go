package transfer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
)

// Content reads a file and holds back its end where it is not the wanted one,
// so that another one never arrives whole. It may be asked and closed while the
// network, as it does for a moment after a request has failed, still reads.
type Content struct {
	mu     sync.Mutex
	r      io.ReadCloser
	hash   hash.Hash
	size   int64
	sha256 string
	n      int64
	fault  error
	closed bool
}

// NewContent wants size bytes with this checksum, lower-case hex, of r.
func NewContent(r io.ReadCloser, size int64, sum string) *Content {
	return &Content{r: r, hash: sha256.New(), size: size, sha256: sum}
}

// Fault is what was wrong with what was read so far, a [*retry.Permanent]; nil
// where nothing was.
func (c *Content) Fault() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// Finish is [Content.Fault] once the file was sent: it looks whether the content
// ends where it should. The network does so too, but may not have come to it when
// the answer arrives; it closes the content after that.
func (c *Content) Finish() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault == nil && !c.closed && c.n == c.size {
		if n, _ := io.ReadFull(c.r, make([]byte, 1)); n > 0 {
			c.changed(fmt.Sprintf("more than %d bytes", c.size))
		}
	}
	return c.fault
}

// Read implements [io.Reader].
func (c *Content) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault != nil {
		return 0, c.fault
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.hash.Write(p[:n])
	switch end := errors.Is(err, io.EOF); {
	case err != nil && !end:
		c.fault = &retry.Permanent{Err: fmt.Errorf("reading the content: %w", err)}
	case c.n > c.size:
		c.changed(fmt.Sprintf("more than %d bytes", c.size))
	case end || c.n == c.size: // whoever knows the size does not read on
		if sum := hex.EncodeToString(c.hash.Sum(nil)); c.n != c.size || sum != c.sha256 {
			c.changed(fmt.Sprintf("%d bytes with sha256 %s", c.n, sum))
		}
	}
	if c.fault != nil {
		return 0, c.fault
	}
	return n, err
}

func (c *Content) changed(got string) {
	c.fault = &retry.Permanent{Err: fmt.Errorf("read %s, expected %d with %s: the bundle has been changed, make it anew", got, c.size, c.sha256)}
}

// Close implements [io.Closer].
func (c *Content) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.r.Close()
}
