package pipeline

import (
	"fmt"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
)

// TagsQuery asks for the tags of a ref. All fields but Ref may be empty.
type TagsQuery struct {
	Ref, Commit, Date, Published, Withdrawn string
	JSON                                    bool
}

// Tags prints the image tags that a ref gets.
func (s *Suite) Tags(q TagsQuery) error {
	ref, err := decide.ParseRef(q.Ref, s.Product.Branches.Main)
	if err != nil {
		return err
	}
	date := time.Now()
	if q.Date != "" {
		if date, err = time.Parse(time.DateOnly, q.Date); err != nil {
			return fmt.Errorf("-date=%q is no date: want YYYY-MM-DD, in UTC", q.Date)
		}
	}
	published, err := decide.ParseVersions(q.Published)
	if err != nil {
		return fmt.Errorf("-published: %w", err)
	}
	withdrawn, err := decide.ParseVersions(q.Withdrawn)
	if err != nil {
		return fmt.Errorf("-withdrawn: %w", err)
	}
	tags, err := decide.Tags(ref, q.Commit, date, published, withdrawn)
	if err != nil {
		return err
	}
	if q.JSON {
		return s.printJSON(struct {
			decide.Ref
			Tags []decide.Tag `json:"tags"`
		}{ref, tags})
	}
	for _, t := range tags {
		if _, err := fmt.Fprintln(s.Out, t.Name); err != nil {
			return err
		}
	}
	return nil
}
