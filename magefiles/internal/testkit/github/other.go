package github

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Run is a workflow's run.
type Run struct {
	ID                                     int64
	Name, HeadSHA, Status, Conclusion, URL string
	Created                                time.Time
}

// Pull is an open pull request.
type Pull struct{ Head, Base, Title, Body, URL string }

// Discussion is one on the board.
type Discussion struct{ Category, Title, Body, URL string }

func (c *call) listRuns() {
	if !c.query("per_page", "page", "head_sha") || !c.needs("actions", "read") {
		return
	}
	runs := slices.Clone(c.s.runs)
	if sha := c.r.URL.Query().Get("head_sha"); sha != "" {
		runs = slices.DeleteFunc(runs, func(r Run) bool { return r.HeadSHA != sha })
	}
	out := []object{}
	for _, r := range page(c, runs) {
		o := object{
			"id": r.ID, "name": r.Name, "head_sha": r.HeadSHA, "status": r.Status, "conclusion": nil,
			"html_url": r.URL, "created_at": r.Created.UTC().Format(time.RFC3339),
		}
		if r.Conclusion != "" {
			o["conclusion"] = r.Conclusion
		}
		out = append(out, o)
	}
	c.answer(http.StatusOK, object{"total_count": len(runs), "workflow_runs": out})
}

func pullJSON(i int, p Pull) object {
	return object{
		"number": i + 1, "state": "open", "title": p.Title, "body": p.Body, "html_url": p.URL,
		"head": object{"ref": p.Head, "label": Owner + ":" + p.Head}, "base": object{"ref": p.Base},
	}
}

func (c *call) listPulls() {
	if !c.query("per_page", "page", "state", "head", "base") || !c.needs("pull_requests", "read") {
		return
	}
	q := c.r.URL.Query()
	found := []object{}
	for i, p := range c.s.pulls {
		// A head without its owner filters nothing.
		head := q.Get("head")
		if (strings.Contains(head, ":") && head != Owner+":"+p.Head) || (q.Get("base") != "" && q.Get("base") != p.Base) {
			continue
		}
		found = append(found, pullJSON(i, p))
	}
	c.answer(http.StatusOK, page(c, found))
}

func (c *call) createPull() {
	var want struct {
		Title, Head, Base, Body string
		Draft                   bool
		Modify                  bool `json:"maintainer_can_modify"`
	}
	if !c.needs("pull_requests", "write") || !c.read(&want) {
		return
	}
	s := c.s
	from, ok := s.branches[want.Head]
	if !ok {
		c.invalid("PullRequest", "head", "invalid", "")
		return
	}
	to, ok := s.branches[want.Base]
	if !ok {
		c.invalid("PullRequest", "base", "invalid", "")
		return
	}
	for _, p := range s.pulls {
		if p.Head == want.Head && p.Base == want.Base {
			c.invalid("PullRequest", "", "custom", fmt.Sprintf("A pull request already exists for %s:%s.", Owner, want.Head))
			return
		}
	}
	if from == to {
		c.invalid("PullRequest", "", "custom", fmt.Sprintf("No commits between %s and %s", want.Base, want.Head))
		return
	}
	p := Pull{want.Head, want.Base, want.Title, want.Body, s.URL() + "/pull/" + strconv.Itoa(len(s.pulls)+1)}
	s.pulls = append(s.pulls, p)
	c.answer(http.StatusCreated, pullJSON(len(s.pulls)-1, p))
}
