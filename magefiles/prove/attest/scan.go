package attest

import (
	"fmt"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// Scan is what a scanner found in the images, and what was decided of it.
type Scan struct {
	// Scanner is its name, each once.
	Scanner   string
	Predicate intoto.VulnerabilityScan
}

// scans makes the statements of the scans: each is one about the index and all
// images.
func (all things) scans(list []Scan) ([]proof, error) {
	var out []proof
	for _, s := range list {
		on := append([]thing{all.index}, all.images...)
		var subjects []intoto.Subject
		for _, t := range on {
			subjects = append(subjects, intoto.SHA256(t.name, t.Digest.Hex))
		}
		statement, err := intoto.Encode(intoto.Vulnerabilities, s.Predicate, subjects...)
		if err != nil {
			return nil, fmt.Errorf("attesting the scan by %s: %w", s.Scanner, err)
		}
		for _, t := range on {
			out = append(out, proof{t.label + ".vulnerabilities." + s.Scanner, t, intoto.Vulnerabilities, statement})
		}
	}
	return out, nil
}
