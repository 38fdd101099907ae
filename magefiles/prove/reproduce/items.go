package reproduce

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
)

// item is one thing of a bundle that is compared.
type item struct {
	name   string
	digest v1.Hash
	// path is its file, "" where the bundle does not hold it.
	path string
	// file tells that it is one of the release page, sums that it is the list of
	// checksums.
	file, sums bool
	// toolchain is the compiler's version line of a binary.
	toolchain string
	// inside are the digests of unpacked layers that a config names.
	inside []part
}

type part struct{ name, hex string }

// proofMedia is the media type of a Sigstore bundle, whatever its version.
const proofMedia = "application/vnd.dev.sigstore.bundle"

// predicateKey is the annotation of a Sigstore bundle's manifest with the type
// of what it states.
const predicateKey = "dev.sigstore.bundle.predicateType"

// Why things are left out.
const (
	whyProof    = "a signature: who builds again does not have the key"
	whyEvidence = "the record of a run, with its times"
	whyScan     = "it depends on the scanner's database of the day"
	whyPlan     = "it says what the registry held when the release was planned"
	whyBuilt    = "it says when, and with which tools, the bundle was built"
	whyIndex    = "the bundle's list: each entry is compared by itself"
)

// leave says why an entry is left out; "" where it is compared.
func leave(role bundle.Role, d v1.Descriptor) string {
	title, media := d.Annotations[bundle.TitleKey], string(d.MediaType)
	switch {
	case role == bundle.Evidence:
		return whyEvidence
	case role == bundle.Tagged, strings.HasPrefix(d.ArtifactType, proofMedia), strings.HasPrefix(media, proofMedia):
		return whyProof
	case role != bundle.File:
		return ""
	case media == "application/pgp-signature" || slices.ContainsFunc([]string{".sig", ".asc", ".sigstore.json", ".intoto.jsonl"}, func(s string) bool { return strings.HasSuffix(title, s) }):
		return whyProof
	case media == "application/sarif+json" || strings.HasSuffix(title, ".sarif"):
		return whyScan
	}
	return ""
}

// items lists what a bundle holds: what is compared, and what is left out.
func items(b *bundle.Bundle) (out []item, left []LeftOut, err error) {
	left = []LeftOut{{"plan.json", whyPlan}, {"index.json", whyIndex}}
	if _, err := os.Stat(filepath.Join(b.Dir, bundle.BuiltName)); err == nil {
		left = append(left, LeftOut{bundle.BuiltName, whyBuilt})
	}
	for _, role := range []bundle.Role{bundle.Binary, bundle.File, bundle.Image, bundle.Artifact, bundle.Tagged, bundle.Evidence} {
		for _, d := range b.Entries(role) {
			if why := leave(role, d); why != "" {
				left = append(left, LeftOut{nameOf(role, d), why})
				continue
			}
			if role == bundle.Image {
				more, err := image(b, d)
				if err != nil {
					return nil, nil, err
				}
				out = append(out, more...)
				continue
			}
			i := of(b, nameOf(role, d), d)
			i.file = role == bundle.File
			i.sums = i.file && i.name == bundle.SumsName
			i.toolchain = d.Annotations[bundle.ToolchainKey]
			out = append(out, i)
		}
	}
	if !slices.ContainsFunc(out, func(i item) bool { return i.name == imageName }) {
		return nil, nil, errNoImage
	}
	return distinct(out), left, nil
}

const imageName = "image index"

// distinct numbers what has the same name.
func distinct(list []item) []item {
	seen := map[string]int{}
	for i := range list {
		n := list[i].name
		if seen[n]++; seen[n] > 1 {
			list[i].name = fmt.Sprintf("%s (number %d)", n, seen[n])
		}
	}
	return list
}

func of(b *bundle.Bundle, name string, d v1.Descriptor) item {
	i := item{name: name, digest: d.Digest}
	if b.Has(d) {
		i.path = b.Path(d.Digest)
	}
	return i
}

func nameOf(role bundle.Role, d v1.Descriptor) string {
	title := d.Annotations[bundle.TitleKey]
	switch role {
	case bundle.Artifact:
		kind := "artifact"
		if strings.HasPrefix(d.ArtifactType, proofMedia) {
			kind = "attached proof"
		}
		switch predicate := d.Annotations[predicateKey]; {
		case title != "":
			return kind + " " + title
		case predicate != "":
			return kind + " of type " + predicate
		}
		return kind + " of type " + d.ArtifactType
	case bundle.Tagged:
		if tag := d.Annotations[bundle.RefNameKey]; tag != "" {
			return "tag " + tag
		}
		return "tag of " + d.Digest.String()
	case bundle.Evidence:
		return "evidence " + title
	}
	return title
}

// image lists an image index and everything below it.
func image(b *bundle.Bundle, d v1.Descriptor) ([]item, error) {
	out := []item{of(b, imageName, d)}
	var index v1.IndexManifest
	if err := readJSON(b, d, &index); err != nil {
		return nil, err
	}
	for _, p := range index.Manifests {
		platform := "platform unknown"
		if p.Platform != nil {
			platform = p.Platform.String()
		}
		var m v1.Manifest
		if err := readJSON(b, p, &m); err != nil {
			return nil, err
		}
		var c v1.ConfigFile
		if err := readJSON(b, m.Config, &c); err != nil {
			return nil, err
		}
		comments := layerComments(c.History)
		config := of(b, "config of "+platform, m.Config)
		var layers []item
		for n, l := range m.Layers {
			name := fmt.Sprintf("layer %d of %s", n+1, platform)
			if n < len(comments) && comments[n] != "" {
				name += " (" + comments[n] + ")"
			}
			layers = append(layers, of(b, name, l))
			if n < len(c.RootFS.DiffIDs) {
				config.inside = append(config.inside, part{name, c.RootFS.DiffIDs[n].Hex})
			}
		}
		out = append(out, of(b, "image "+platform, p), config)
		out = append(out, layers...)
	}
	return out, nil
}

// layerComments are the comments of a config's history for its layers.
func layerComments(history []v1.History) (out []string) {
	for _, h := range history {
		if !h.EmptyLayer {
			out = append(out, h.Comment)
		}
	}
	return out
}
