package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// ErrNoCheckout is wrapped by the error of [Checkout] where nothing of the
// product was found.
var ErrNoCheckout = errors.New("not the product's checkout")

// Checkout tells whether dir holds the product: the Cargo workspace, and the
// frontend where there is one. The error says what was looked for; where none
// of it is there it wraps [ErrNoCheckout] and names mage's -w flag.
func Checkout(dir string, p product.Product) error {
	want := []string{"Cargo.toml", "Cargo.lock"}
	if p.Frontend != nil {
		want = append(want, filepath.Join(filepath.FromSlash(p.Frontend.Dir), "package.json"), filepath.Join(filepath.FromSlash(p.Frontend.Dir), "package-lock.json"))
	}
	var there, lacks []string
	for _, name := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		switch {
		case err == nil && info.Mode().IsRegular():
			there = append(there, name)
		case err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
			lacks = append(lacks, name)
		default:
			return fmt.Errorf("looking for %s: %w", p.Title, err)
		}
	}
	switch {
	case len(there) == 0:
		return fmt.Errorf("%s is %w of %s: it has no %s; run in the checkout, or name it with mage's -w flag (`go run . -w DIR TARGET`)",
			dir, ErrNoCheckout, p.Name, strings.Join(lacks, ", no "))
	case len(lacks) > 0:
		return fmt.Errorf("%s holds %s, but not %s, which the definition of %s asks for: commit what is missing, or change the definition",
			dir, strings.Join(there, ", "), strings.Join(lacks, ", "), p.Name)
	}
	return nil
}
