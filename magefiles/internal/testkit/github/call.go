package github

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// call is a request on its way to an answer.
type call struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	token  bool
	access Access
	// rest are the parts of the path below the repository.
	rest []string
}

const docs = "https://docs.github.com/rest"

// object is JSON.
type object = map[string]any

func (c *call) answer(status int, body any) {
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.Header().Set("X-Github-Media-Type", "github.v3; format=json")
	c.w.WriteHeader(status)
	if body != nil && status != http.StatusNoContent {
		_ = json.NewEncoder(c.w).Encode(body)
	}
}

func (c *call) refuse(status int, message string) {
	c.answer(status, object{"message": message, "documentation_url": docs, "status": strconv.Itoa(status)})
}

// invalid is GitHub's 422 with one error.
func (c *call) invalid(resource, field, code, message string) {
	e := object{"resource": resource, "code": code}
	if field != "" {
		e["field"] = field
	}
	if message != "" {
		e["message"] = message
	}
	c.answer(http.StatusUnprocessableEntity, object{
		"message": "Validation Failed", "errors": []object{e}, "documentation_url": docs, "status": "422",
	})
}

func (c *call) missing() { c.refuse(http.StatusNotFound, "Not Found") }

// open does what GitHub does before it looks at what is wanted. It gives nil
// where that ends the request.
func (s *Server) open(w http.ResponseWriter, r *http.Request) *call {
	c := &call{s: s, w: w, r: r}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.greet() {
		return nil
	}
	accept := r.Header.Get("Accept")
	switch {
	case !strings.HasPrefix(accept, "application/vnd.github") && accept != "application/json" && accept != "application/octet-stream":
		c.refuse(http.StatusUnsupportedMediaType, fmt.Sprintf("Unsupported 'Accept' header: %q. Must accept 'application/json'.", accept))
		return nil
	case r.Header.Get("X-Github-Api-Version") != "2022-11-28":
		c.refuse(http.StatusBadRequest, "The API version is not supported: "+r.Header.Get("X-Github-Api-Version"))
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if len(parts) < 3 || parts[0] != "repos" || parts[1] != Owner || parts[2] != Name || s.o.Private && !c.may("contents", "read") {
		c.missing()
		return nil
	}
	c.rest = parts[3:]
	return c
}

// greet reads the credentials and counts against the limits.
func (c *call) greet() bool {
	s, r, h := c.s, c.r, c.w.Header()
	if r.UserAgent() == "" || strings.HasPrefix(r.UserAgent(), "Go-http-client") {
		c.refuse(http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header")
		return false
	}
	if text := r.Header.Get("Authorization"); text != "" {
		kind, token, _ := strings.Cut(text, " ")
		access, ok := s.tokens[token]
		if !ok || kind != "Bearer" && kind != "token" {
			c.refuse(http.StatusUnauthorized, "Bad credentials")
			return false
		}
		c.token, c.access = true, access
	}
	if c.access.Scopes != nil {
		h.Set("X-Oauth-Scopes", strings.Join(c.access.Scopes, ", "))
		h.Set("X-Accepted-Oauth-Scopes", "repo")
	}
	return s.limit(c)
}

// may tells whether the token has a permission.
func (c *call) may(what, level string) bool {
	if c.access.Scopes != nil {
		return slices.Contains(c.access.Scopes, "repo") || !c.s.o.Private && slices.Contains(c.access.Scopes, "public_repo") ||
			!c.s.o.Private && level == "read"
	}
	got := c.access.Permissions[what]
	return got == "write" || got == level || level == "read" && !c.s.o.Private && what == "contents"
}

// needs answers 403 where the token lacks a permission, 404 where there is no
// token or the scopes of a classic one are too narrow.
func (c *call) needs(what, level string) bool {
	if c.may(what, level) {
		return true
	}
	switch {
	case !c.token:
		if level == "write" {
			c.refuse(http.StatusUnauthorized, "Requires authentication")
		} else {
			c.missing()
		}
	case c.access.Scopes != nil:
		c.missing()
	default:
		c.w.Header().Set("X-Accepted-Github-Permissions", what+"="+level)
		c.refuse(http.StatusForbidden, "Resource not accessible by integration")
	}
	return false
}

// read takes a JSON body apart. GitHub overlooks some unknown fields; here
// all of them are errors.
func (c *call) read(into any) bool {
	text, err := io.ReadAll(c.r.Body)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err == nil {
		err = dec.Decode(into)
	}
	switch {
	case err == nil && !dec.More():
		return true
	case err != nil && strings.Contains(err.Error(), "unknown field"):
		c.refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n"+strings.TrimPrefix(err.Error(), "json: unknown field ")+" is not a permitted key.")
	default:
		c.refuse(http.StatusBadRequest, "Problems parsing JSON")
	}
	return false
}

// query wants no other keys than these.
func (c *call) query(keys ...string) bool {
	for k := range c.r.URL.Query() {
		if !slices.Contains(keys, k) {
			c.refuse(http.StatusUnprocessableEntity, fmt.Sprintf("Invalid request.\n\n%q is not a permitted key.", k))
			return false
		}
	}
	return true
}

// page gives the wanted part of a list and links to the others (RFC 8288).
func page[T any](c *call, all []T) []T {
	q := c.r.URL.Query()
	size, at := 30, 1
	if n, err := strconv.Atoi(q.Get("per_page")); err == nil && n > 0 {
		size = min(n, 100)
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 {
		at = n
	}
	last := max(1, (len(all)+size-1)/size)
	link := func(n int, rel string) string {
		u := url.URL{Scheme: "http", Host: c.r.Host, Path: c.r.URL.Path}
		v := c.r.URL.Query()
		v.Set("page", strconv.Itoa(n))
		u.RawQuery = v.Encode()
		return fmt.Sprintf("<%s>; rel=%q", &u, rel)
	}
	var links []string
	if at > 1 {
		links = append(links, link(at-1, "prev"), link(1, "first"))
	}
	if at < last {
		links = append(links, link(at+1, "next"), link(last, "last"))
	}
	if len(links) > 0 {
		c.w.Header().Set("Link", strings.Join(links, ", "))
	}
	return all[min(len(all), (at-1)*size):min(len(all), at*size)]
}
