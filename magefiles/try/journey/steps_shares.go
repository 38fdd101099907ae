package journey

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
)

func internalShare() step {
	return step{name: "internal share", expect: "the file in the viewer's list", viewer: true, do: func(ctx context.Context, v *visit) error {
		var in struct {
			ID string `json:"share_id"`
		}
		body := map[string]string{"recipient_email": v.target.Viewer.Email, "permission": "View"}
		if err := v.ask(ctx, api(v.admin, http.MethodPost, "files", v.report.Kept.FileID, "share").with(body), &in); err != nil {
			return err
		}
		if err := v.need("share_id", in.ID); err != nil {
			return err
		}
		v.shared = &thing{what: "internal share", id: in.ID, remove: func(ctx context.Context, id string) error {
			return v.remove(ctx, "shares", id, "recipient")
		}}
		v.made = append(v.made, v.shared)
		received, err := v.received(ctx)
		if err != nil {
			return err
		}
		if !received {
			return v.wrong("an item whose resource_id is the file "+v.report.Kept.FileID, v.last)
		}
		return nil
	}}
}

// received asks whether the file is in the viewer's list.
func (v *visit) received(ctx context.Context) (bool, error) {
	var in any
	if err := v.ask(ctx, api(v.viewer, http.MethodGet, "shares", "received"), &in); err != nil {
		return false, err
	}
	list, ok := items(in)
	if !ok {
		return false, v.wrong("a list", v.last)
	}
	for _, item := range list {
		if at(item, "resource_id") == v.report.Kept.FileID {
			return true, nil
		}
	}
	return false, nil
}

func revoke() step {
	return step{name: "revoke", expect: "the file gone from the viewer's list", viewer: true, do: func(ctx context.Context, v *visit) error {
		v.shared.tried = true
		if err := v.shared.remove(ctx, v.shared.id); err != nil {
			return err
		}
		v.made = slices.DeleteFunc(v.made, func(m *thing) bool { return m == v.shared })
		received, err := v.received(ctx)
		if err != nil {
			return err
		}
		if received {
			return v.wrong("the revoked share gone: the viewer can still see the file "+v.report.Kept.FileID, v.last)
		}
		return nil
	}}
}

func publicLink() step {
	return step{name: "public link", expect: "the bytes that were uploaded", do: func(ctx context.Context, v *visit) error {
		l, err := v.share(ctx, map[string]any{"permissions": "View"}, "files", v.report.Kept.FileID)
		if err != nil {
			return err
		}
		v.publicLink, v.report.Kept.PublicShareID = l, l.id
		return v.openLink(ctx, l, "")
	}}
}

// share makes a public link to a file or a folder.
func (v *visit) share(ctx context.Context, body map[string]any, kind, id string) (link, error) {
	var in struct {
		ID    string
		Token string `json:"share_token"`
	}
	err := v.ask(ctx, api(v.admin, http.MethodPost, kind, id, "shares").with(body), &in)
	v.mask.add(in.Token)
	if err == nil {
		err = v.need("id", in.ID, "share_token", in.Token)
	}
	return link{in.ID, in.Token}, err
}

// enter opens a public link's session; without cookies, as visitors do.
func (v *visit) enter(ctx context.Context, l link, password string) (*someone, error) {
	body := map[string]string{}
	if password != "" {
		body["password"] = password
	}
	var in struct {
		Token string `json:"session_token"`
	}
	err := v.ask(ctx, api(v.stranger(""), http.MethodPost, "public", "share", l.token, "session").with(body), &in)
	v.mask.add(in.Token)
	if err == nil {
		err = v.need("session_token", in.Token)
	}
	return v.stranger(in.Token), err
}

// openLink downloads the file of this run through a public link.
func (v *visit) openLink(ctx context.Context, l link, password string) error {
	visitor, err := v.enter(ctx, l, password)
	if err != nil {
		return err
	}
	k := v.report.Kept
	return v.fetch(ctx, api(visitor, http.MethodGet, "public", "share", l.token, "file"), k.FileSHA256, k.FileSize)
}

// linkInfo is what a visitor may know of a link before he opens it.
type linkInfo struct {
	ResourceType      string `json:"resource_type"`
	PasswordProtected *bool  `json:"password_protected"`
	UploadOnly        *bool  `json:"upload_only"`
}

func (v *visit) info(ctx context.Context, l link) (linkInfo, error) {
	var in linkInfo
	if err := v.ask(ctx, api(v.stranger(""), http.MethodGet, "public", "share", l.token, "info"), &in); err != nil {
		return in, err
	}
	switch {
	case in.ResourceType == "":
		return in, v.wrong("the field resource_type", v.last)
	case in.PasswordProtected == nil:
		return in, v.wrong("the field password_protected", v.last)
	case in.UploadOnly == nil:
		return in, v.wrong("the field upload_only", v.last)
	}
	return in, nil
}

