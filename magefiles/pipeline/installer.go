package pipeline

import (
	"context"
	"encoding/pem"
	"fmt"
	"slices"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/make/installer"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// installer adds install.sh to the bundle, with the key, the identities and the
// trusted root that the checkout pins: a function of the commit.
func (s *Suite) installer(b *bundle.Bundle) error {
	if s.Product.Install == nil {
		return nil
	}
	var t installer.Trust
	if name := s.Product.Trust.ReleaseKey; name != "" {
		text, err := s.pinnedKey()
		if err != nil {
			return err
		}
		block, _ := pem.Decode(text)
		if block == nil || block.Type != "PUBLIC KEY" {
			return fmt.Errorf("%s holds no public key in PEM: commit the file cosign.pub that `cosign generate-key-pair` writes", name)
		}
		t.Key = pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
	}
	if k := s.Product.Trust.Keyless; k != nil {
		t.Issuer = k.Issuer
		if file := s.pinnedRoot(*k); file != "" {
			var err error
			if t.Root, err = trustedRoot(file); err != nil {
				return err
			}
		}
		for _, i := range k.Identities {
			if i.Workflow == "" {
				continue
			}
			uri := s.Product.Source + "/" + i.Workflow
			if slices.Contains(i.For, "stable") {
				t.Stable = append(t.Stable, uri)
			}
			if slices.Contains(i.For, "candidate") {
				t.Candidate = append(t.Candidate, uri)
			}
		}
	}
	return installer.Write(b, s.Product, t)
}

// keepSums leaves the signature of SHA256SUMS on a public page as it is, where
// the list is the same and the signer has no key: another certificate's
// signature would be no better, and a public file is never replaced.
func keepSums(ctx context.Context, b *bundle.Bundle, f forge.Forge, want converge.Desired) error {
	if _, byKey := b.Find(bundle.File, attest.SumsSignature); byKey || want.Release == nil {
		return nil
	}
	page, err := f.Find(ctx, want.Release.Tag)
	if err != nil || page == nil || page.Draft {
		return err
	}
	ours, _ := want.Release.Find(bundle.SumsName)
	if theirs, ok := page.Find(bundle.SumsName); !ok || theirs.SHA256 != ours.SHA256 {
		return nil
	}
	signed, ok := page.Find(attest.SumsBundle)
	i := slices.IndexFunc(want.Release.Assets, func(a forge.Asset) bool { return a.Name == attest.SumsBundle })
	if ok && i >= 0 {
		want.Release.Assets[i] = signed
	}
	return nil
}
