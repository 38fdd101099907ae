package github

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// graphql answers what the board of discussions needs: the query of the
// categories, that of the discussions, and the mutation createDiscussion. The
// form of the request is GitHub's; its text is told apart by these names.
func (s *Server) graphql(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: w, r: r}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.greet() {
		return
	}
	if !c.token {
		c.refuse(http.StatusUnauthorized, "This endpoint requires you to be authenticated.")
		return
	}
	var in struct {
		Query     string `json:"query"`
		Variables struct {
			Owner, Name, Category string
			After                 *string
			Input                 *struct {
				RepositoryID string `json:"repositoryId"`
				CategoryID   string `json:"categoryId"`
				Title        string `json:"title"`
				Body         string `json:"body"`
			} `json:"input"`
		} `json:"variables"`
	}
	if !c.read(&in) {
		return
	}
	v := in.Variables
	switch {
	case strings.Contains(in.Query, "createDiscussion("):
		if v.Input == nil {
			c.graphqlError("", "Variable $input of type CreateDiscussionInput! was provided invalid value")
			return
		}
		category, ok := s.categoryOf(v.Input.CategoryID)
		switch {
		case !c.may("discussions", "write"):
			c.graphqlError("FORBIDDEN", "Resource not accessible by integration")
		case v.Input.RepositoryID != "R_1" || !ok:
			c.graphqlError("NOT_FOUND", "Could not resolve to a node with the global id of '"+v.Input.CategoryID+"'.")
		case v.Input.Title == "" || v.Input.Body == "":
			c.graphqlError("UNPROCESSABLE", "Title or body can't be blank")
		default:
			d := Discussion{category, v.Input.Title, v.Input.Body, s.URL() + "/discussions/" + strconv.Itoa(len(s.discussions)+1)}
			s.discussions = append(s.discussions, d)
			c.answer(http.StatusOK, object{"data": object{"createDiscussion": object{"discussion": object{"url": d.URL}}}})
		}
	case v.Owner != Owner || v.Name != Name || s.o.Private && !c.may("contents", "read"):
		c.graphqlError("NOT_FOUND", "Could not resolve to a Repository with the name '"+v.Owner+"/"+v.Name+"'.")
	case strings.Contains(in.Query, "discussionCategories("):
		nodes := []object{}
		for i, name := range s.categories {
			nodes = append(nodes, object{"id": "DIC_" + strconv.Itoa(i), "name": name})
		}
		c.answer(http.StatusOK, object{"data": object{"repository": object{
			"id": "R_1", "hasDiscussionsEnabled": len(s.categories) > 0, "discussionCategories": object{"nodes": nodes},
		}}})
	case strings.Contains(in.Query, "discussions(first: 100"):
		category, ok := s.categoryOf(v.Category)
		if !ok {
			c.graphqlError("NOT_FOUND", "Could not resolve to a node with the global id of '"+v.Category+"'.")
			return
		}
		at := 0
		if v.After != nil {
			at, _ = strconv.Atoi(*v.After)
		}
		var list []Discussion
		for _, d := range slices.Backward(s.discussions) {
			if d.Category == category {
				list = append(list, d)
			}
		}
		end := min(len(list), at+100)
		nodes := []object{}
		for _, d := range list[min(at, end):end] {
			nodes = append(nodes, object{"title": d.Title, "url": d.URL})
		}
		c.answer(http.StatusOK, object{"data": object{"repository": object{"discussions": object{
			"nodes": nodes, "pageInfo": object{"hasNextPage": end < len(list), "endCursor": strconv.Itoa(end)},
		}}}})
	default:
		c.graphqlError("", "Parse error or unknown field")
	}
}

func (s *Server) categoryOf(id string) (string, bool) {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "DIC_"))
	if err != nil || n < 0 || n >= len(s.categories) {
		return "", false
	}
	return s.categories[n], true
}

// graphqlError is an error as GraphQL has them: with the status 200.
func (c *call) graphqlError(kind, message string) {
	e := object{"message": message}
	if kind != "" {
		e["type"] = kind
	}
	c.answer(http.StatusOK, object{"data": nil, "errors": []object{e}})
}
