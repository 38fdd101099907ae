package inmemory

import (
	"strings"
)

func (l *Link) owned() map[string]any {
	return map[string]any{"id": l.ID, "share_token": l.Token, "password_protected": l.Password != ""}
}

func (p *Product) shareRoutes(on func(string, string, func(*in) (int, any))) {
	on("POST /files/{id}/share", "user", func(r *in) (int, any) {
		body := r.read("recipient_email", "permission")
		id := r.PathValue("id")
		if _, ok := p.Files[id]; !ok || body["recipient_email"] != ViewerEmail || body["permission"] != "View" {
			refusal(422, "cannot share %s as %v", id, body)
		}
		share := newID()
		p.Shares[share] = id
		p.Audit = append(p.Audit, map[string]any{"action": "share"})
		return 201, map[string]any{"share_id": share}
	})
	on("GET /shares/received", "user", func(r *in) (int, any) {
		list := []any{}
		if r.email == ViewerEmail {
			for _, f := range p.Shares {
				list = append(list, map[string]any{"resource_id": f})
			}
		}
		return 200, list
	})
	on("DELETE /shares/{id}/recipient", "user", func(r *in) (int, any) {
		if p.Shares[r.PathValue("id")] == "" {
			refusal(404, "no share")
		}
		delete(p.Shares, r.PathValue("id"))
		return 204, nil
	})
	on("GET /shares", "user", func(*in) (int, any) {
		if !p.Lists {
			refusal(404, "no such endpoint")
		}
		list := []any{}
		for _, l := range p.Links {
			list = append(list, l.owned())
		}
		return 200, list
	})
	on("POST /files/{id}/shares", "user", func(r *in) (int, any) {
		body := r.read("permissions")
		if _, ok := p.Files[r.PathValue("id")]; !ok || body["permissions"] != "View" {
			refusal(422, "no link for %v", body)
		}
		l := &Link{ID: newID(), Token: p.secret("link/+"), File: r.PathValue("id")}
		p.Links[l.ID] = l
		return 201, l.owned()
	})
	on("GET /files/{id}/shares", "user", func(r *in) (int, any) {
		if !p.Lists {
			refusal(405, "no such method")
		}
		list := []any{}
		for _, l := range p.Links {
			if l.File == r.PathValue("id") {
				list = append(list, l.owned())
			}
		}
		return 200, map[string]any{"shares": list}
	})
	on("POST /folders/{id}/shares", "user", func(r *in) (int, any) {
		body := r.read("permissions", "upload_only")
		if p.Folders[r.PathValue("id")] == nil || body["permissions"] != "Edit" || body["upload_only"] != true {
			refusal(422, "no link for %v", body)
		}
		l := &Link{ID: newID(), Token: p.secret("drop/+"), Folder: r.PathValue("id"), UploadOnly: true}
		p.Links[l.ID] = l
		return 201, l.owned()
	})
	link := func(r *in) *Link {
		for _, l := range p.Links {
			if l.Token == r.PathValue("token") {
				return l
			}
		}
		refusal(404, "no link")
		return nil
	}
	on("GET /public/share/{token}/info", "", func(r *in) (int, any) {
		l := link(r)
		kind := "file"
		if l.Folder != "" {
			kind = "folder"
		}
		return 200, map[string]any{"resource_type": kind, "password_protected": l.Password != "", "upload_only": l.UploadOnly}
	})
	on("POST /public/share/{token}/session", "", func(r *in) (int, any) {
		body := r.read("password?")
		l := link(r)
		if given, _ := body["password"].(string); given != l.Password {
			refusal(401, "wrong password")
		}
		token := p.secret("visit-")
		p.visits[token] = l
		return 200, map[string]any{"session_token": token}
	})
	on("GET /public/share/{token}/file", "visitor", func(r *in) (int, any) {
		return 200, Stored{link(r).File}
	})
	on("GET /public/share/{token}/folder/contents", "visitor", func(r *in) (int, any) {
		if link(r).UploadOnly {
			refusal(403, "this link shows nothing")
		}
		return 200, map[string]any{"files": []any{}, "folders": []any{}}
	})
	on("POST /public/share/{token}/folder/upload", "visitor", func(r *in) (int, any) {
		fields, id := p.form(r, "name", "parent_folder_id", "uploader_name")
		l := link(r)
		p.Files[id] = File{id, fields["name"], l.Folder, AdminEmail}
		return 201, map[string]any{"id": id}
	})
}

func (p *Product) noteRoutes(on func(string, string, func(*in) (int, any))) {
	mine := func(r *in) map[string]any {
		n := p.Notes[r.PathValue("id")]
		if n == nil || r.email != AdminEmail {
			refusal(404, "no note")
		}
		return n
	}
	on("POST /notes", "user", func(r *in) (int, any) {
		body := r.read("title", "content", "parent_folder_id")
		body["id"] = newID()
		p.Notes[body["id"].(string)] = body
		return 201, body
	})
	on("GET /notes", "user", func(*in) (int, any) {
		list := []any{}
		for _, n := range p.Notes {
			list = append(list, n)
		}
		return 200, map[string]any{"notes": list}
	})
	on("GET /notes/{id}", "user", func(r *in) (int, any) { return 200, mine(r) })
	on("PUT /notes/{id}", "user", func(r *in) (int, any) {
		n := mine(r)
		n["content"] = r.read("content")["content"]
		return 200, n
	})
	on("DELETE /notes/{id}", "user", func(r *in) (int, any) {
		delete(p.Notes, mine(r)["id"].(string))
		return 204, nil
	})
	on("POST /search", "user", func(r *in) (int, any) {
		body := r.read("query", "limit")
		query := body["query"].(string)
		hits := []any{}
		if p.Lag--; p.Lag < 0 && r.email == AdminEmail {
			for id, n := range p.Notes {
				if strings.Contains(n["content"].(string), query) {
					hits = append(hits, map[string]any{"resource_type": "note", "resource_id": id, "title": n["title"]})
				}
			}
		}
		return 200, map[string]any{"query": query, "results": hits}
	})
}
