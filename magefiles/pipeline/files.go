package pipeline

import (
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
)

// VerifyFiles proves the files of a release page that lie in a directory. The
// query's image is not asked for.
func (s *Suite) VerifyFiles(dir string, q VerifyQuery) error {
	trust, err := s.trustedBy(q)
	if err != nil {
		return err
	}
	expect := verify.Expect{Source: s.Product.Source, Commit: q.Commit}
	if q.Tag != "" {
		expect.Ref = tagRef(q.Tag)
	}
	report, err := verify.Files(dir, trust, expect)
	if len(report.Checks) > 0 {
		if printed := s.printFiles(report, q.JSON); printed != nil {
			return printed
		}
	}
	return err
}
