// Package installer makes install.sh, the script that installs a release's
// binary after it has verified it: the suite's own script with a product's
// values and the key or identity that it trusts. It knows bundle and product,
// and reads Sigstore's trusted roots.
package installer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/scripts"
)

// Name is the script's name on a release page.
const Name = "install.sh"

// Trust is what the script holds a release against: a key, or else an identity.
type Trust struct {
	// Key is the public key in PEM.
	Key []byte
	// Issuer is the OIDC issuer that vouches for workflows.
	Issuer string
	// Stable and Candidate are the URIs of the workflows that sign such releases,
	// without a ref. One of them may be empty.
	Stable, Candidate []string
	// Root is the pinned trusted root in JSON; nil stands for the public
	// Sigstore's, which cosign looks up.
	Root []byte
}

// Write adds the script to the bundle's files, where the product wants one.
func Write(b *bundle.Bundle, p product.Product, t Trust) error {
	if p.Install == nil {
		return nil
	}
	text, err := Render(p, t)
	if err != nil {
		return fmt.Errorf("writing %s: %w", Name, err)
	}
	blob, err := b.Ingest(strings.NewReader(text))
	if err != nil {
		return err
	}
	return b.Add(bundle.File, blob.Descriptor("text/x-shellscript", Name))
}

// Marks of the block with the values.
const (
	begin = "# --- what is installed ---\n"
	end   = "# --- end ---\n"
)

// Render gives the script. It is a function of product and trust alone.
func Render(p product.Product, t Trust) (string, error) {
	if p.Install == nil {
		return "", fmt.Errorf("the product %q is not installed by a script: give it an Install", p.Name)
	}
	if len(t.Key) == 0 && (t.Issuer == "" || len(t.Stable)+len(t.Candidate) == 0) {
		return "", errors.New("there is neither a key nor an identity that the script could trust")
	}
	before, rest, ok := strings.Cut(scripts.Install(), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("the suite's scripts/%s has no block between %q and %q", Name, begin, end)
	}
	trusted, instance, err := pinned(t.Root)
	if err != nil {
		return "", fmt.Errorf("reading the trusted root: %w", err)
	}
	page := cmp.Or(p.Forge.URL, p.Source)
	assets := map[string]string{}
	for _, target := range p.Cargo.Targets {
		if target.OS == "linux" {
			assets[target.Arch] = target.Asset
		}
	}
	var out strings.Builder
	out.WriteString(strings.ReplaceAll(before, product.RustShare().Source, page))
	out.WriteString(begin)
	for _, v := range [][2]string{
		{"product", p.Name}, {"repository", page}, {"command", p.Install.Command},
		{"asset_x86_64", assets["amd64"]}, {"asset_aarch64", assets["arm64"]},
		{"key", strings.TrimSpace(string(t.Key))},
		{"stable_workflows", strings.Join(t.Stable, " ")}, {"candidate_workflows", strings.Join(t.Candidate, " ")}, {"issuer", t.Issuer},
		{"trusted_root", trusted}, {"instance", instance},
	} {
		// Quoted whatever it is: a script that was cut short inside does not parse.
		fmt.Fprintf(&out, "%s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`))
	}
	out.WriteString(end)
	out.WriteString(after)
	return out.String(), nil
}

// pinned gives a trusted root on one line, and the flags that tell cosign what
// its instance has. What the root names has to be there, and nothing else can be.
func pinned(text []byte) (line, flags string, err error) {
	if text == nil {
		return "", "", nil
	}
	material, err := root.NewTrustedRootFromJSON(text)
	if err != nil {
		return "", "", fmt.Errorf("it is not Sigstore's trusted_root.json: %w", err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		return "", "", err
	}
	stamps, logs := len(material.TimestampingAuthorities()) > 0, len(material.RekorLogs()) > 0
	if !stamps && !logs {
		return "", "", errors.New("it names neither a timestamp authority nor a log: nothing could say when a certificate was used, which is valid for minutes")
	}
	var found []string
	if stamps {
		found = append(found, "--use-signed-timestamps")
	}
	if !logs {
		found = append(found, "--insecure-ignore-tlog")
	}
	if len(material.CTLogs()) == 0 {
		found = append(found, "--insecure-ignore-sct")
	}
	return out.String(), strings.Join(found, " "), nil
}
