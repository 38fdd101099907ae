package reproduce

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/filediff"
)

// follow finds out which artifacts differ only because others do: where each
// value becomes the other build's once the digests of those are replaced.
func (c *comparison) follow() error {
	for i := range c.out {
		a := &c.out[i]
		if a.Verdict != Differs || a.More > 0 || len(a.Differences) == 0 {
			continue
		}
		of, err := c.derived(*a)
		if err != nil {
			return err
		}
		if len(of) > 0 {
			a.Verdict, a.Of = Follows, of
			continue
		}
		if j := slices.IndexFunc(c.out[:i], func(o Artifact) bool { return o.Verdict == Differs && inside(o, *a) }); j >= 0 {
			a.Verdict, a.Of = Follows, []string{c.out[j].Name}
			continue
		}
		explained := map[string]bool{} // objects whose digest follows: their size does too
		all := true
		for _, d := range a.Differences {
			names := c.explain(d)
			if len(names) == 0 {
				if object, isSize := strings.CutSuffix(d.What, ".size"); isSize && explained[object] {
					continue
				}
				if len(of) > 0 && d.What == serialNumber {
					continue
				}
				all = false
				break
			}
			explained[strings.TrimSuffix(d.What, ".digest")] = true
			for _, n := range names {
				if !slices.Contains(of, n) && n != a.Name {
					of = append(of, n)
				}
			}
		}
		if all && len(of) > 0 {
			a.Verdict, a.Of = Follows, of
		}
	}
	return nil
}

// maxDerived bounds a file that is held in memory to see whether it follows.
const maxDerived = 16 << 20

// derived finds out whether a file of which the release has the checksum alone
// follows from others, and from which: with their digests in place of the other
// ones the file of the build again has that very checksum.
func (c *comparison) derived(a Artifact) (of []string, err error) {
	path := c.sumsOnly[a.Name]
	if path == "" {
		return nil, nil
	}
	if info, err := os.Stat(path); err != nil || info.Size() > maxDerived {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for mine, other := range c.pairs {
		if c.names[mine] != a.Name && bytes.Contains(text, []byte(other)) {
			text = bytes.ReplaceAll(text, []byte(other), []byte(mine))
			of = append(of, c.names[mine])
		}
	}
	if sum := sha256.Sum256(text); "sha256:"+hex.EncodeToString(sum[:]) != a.A {
		return nil, nil
	}
	slices.Sort(of)
	return of, nil
}

// serialNumber is the field of a CycloneDX document that is made of its
// content.
const serialNumber = ".serialNumber"

// inside tells whether an artifact differs in nothing but another one that lies
// in it, as a binary does in its layer.
func inside(part, whole Artifact) bool {
	return slices.EqualFunc(part.Differences, whole.Differences, func(p, w filediff.Difference) bool {
		n := len(w.At) - len(p.At)
		return p.What == w.What && p.A == w.A && p.B == w.B && n > 0 && slices.Equal(p.At, w.At[n:])
	})
}

// explain names what a difference follows from; nothing where it is one of its
// own.
func (c *comparison) explain(d filediff.Difference) (names []string) {
	if name, ok := strings.CutPrefix(d.What, lineOf); ok && (d.A == "" || d.B == "") {
		if slices.ContainsFunc(c.out, func(a Artifact) bool { return a.Name == name && a.Verdict == Missing }) {
			return []string{name}
		}
	}
	value := d.A
	for hex, other := range c.pairs {
		if strings.Contains(value, hex) {
			value = strings.ReplaceAll(value, hex, other)
			names = append(names, c.names[hex])
		}
	}
	if value != d.B {
		return nil
	}
	slices.Sort(names)
	return names
}
