package github

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// The states of an asset.
const (
	starter  = "starter"
	uploaded = "uploaded"
)

type asset struct {
	ID                int64
	Name, Type, State string
	Size              int64
	SHA256            string
	late              int
}

func (c *call) assetJSON(a *asset) object {
	out := object{
		"id": a.ID, "url": fmt.Sprintf("%s/repos/%s/%s/releases/assets/%d", c.s.api.URL, Owner, Name, a.ID),
		"name": a.Name, "label": "", "state": a.State, "content_type": a.Type, "size": a.Size, "download_count": 0,
		"created_at": c.s.o.Now().UTC().Format(time.RFC3339), "digest": nil,
	}
	if a.State == uploaded && !c.s.o.NoDigests {
		out["digest"] = "sha256:" + a.SHA256
	}
	return out
}

// listAssets gives them in the order of their names, as GitHub does.
func (c *call) listAssets(r *release) {
	if !c.query("per_page", "page") {
		return
	}
	if !c.sees(r) {
		c.missing()
		return
	}
	shown := slices.DeleteFunc(slices.Clone(r.assets), func(a *asset) bool { return hides(&a.late) })
	out := []object{}
	for _, a := range page(c, shown) {
		out = append(out, c.assetJSON(a))
	}
	c.answer(http.StatusOK, out)
}

func (c *call) oneAsset(id string) {
	for _, r := range c.s.releases {
		for _, a := range r.assets {
			if strconv.FormatInt(a.ID, 10) != id || !c.sees(r) {
				continue
			}
			switch c.r.Method {
			case http.MethodGet:
				c.getAsset(a)
			case http.MethodDelete:
				c.deleteAsset(r, a)
			default:
				c.missing()
			}
			return
		}
	}
	c.missing()
}

// getAsset sends the description, or sends the caller to the content.
func (c *call) getAsset(a *asset) {
	if c.r.Header.Get("Accept") != "application/octet-stream" {
		c.answer(http.StatusOK, c.assetJSON(a))
		return
	}
	if a.State != uploaded {
		c.missing()
		return
	}
	c.w.Header().Set("Location", c.s.storage.URL+"/"+strconv.FormatInt(a.ID, 10))
	c.w.WriteHeader(http.StatusFound)
}

func (c *call) deleteAsset(r *release, a *asset) {
	switch {
	case !c.needs("contents", "write"):
		return
	case r.immutable():
		c.invalid("ReleaseAsset", "", "custom", "Cannot delete asset from an immutable release")
		return
	case !r.Draft && a.State == uploaded:
		c.s.sin("asset %s of public release %s was deleted", a.Name, r.Tag)
	}
	r.assets = slices.DeleteFunc(r.assets, func(o *asset) bool { return o == a })
	_ = os.Remove(c.s.content(a.ID))
	c.answer(http.StatusNoContent, nil)
}

var odd = regexp.MustCompile(`[^A-Za-z0-9._+@-]`)

// upload takes an asset. What is cut off stays as a starter, which blocks the
// name until somebody deletes it.
func (s *Server) upload(c *call) {
	r, a := s.begin(c)
	if a == nil {
		// What is sent all the same is taken, so that the answer arrives.
		_, _ = io.Copy(io.Discard, c.r.Body)
		return
	}
	size, sum, err := s.store(a.ID, c.r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		c.refuse(http.StatusBadRequest, "Bad Size")
		return
	}
	a.Size, a.SHA256, a.State = size, sum, uploaded
	if s.traffic.corrupting && s.traffic.corrupt == a.Name {
		a.SHA256 = hex.EncodeToString(make([]byte, sha256.Size))
	}
	if !slices.Contains(r.assets, a) {
		c.missing()
		return
	}
	c.answer(http.StatusCreated, c.assetJSON(a))
}

// begin makes the starter, or answers why not.
func (s *Server) begin(c *call) (*release, *asset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(c.rest) != 3 || c.rest[0] != "releases" || c.rest[2] != "assets" || c.r.Method != http.MethodPost {
		c.missing()
		return nil, nil
	}
	name := odd.ReplaceAllString(c.r.URL.Query().Get("name"), ".")
	r := s.release(c.rest[1])
	switch {
	case !c.needs("contents", "write") || !c.query("name", "label"):
	case !c.sees(r):
		c.missing()
	case r.immutable():
		c.refuse(http.StatusUnprocessableEntity, "Cannot upload assets to an immutable release.")
	case name == "":
		c.invalid("ReleaseAsset", "name", "missing_field", "")
	case c.r.ContentLength < 0:
		c.refuse(http.StatusLengthRequired, "Length Required")
	case c.r.ContentLength == 0:
		c.invalid("ReleaseAsset", "size", "custom", "size must be greater than or equal to 1")
	case c.r.ContentLength > 2<<30:
		c.invalid("ReleaseAsset", "size", "custom", "size must be less than 2147483648")
	case c.r.Header.Get("Content-Type") == "":
		c.invalid("ReleaseAsset", "content_type", "missing_field", "")
	case slices.ContainsFunc(r.assets, func(a *asset) bool { return a.Name == name }):
		c.invalid("ReleaseAsset", "name", "already_exists", "")
	case len(r.assets) >= 1000:
		c.invalid("ReleaseAsset", "", "custom", "file_count limited to 1000 assets per release")
	default:
		a := &asset{ID: s.id(), Name: name, Type: c.r.Header.Get("Content-Type"), State: starter, late: s.o.Late}
		r.assets = append(r.assets, a)
		return r, a
	}
	return nil, nil
}

func (s *Server) store(id int64, r *http.Request) (int64, string, error) {
	h := sha256.New()
	var to io.Writer = h
	if !s.o.Discard {
		f, err := os.Create(s.content(id))
		if err != nil {
			return 0, "", err
		}
		defer f.Close() //nolint:errcheck // a short file shows as another checksum
		to = io.MultiWriter(f, h)
	}
	n, err := io.Copy(to, r.Body)
	return n, hex.EncodeToString(h.Sum(nil)), err
}
