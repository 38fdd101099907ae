package image

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"

	roots "golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// rootsPath is where the CA roots lie in the image, and where most programs
// look for them.
const rootsPath = "/etc/ssl/certs/ca-certificates.crt"

// rootEntries gives the CA roots of Mozilla's list, as the module that go.sum
// pins has them: what the machine trusts does not matter. A root that is
// trusted under a condition only, such as "for certificates issued before a
// date", is left out: the file's format cannot express the condition.
func rootEntries(p product.Product, files *tree) ([]entry, error) {
	if p.Image.Base != "" {
		return nil, nil
	}
	var text bytes.Buffer
	for root := range roots.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	if text.Len() == 0 {
		return nil, errors.New("the list of CA roots is empty")
	}
	return files.layer([]entry{file(rootsPath, text.Bytes())}), nil
}

// accountEntries gives the accounts root and the product's user, the order of
// name look-ups (hosts before DNS, as everywhere), /tmp, and the directories
// that the user writes to.
func accountEntries(p product.Product, files *tree) ([]entry, error) {
	if p.Image.Base != "" {
		return nil, nil
	}
	u := p.Image.User
	passwd := fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\n%s:x:%d:%d:%s:/:/sbin/nologin\n", u.Name, u.UID, u.GID, u.Name)
	group := fmt.Sprintf("root:x:0:\n%s:x:%d:\n", u.Name, u.GID)
	tmp := directory("/tmp")
	tmp.mode = 0o1777
	entries := []entry{
		file("/etc/passwd", []byte(passwd)),
		file("/etc/group", []byte(group)),
		file("/etc/nsswitch.conf", []byte("hosts: files dns\n")),
		tmp,
	}
	return files.layer(append(entries, userDirs(p)...)), nil
}

// dirEntries gives the user's directories alone, for a base image that has
// everything else.
func dirEntries(p product.Product, files *tree) ([]entry, error) {
	if p.Image.Base == "" {
		return nil, nil
	}
	return files.layer(userDirs(p)), nil
}

// userDirs are the directories that belong to the user. /tmp belongs to
// everybody.
func userDirs(p product.Product) []entry {
	var out []entry
	for _, name := range p.Image.Dirs {
		if name == "/tmp" {
			continue
		}
		d := directory(name)
		d.uid, d.gid = p.Image.User.UID, p.Image.User.GID
		out = append(out, d)
	}
	return out
}

// frontendEntries gives the built frontend, readable by all and written by
// nobody.
func frontendEntries(p product.Product, in Input, files *tree) ([]entry, error) {
	if p.Frontend == nil {
		return nil, nil
	}
	var out []entry
	err := filepath.WalkDir(in.FrontendDir, func(from string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(in.FrontendDir, from)
		if err != nil {
			return err
		}
		name := path.Join(p.Frontend.ImageDir, filepath.ToSlash(below))
		switch {
		case d.IsDir():
			out = append(out, directory(name))
		case d.Type().IsRegular():
			info, err := d.Info()
			if err != nil {
				return err
			}
			out = append(out, entry{name: inImage(name), mode: 0o644, path: from, size: info.Size()})
		default:
			return fmt.Errorf("%s is neither a file nor a directory (%s): the frontend's build has to copy what it needs", from, d.Type())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(out) < 2 {
		return nil, fmt.Errorf("%s holds no file: build the frontend first", in.FrontendDir)
	}
	return files.layer(out), nil
}

// binaryEntries gives a target's binary.
func binaryEntries(b *bundle.Bundle, p product.Product, t product.Target, files *tree) ([]entry, error) {
	d, err := binary(b, t)
	if err != nil {
		return nil, err
	}
	return files.layer([]entry{{
		name: inImage(p.Image.BinaryPath), mode: 0o755, path: b.Path(d.Digest), size: d.Size,
	}}), nil
}
