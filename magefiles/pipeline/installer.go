package pipeline

import (
	"encoding/pem"
	"fmt"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/make/installer"
)

// installer adds install.sh to the bundle, with the key that the checkout pins:
// a function of the commit.
func (s *Suite) installer(b *bundle.Bundle) error {
	if s.Product.Install == nil {
		return nil
	}
	text, err := s.pinnedKey()
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return fmt.Errorf("%s holds no public key in PEM: commit the file cosign.pub that `cosign generate-key-pair` writes", s.Product.Trust.ReleaseKey)
	}
	return installer.Write(b, s.Product, installer.Trust{Key: pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})})
}
