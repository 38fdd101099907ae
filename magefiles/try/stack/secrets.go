package stack

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/kubedoio/rustshare-release/magefiles/internal/secret"
)

// Shortest is the length of a secret, in bytes, from which on it is masked and
// searched for. Shorter ones occur in any log.
const Shortest = 8

// Secrets are values by the names of the variables that carry them. Printing
// them, or writing them as JSON, gives their names only.
type Secrets map[string]string

// NewSecrets makes a secret of 256 random bits, in hexadecimal, for each name.
func NewSecrets(names ...string) Secrets {
	s := Secrets{}
	for _, name := range names {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails, by its documentation
		s[name] = hex.EncodeToString(b[:])
	}
	return s
}

// Names are sorted.
func (s Secrets) Names() []string { return slices.Sorted(maps.Keys(s)) }

// Values are in the order of the names.
func (s Secrets) Values() []string {
	var out []string
	for _, name := range s.Names() {
		out = append(out, s[name])
	}
	return out
}

func (s Secrets) String() string { return fmt.Sprintf("secrets %v", s.Names()) }

// GoString keeps the values out of %#v.
func (s Secrets) GoString() string { return s.String() }

// MarshalText keeps the values out of reports.
func (s Secrets) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// forms are those of a value that is masked and searched for.
func forms(value string) []string {
	if len(value) < Shortest {
		return nil
	}
	return secret.Forms(value)
}

// hidden are the secrets that are masked and searched for.
func (s Secrets) hidden() *secret.Set {
	long := maps.Clone(s)
	maps.DeleteFunc(long, func(_, value string) bool { return len(value) < Shortest })
	return secret.New(long)
}

// Mask replaces every secret of eight bytes or more by "***", in all the forms
// of [secret.Forms] and also where it is split over lines.
func (s Secrets) Mask(text string) string { return s.hidden().Mask(text) }

// Copy copies a log, masked as by [Secrets.Mask]. It needs little memory
// whatever the log's size and the length of its lines.
func (s Secrets) Copy(ctx context.Context, to io.Writer, from io.Reader) error {
	return s.hidden().Copy(ctx, to, from)
}

// Leaks gives the names, sorted, of the secrets of eight bytes or more that
// are in a log, in all the forms that Mask would replace.
func (s Secrets) Leaks(ctx context.Context, log io.Reader) ([]string, error) {
	return s.hidden().Leaks(ctx, log)
}
