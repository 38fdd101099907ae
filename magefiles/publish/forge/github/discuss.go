package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

const (
	categoriesQuery = `query($owner: String!, $name: String!) {
  repository(owner: $owner, name: $name) {
    id
    hasDiscussionsEnabled
    discussionCategories(first: 100) { nodes { id name } }
  }
}`
	discussionsQuery = `query($owner: String!, $name: String!, $category: ID!, $after: String) {
  repository(owner: $owner, name: $name) {
    discussions(first: 100, after: $after, categoryId: $category) {
      nodes { title url }
      pageInfo { hasNextPage endCursor }
    }
  }
}`
	createDiscussion = `mutation($input: CreateDiscussionInput!) {
  createDiscussion(input: $input) { discussion { url } }
}`
)

// Discuss implements [forge.Discussions]. A category is found by its name,
// whatever the case.
func (g *GitHub) Discuss(ctx context.Context, category, title, body string) (page string, made bool, err error) {
	page, err = again(ctx, g, func() (string, error) {
		repo, id, err := g.category(ctx, category)
		if err != nil {
			return "", err
		}
		// Where an earlier round's answer was lost this finds what it made.
		if page, err := g.discussion(ctx, id, title); err != nil || page != "" {
			return page, err
		}
		made = true
		var out struct {
			CreateDiscussion struct {
				Discussion struct {
					URL string `json:"url"`
				} `json:"discussion"`
			} `json:"createDiscussion"`
		}
		err = g.query(ctx, createDiscussion, map[string]any{"input": map[string]any{
			"repositoryId": repo, "categoryId": id, "title": title, "body": body,
		}}, &out)
		return out.CreateDiscussion.Discussion.URL, err
	})
	return page, made && err == nil, g.explain(fmt.Sprintf("opening the discussion %q", title), discussions, err)
}

// category gives the node ids of the repository and of a category.
func (g *GitHub) category(ctx context.Context, name string) (repo, id string, err error) {
	var out struct {
		Repository *struct {
			ID         string `json:"id"`
			Enabled    bool   `json:"hasDiscussionsEnabled"`
			Categories struct {
				Nodes []struct {
					ID   string `json:"id"`
					Name string `json:"name"`
				} `json:"nodes"`
			} `json:"discussionCategories"`
		} `json:"repository"`
	}
	if err := g.query(ctx, categoriesQuery, map[string]any{"owner": g.owner, "name": g.name}, &out); err != nil {
		return "", "", err
	}
	r := out.Repository
	if r == nil {
		return "", "", errors.New("GitHub shows no such repository")
	}
	if !r.Enabled {
		return "", "", errors.New("the repository has no discussions: turn them on in its settings, or leave Announce.Discussions empty")
	}
	var names []string
	for _, c := range r.Categories.Nodes {
		if strings.EqualFold(c.Name, name) {
			return r.ID, c.ID, nil
		}
		names = append(names, c.Name)
	}
	return "", "", fmt.Errorf("there is no category %q among %q: make it, or correct Announce.Discussions", name, names)
}

// discussion finds a discussion by its exact title, "" for none.
func (g *GitHub) discussion(ctx context.Context, category, title string) (string, error) {
	vars := map[string]any{"owner": g.owner, "name": g.name, "category": category, "after": nil}
	for {
		var out struct {
			Repository struct {
				Discussions struct {
					Nodes []struct {
						Title string `json:"title"`
						URL   string `json:"url"`
					} `json:"nodes"`
					PageInfo struct {
						HasNextPage bool   `json:"hasNextPage"`
						EndCursor   string `json:"endCursor"`
					} `json:"pageInfo"`
				} `json:"discussions"`
			} `json:"repository"`
		}
		if err := g.query(ctx, discussionsQuery, vars, &out); err != nil {
			return "", err
		}
		list := out.Repository.Discussions
		for _, d := range list.Nodes {
			if d.Title == title {
				return d.URL, nil
			}
		}
		if !list.PageInfo.HasNextPage {
			return "", nil
		}
		vars["after"] = list.PageInfo.EndCursor
	}
}

// query speaks GraphQL, which the library does not. A request whose answer was
// lost is a failure that passes.
func (g *GitHub) query(ctx context.Context, text string, vars map[string]any, out any) error {
	req, err := g.client.NewRequest(http.MethodPost, g.graphql, map[string]any{"query": text, "variables": vars})
	if err != nil {
		return err
	}
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	res, err := g.client.Do(ctx, req, &answer)
	if err != nil {
		return unsure(err)
	}
	if len(answer.Errors) == 0 {
		return json.Unmarshal(answer.Data, out)
	}
	first := answer.Errors[0]
	err = fmt.Errorf("GitHub answers: %s (%s)", first.Message, first.Type)
	switch first.Type {
	case "RATE_LIMITED":
		at, _ := strconv.ParseInt(res.Header.Get("X-Ratelimit-Reset"), 10, 64)
		return &retry.Passing{Err: err, After: max(time.Second, time.Unix(at, 0).Sub(g.retry.Now()))}
	case "FORBIDDEN", "INSUFFICIENT_SCOPES", "NOT_FOUND":
		return &forge.PermissionError{Doing: "using the discussions of " + g.owner + "/" + g.name, Needs: discussions, Err: err}
	}
	return err
}
