package gitea

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/internal/transfer"
)

// Upload implements [forge.Forge]. The server takes several files of one name
// and never replaces one: what is there under the name is compared, and in a
// draft deleted where it differs. After a broken connection the file may have
// arrived, so each try begins with looking.
func (g *Gitea) Upload(ctx context.Context, tag string, a forge.Asset, content forge.Content) error {
	if err := forge.CheckName(a.Name); err != nil {
		return err
	}
	doing := fmt.Sprintf("uploading %s to release %s", a.Name, tag)
	_, err := retry.Do(ctx, g.retry, func() (struct{}, error) {
		found, err := g.find(ctx, tag)
		if err != nil {
			return struct{}{}, err
		}
		if found == nil {
			return struct{}{}, fmt.Errorf("%s: there is no such release", doing)
		}
		there, err := g.settle(ctx, found, a)
		if err == nil && !there {
			err = g.post(ctx, doing, found.ID, a, content)
		}
		return struct{}{}, err
	})
	return err
}

// settle leaves one file of the asset's name at most, that one being the asset,
// and tells whether there is one. In a public release nothing is deleted.
func (g *Gitea) settle(ctx context.Context, found *sdk.Release, a forge.Asset) (there bool, err error) {
	var surplus []*sdk.Attachment
	for _, f := range named(found, a.Name) {
		same := false
		if f.Size == a.Size || !found.IsDraft {
			have, err := g.sum(ctx, found.TagName, f)
			if err != nil {
				return false, err
			}
			if same = have == a; !same && !found.IsDraft {
				return false, &forge.ConflictError{Tag: found.TagName, Asset: a.Name, Found: have.SHA256, Want: a.SHA256}
			}
		}
		if same && !there {
			there = true
		} else {
			surplus = append(surplus, f)
		}
	}
	if !found.IsDraft {
		return there, nil
	}
	return there, g.remove(ctx, found, surplus)
}

func named(r *sdk.Release, name string) []*sdk.Attachment {
	var out []*sdk.Attachment
	for _, f := range r.Attachments {
		if f.Name == name {
			out = append(out, f)
		}
	}
	return out
}

// Drop implements [forge.Forge].
func (g *Gitea) Drop(ctx context.Context, tag, name string) error {
	if err := forge.CheckName(name); err != nil {
		return err
	}
	found, err := g.find(ctx, tag)
	if err != nil || found == nil {
		return err
	}
	if !found.IsDraft {
		return &forge.PublicError{Tag: tag}
	}
	return g.remove(ctx, found, named(found, name))
}

// remove deletes files. One that is gone already was deleted by a request
// whose answer got lost.
func (g *Gitea) remove(ctx context.Context, r *sdk.Release, files []*sdk.Attachment) error {
	for _, f := range files {
		doing := fmt.Sprintf("deleting %s of release %s", f.Name, r.TagName)
		_, err := call(ctx, g, doing, func(c *sdk.Client) (struct{}, *sdk.Response, error) {
			res, err := c.DeleteReleaseAttachment(g.owner, g.name, r.ID, f.ID)
			return struct{}{}, res, err
		})
		if err != nil && !is(err, http.StatusNotFound) {
			return err
		}
	}
	return nil
}

// post sends a file, once. The SDK would take all of it into memory. Size and
// checksum are held against what is read on the way, and the end of the form
// goes out only when they are right: without it the server keeps nothing.
func (g *Gitea) post(ctx context.Context, doing string, release int64, a forge.Asset, content forge.Content) error {
	r, err := content()
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	sent := transfer.NewContent(r, a.Size, a.SHA256)
	defer sent.Close() //nolint:errcheck // only read
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if _, err := w.CreateFormFile("attachment", a.Name); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	head := form.Len()
	if err := w.Close(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	body := io.MultiReader(bytes.NewReader(form.Bytes()[:head]), sent, bytes.NewReader(form.Bytes()[head:]))
	address := fmt.Sprintf("%s/api/v1/repos/%s/%s/releases/%d/assets?name=%s", g.server, url.PathEscape(g.owner), url.PathEscape(g.name), release, url.QueryEscape(a.Name))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, io.NopCloser(body))
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	req.ContentLength = int64(form.Len()) + a.Size
	req.Header.Set("Content-Type", w.FormDataContentType())
	g.sign(req)
	res, err := g.client.Do(req)
	if fault := sent.Fault(); fault != nil {
		return fmt.Errorf("%s: %w", doing, fault)
	}
	if err != nil {
		return lost(fmt.Errorf("%s: %w", doing, err))
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return lost(fmt.Errorf("%s: %w", doing, err))
	}
	if res.StatusCode != http.StatusCreated {
		return g.unwanted(doing, a, res, text)
	}
	var made sdk.Attachment
	if err := json.Unmarshal(text, &made); err != nil {
		return fmt.Errorf("%s: reading the server's answer: %w", doing, err)
	}
	if made.Name != a.Name || made.Size != a.Size {
		return fmt.Errorf("%s: the server keeps it as %s with %d bytes, expected %d bytes", doing, made.Name, made.Size, a.Size)
	}
	return nil
}

// unwanted says why the server does not take a file, and which of its settings
// decides that.
func (g *Gitea) unwanted(doing string, a forge.Asset, res *http.Response, text []byte) error {
	var said struct{ Message string }
	if err := json.Unmarshal(text, &said); err != nil {
		said.Message = string(text)
	}
	switch {
	case res.StatusCode == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%s: the server does not take %d bytes: raise FILE_MAX_SIZE under [repository.release] in its app.ini, or the limit of the proxy before it (%s)",
			doing, a.Size, strings.TrimSpace(said.Message))
	case res.StatusCode == http.StatusBadRequest && strings.Contains(said.Message, "forbidden file extension or type"):
		return fmt.Errorf("%s: the server takes no files of this type: add it to ALLOWED_TYPES under [repository.release] in its app.ini, or leave that empty (%s)",
			doing, strings.TrimSpace(said.Message))
	}
	return lost(g.refused(doing, res, said.Message))
}
