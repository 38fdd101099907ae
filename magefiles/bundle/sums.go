package bundle

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
)

// SumsName is the file with the checksums of all the assets.
const SumsName = "SHA256SUMS"

// OfSums tells whether a file is the list of checksums or a signature over it:
// neither is in the list, nor a subject of the provenance.
func OfSums(title string) bool {
	return title == SumsName || strings.HasPrefix(title, SumsName+".")
}

// WriteSums writes SHA256SUMS, in the form of sha256sum(1), sorted by name, and
// adds it to the files. The file itself and its signatures are not in it.
func (b *Bundle) WriteSums() error {
	var lines []string
	for _, d := range b.Assets() {
		if title := d.Annotations[TitleKey]; !OfSums(title) {
			lines = append(lines, d.Digest.Hex+"  "+title+"\n")
		}
	}
	slices.SortFunc(lines, func(a, c string) int { return strings.Compare(a[66:], c[66:]) })
	text := []byte(strings.Join(lines, ""))
	if err := atomicfile.Write(filepath.Join(b.Dir, SumsName), text, 0o644); err != nil {
		return err
	}
	blob, err := b.Ingest(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return b.Add(File, blob.Descriptor("text/plain", SumsName))
}
