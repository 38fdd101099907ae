package pipeline

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/atomicfile"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// withdrawnDir is where the records of withdrawals lie, below dist.
const withdrawnDir = "withdrawn"

// did takes what was done, or would be, into the record.
func (r *rolledBack) did(actions []converge.Action) {
	r.news = converge.Pending(actions)
	for _, a := range actions {
		r.Actions = append(r.Actions, a.String())
		if m, ok := a.(converge.MoveTag); ok {
			r.Moved = append(r.Moved, m.Tag)
			r.Before[m.Tag] = "nothing"
			if m.From != (v1.Hash{}) {
				r.Before[m.Tag] = strings.TrimSpace(m.From.String() + " " + m.Was.String())
			}
		}
	}
}

// led names the rolling tags that would name a version and, since it is
// withdrawn, name the one to use instead.
func led(status converge.Status, v, use decide.Version) []string {
	var published, withdrawn []decide.Version
	for _, o := range status.Stable {
		published = append(published, o.Version)
		if o.Withdrawn != nil && o.Version.Compare(v) != 0 {
			withdrawn = append(withdrawn, o.Version)
		}
	}
	before := decide.Rolling(published, withdrawn)
	after := decide.Rolling(published, append(withdrawn, v))
	var out []string
	for _, tag := range slices.Backward(decide.RollingOrder(after)) {
		if before[tag].Compare(v) == 0 && after[tag].Compare(use) == 0 {
			out = append(out, tag)
		}
	}
	return out
}

// writeNotice leaves the text for users in dist.
func (s *Suite) writeNotice(out rolledBack) (string, error) {
	text, err := s.notice(out).Markdown()
	if err != nil {
		return "", err
	}
	path := s.dist(withdrawnDir, out.Version.Tag(), "notice.md")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return path, atomicfile.Write(path, []byte(text), 0o644)
}

// recordRollback leaves a record of its own in dist for each run that did
// something.
func (s *Suite) recordRollback(out rolledBack) error {
	if !out.news {
		return nil
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	dir := s.dist(withdrawnDir, out.Version.Tag())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	begin := "record-" + s.clock().UTC().Format("20060102T150405Z")
	name := begin + ".json"
	for n := 2; ; n++ {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			break
		}
		name = fmt.Sprintf("%s-%d.json", begin, n)
	}
	return atomicfile.Write(filepath.Join(dir, name), append(text, '\n'), 0o644)
}

// notice is what users are told.
func (s *Suite) notice(out rolledBack) record.Notice {
	return record.Notice{
		Title: s.Product.Title, Version: out.Version, Use: out.Use, Reason: out.Reason,
		Image: s.Product.Image.Repository, Digest: out.Digest, UseDigest: out.UseDigest,
		Page: s.page(out.Version.Tag()), UsePage: s.page(out.Use.Tag()),
		Guide: s.fileAt(s.Product.Branches.Main, s.Product.Paperwork.Upgrading), Moved: out.led,
	}
}