func publicInfo() step {
	return step{name: "public link info", expect: "a file, without a password, not for uploads", do: func(ctx context.Context, v *visit) error {
		in, err := v.info(ctx, v.publicLink)
		if err == nil && (in.ResourceType != "file" || *in.PasswordProtected || *in.UploadOnly) {
			err = v.wrong("resource_type file, password_protected false and upload_only false", v.last)
		}
		return err
	}}
}

func keptLink() step {
	return step{name: "kept public link", expect: "the bytes that were uploaded", do: func(ctx context.Context, v *visit) error {
		l := v.publicLink
		if l.token == "" {
			var err error
			if l, err = v.listedLink(ctx); err != nil {
				return err
			}
		}
		if l.token == "" {
			v.step.Outcome, v.step.Found = Skipped, "no report keeps a link's token, and the product does not list links"
			return nil
		}
		return v.openLink(ctx, l, "")
	}}
}

// restoredLink opens one public link that is there.
func restoredLink() step {
	return step{name: "public link", expect: "one that opens", do: func(ctx context.Context, v *visit) error {
		l := link{token: v.target.PublicShareToken}
		if l.token == "" {
			l = v.publicLink
		}
		if l.token == "" {
			var err error
			if l, err = v.listedLink(ctx); err != nil {
				return err
			}
		}
		if l.token == "" {
			return v.without("no public link is known: set PUBLIC_SHARE_TOKEN, or ALLOW_SKIP_PUBLIC_SHARE=true to do without")
		}
		in, err := v.info(ctx, l)
		if err != nil {
			return err
		}
		if *in.PasswordProtected && v.target.PublicSharePassword == "" {
			return v.without("the public link has a password: set PUBLIC_SHARE_PASSWORD, or ALLOW_SKIP_PUBLIC_SHARE=true to do without")
		}
		password := ""
		if *in.PasswordProtected {
			password = v.target.PublicSharePassword
		}
		ours := l.id != "" && l.id == v.report.Kept.PublicShareID
		if ours && v.report.Kept.FileSHA256 != "" {
			return v.openLink(ctx, l, password)
		}
		visitor, err := v.enter(ctx, l, password)
		switch {
		case err != nil || *in.UploadOnly:
			return err
		case in.ResourceType == "file":
			return v.readable(ctx, api(visitor, http.MethodGet, "public", "share", l.token, "file"))
		}
		return v.hasFields(ctx, api(visitor, http.MethodGet, "public", "share", l.token, "folder", "contents"), "files", "folders")
	}}
}

// readable wants a download to come through to its end, whatever it is.
func (v *visit) readable(ctx context.Context, c call) error {
	var bad answer
	err := v.exchange(ctx, c, func(res *http.Response) error {
		if res.StatusCode/100 != 2 {
			bad = answer{status: res.StatusCode}
			return nil
		}
		_, err := io.Copy(io.Discard, res.Body)
		return err
	})
	if err == nil && bad.status != 0 {
		err = v.wrong("a status 2xx", bad)
	}
	return err
}

// without ends a step that has nothing to try.
func (v *visit) without(why string) error {
	if !v.target.AllowSkipPublicShare {
		return &finding{found: why}
	}
	v.step.Outcome, v.step.Found = Skipped, why
	return nil
}

// listedLink looks for a public link where the product lists them: those of the
// kept file, else all of the admin's. A product that lists none, or has no such
// list, gives none; a kept link that is missing from its list is an error.
func (v *visit) listedLink(ctx context.Context) (link, error) {
	k := v.report.Kept
	calls := []call{api(v.admin, http.MethodGet, "shares")}
	if k.PublicShareID != "" {
		calls = append([]call{api(v.admin, http.MethodGet, "files", k.FileID, "shares")}, calls...)
	}
	for _, c := range calls {
		var in any
		a, err := v.send(ctx, c)
		if err != nil {
			return link{}, err
		}
		if a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed {
			continue
		}
		if !a.ok() {
			return link{}, v.wrong("a status 2xx", a)
		}
		if err := json.Unmarshal(a.body, &in); err != nil {
			return link{}, v.wrong("JSON", a)
		}
		list, ok := items(in)
		if !ok {
			return link{}, v.wrong("a list", a)
		}
		l := v.choose(list)
		if k.PublicShareID != "" && l.id != k.PublicShareID {
			return link{}, v.wrong("the kept public link "+k.PublicShareID, a)
		}
		return l, nil
	}
	return link{}, nil
}

// choose takes the kept link, else one without a password, else any.
func (v *visit) choose(list []any) link {
	var out link
	open := false
	for _, item := range list {
		id, token := at(item, "id"), at(item, "share_token")
		object, _ := item.(map[string]any)
		protected, _ := object["password_protected"].(bool)
		v.mask.add(token)
		switch {
		case token == "":
		case id != "" && id == v.report.Kept.PublicShareID:
			return link{id, token}
		case out.token == "", !open && !protected:
			out, open = link{id, token}, !protected
		}
	}
	return out
}
