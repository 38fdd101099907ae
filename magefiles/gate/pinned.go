package gate

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
)

// pinned are the key files of the product as the tip of its main branch has
// them. Why there and nowhere else: docs/decisions/0002-pinned-keys.md.
type pinned struct {
	openpgp []keyFile
	ssh     *keyFile
	// from names the branch and commit.
	from string
}

type keyFile struct {
	path string
	data []byte
}

func (c checker) pinned(ctx context.Context) (pinned, error) {
	if c.branchErr != nil {
		return pinned{}, c.branchErr
	}
	main := c.branches.main[0]
	keys := pinned{from: fmt.Sprintf("%s (%s)", shortRef(main.Name), short(main.Commit))}
	files, err := c.repo.Files(ctx, main.Commit)
	if err != nil {
		return keys, err
	}
	for _, f := range files {
		isPGP := Matches(c.p.Trust.OpenPGP, f.Path)
		isSSH := c.p.Trust.SSHSigners != "" && f.Path == c.p.Trust.SSHSigners
		if !isPGP && !isSSH {
			continue
		}
		if !f.Regular() {
			return keys, &BrokenKeyFileError{File: f.Path, From: keys.from, Err: fmt.Errorf("it is no regular file (git mode %s)", f.Mode)}
		}
		data, err := c.repo.Blob(ctx, f.Hash)
		if err != nil {
			return keys, err
		}
		if isPGP {
			keys.openpgp = append(keys.openpgp, keyFile{f.Path, data})
		}
		if isSSH {
			keys.ssh = &keyFile{f.Path, data}
		}
	}
	return keys, nil
}

// Matches holds a path against patterns as package product describes them.
func Matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if dir, ok := strings.CutSuffix(p, "/**"); ok {
			if strings.HasPrefix(name, dir+"/") {
				return true
			}
			continue
		}
		if ok, err := path.Match(p, name); err == nil && ok {
			return true
		}
	}
	return false
}

// signatureGate verifies the tag's signature. Only a candidate may do without
// one, and only where the product says so; one that has a signature is held to
// it.
func (c checker) signatureGate(ctx context.Context, r *Report, obj git.TagObject) error {
	if obj.Format() == git.Unsigned && c.ref.Channel == decide.Candidate && c.p.Trust.UnsignedCandidates {
		r.Gates = append(r.Gates, decide.Gate{Name: SignatureGate, State: decide.Warning, Detail: fmt.Sprintf(
			"%s is NOT SIGNED: nothing proves who made it (it says %s); this product lets candidates pass without, stable releases never: sign with `git tag -s`", c.ref.Name, obj.Tagger)})
		return nil
	}
	sig, err := c.signature(ctx, obj)
	if err != nil {
		return r.add(SignatureGate, "", err)
	}
	r.Source.Tag.Signature = sig
	return r.add(SignatureGate, fmt.Sprintf("signed by %s with key %s, pinned in %s on %s", sig.Owner, sig.Key, sig.File, sig.From), nil)
}

func (c checker) signature(ctx context.Context, obj git.TagObject) (*Signature, error) {
	trust := c.p.Trust
	want := "a signature that the product accepts (" + strings.Join(c.accepted(), " or ") + ")"
	switch format := obj.Format(); {
	case format == git.Unsigned:
		return nil, &UnsignedTagError{Tag: c.ref.Name, Tagger: obj.Tagger.String()}
	case format == git.OpenPGP && len(trust.OpenPGP) == 0:
		return nil, &UnsupportedSignatureError{Tag: c.ref.Name, Kind: "an OpenPGP", Want: want}
	case format == git.SSH && trust.SSHSigners == "":
		return nil, &UnsupportedSignatureError{Tag: c.ref.Name, Kind: "an SSH", Want: want}
	case format != git.OpenPGP && format != git.SSH:
		return nil, &UnsupportedSignatureError{Tag: c.ref.Name, Kind: "an X.509", Want: want}
	}
	if err := oneBlock(obj.Signature); err != nil {
		return nil, &BadSignatureError{Tag: c.ref.Name, Reason: err.Error()}
	}
	keys, err := c.pinned(ctx)
	if err != nil {
		return nil, err
	}
	if obj.Format() == git.SSH {
		return c.verifySSH(ctx, obj, keys)
	}
	return c.verifyOpenPGP(obj, keys)
}

func (c checker) accepted() []string {
	var kinds []string
	if len(c.p.Trust.OpenPGP) > 0 {
		kinds = append(kinds, "OpenPGP")
	}
	if c.p.Trust.SSHSigners != "" {
		kinds = append(kinds, "SSH")
	}
	return kinds
}

// oneBlock wants one armored block and nothing after it: what stands there is
// covered by no signature.
func oneBlock(sig []byte) error {
	first, _, _ := bytes.Cut(sig, []byte("\n"))
	end := bytes.Replace(bytes.TrimRight(first, "\r"), []byte("BEGIN"), []byte("END"), 1)
	_, rest, ok := bytes.Cut(sig, append([]byte("\n"), end...))
	if !ok {
		return fmt.Errorf("it has no line %q", end)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return fmt.Errorf("text follows it that it does not cover")
	}
	return nil
}
