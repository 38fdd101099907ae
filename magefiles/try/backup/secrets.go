package backup

import (
	"io"

	"github.com/kubedoio/rustshare-release/magefiles/internal/secret"
)

// holds names a secret whose value stands in a text, or gives "".
func holds(search *secret.Search, text []byte) string {
	_, _ = search.Write(text) // never fails
	if found := search.Found(); len(found) > 0 {
		return found[0]
	}
	return ""
}

// searching reads on, and looks for secrets. What holds one is a fault.
type searching struct {
	r      io.Reader
	search *secret.Search
}

func (s *searching) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if name := holds(s.search, p[:n]); name != "" {
		return 0, fault("holds the value of " + name)
	}
	return n, err
}
