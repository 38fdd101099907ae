package scan

import (
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

// Predicate gives a report and what was decided as the predicate of a
// vulnerability attestation, in the form of cosign's specification (v1). The
// same report and decision give the same predicate.
func Predicate(r Report, d Decision, uri string) intoto.VulnerabilityScan {
	var p intoto.VulnerabilityScan
	p.Invocation.Parameters = []string{}
	p.Invocation.URI = uri
	p.Scanner.URI, p.Scanner.Version = r.Scanner.URI, r.Scanner.Version
	p.Scanner.DB.URI, p.Scanner.DB.Version = r.Database.From, r.Database.Built.UTC().Format(time.RFC3339)
	p.Scanner.Result = d
	p.Metadata.Started, p.Metadata.Finished = r.Started.UTC().Truncate(time.Second), r.Finished.UTC().Truncate(time.Second)
	return p
}
