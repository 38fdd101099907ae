package inmemory

import (
	"bytes"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
)

func (p *Product) accountRoutes(on func(string, string, func(*in) (int, any))) {
	on("POST /auth/login", "", func(r *in) (int, any) {
		body := r.read("email", "password")
		email, password := body["email"].(string), body["password"].(string)
		if p.Accounts[email] != password {
			p.Secrets = append(p.Secrets, password)
			return 401, map[string]any{"error": "wrong password " + password}
		}
		token := p.secret("session-")
		p.Sessions[token] = Session{email, p.secret("csrf-")}
		http.SetCookie(r.w, &http.Cookie{Name: sessionCookie, Value: token, Path: "/", HttpOnly: true})
		http.SetCookie(r.w, &http.Cookie{Name: csrfCookie, Value: p.Sessions[token].CSRF, Path: "/"})
		if p.OnLogin != nil {
			p.OnLogin(r.w)
		}
		return 200, map[string]any{"user": map[string]any{"email": email}}
	})
	on("POST /auth/logout", "user", func(r *in) (int, any) {
		r.read()
		c, _ := r.Cookie(sessionCookie)
		if !p.KeepSessions {
			delete(p.Sessions, c.Value)
		}
		http.SetCookie(r.w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1})
		return 200, map[string]any{}
	})
	on("GET /me", "user", func(r *in) (int, any) { return 200, map[string]any{"email": r.email} })
	on("GET /admin/replication/summary", "user", func(*in) (int, any) {
		return 200, map[string]any{"job_states": map[string]any{}, "version_states": map[string]any{}, "target_states": map[string]any{}}
	})
	on("GET /applications/chat/status", "user", func(*in) (int, any) { return 200, map[string]any{"chat_enabled": false} })
	on("GET /admin/audit", "user", func(r *in) (int, any) {
		if r.URL.RawQuery != "per_page=20" {
			refusal(400, "the query is %s", r.URL.RawQuery)
		}
		return 200, map[string]any{"entries": append([]any{map[string]any{"action": "start"}}, p.Audit...)}
	})
}

func (p *Product) fileRoutes(on func(string, string, func(*in) (int, any))) {
	contents := func(folder any) map[string]any {
		folders, files := []any{}, []any{}
		for _, f := range p.Folders {
			if f["parent_folder_id"] == folder {
				folders = append(folders, f)
			}
		}
		for _, f := range p.Files {
			if f.Folder == folder {
				files = append(files, map[string]any{"id": f.ID, "name": f.Name})
			}
		}
		return map[string]any{"folders": folders, "files": files}
	}
	on("GET /folders/{id}/contents", "user", func(r *in) (int, any) {
		id := r.PathValue("id")
		if id == "root" {
			return 200, contents(nil)
		}
		if p.Folders[id] == nil || r.email != AdminEmail {
			refusal(404, "no folder %s", id)
		}
		return 200, contents(id)
	})
	on("POST /folders", "user", func(r *in) (int, any) {
		body := r.read("name", "parent_folder_id")
		body["id"] = newID()
		p.Folders[body["id"].(string)] = body
		return 201, body
	})
	on("DELETE /folders/{id}", "user", func(r *in) (int, any) {
		id := r.PathValue("id")
		if p.Folders[id] == nil {
			refusal(404, "no folder %s", id)
		}
		delete(p.Folders, id)
		maps.DeleteFunc(p.Files, func(_ string, f File) bool { return f.Folder == id })
		maps.DeleteFunc(p.Shares, func(_, file string) bool { _, ok := p.Files[file]; return !ok })
		maps.DeleteFunc(p.Links, func(_ string, l *Link) bool {
			_, ok := p.Files[l.File]
			return l.Folder == id || (l.File != "" && !ok)
		})
		return 204, nil
	})
	on("POST /files/upload", "user", func(r *in) (int, any) {
		fields, id := p.form(r, "name", "parent_folder_id")
		if p.Folders[fields["parent_folder_id"]] == nil {
			refusal(404, "no folder %q", fields["parent_folder_id"])
		}
		p.Files[id] = File{id, fields["name"], fields["parent_folder_id"], r.email}
		return 201, map[string]any{"id": id, "name": fields["name"]}
	})
	on("GET /files/{id}/download", "user", func(r *in) (int, any) {
		f, ok := p.Files[r.PathValue("id")]
		if !ok || f.Owner != r.email {
			refusal(404, "no file %s", r.PathValue("id"))
		}
		return 200, Stored{f.ID}
	})
}

// form reads a multipart form of exactly these fields and a file, whose bytes
// go to the disk.
func (p *Product) form(r *in, want ...string) (fields map[string]string, id string) {
	parts, err := r.MultipartReader()
	if err != nil {
		refusal(400, "no multipart: %v", err)
	}
	fields, id = map[string]string{}, newID()
	hasFile := false
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			refusal(400, "reading the form: %v", err)
		}
		if part.FormName() == "file" {
			hasFile = true
			p.store(id, part)
			continue
		}
		if !slices.Contains(want, part.FormName()) {
			refusal(422, "unknown field %s", part.FormName())
		}
		var text bytes.Buffer
		_, _ = io.Copy(&text, part)
		fields[part.FormName()] = text.String()
	}
	if len(fields) != len(want) || !hasFile {
		refusal(422, "the form has %v, file %v", fields, hasFile)
	}
	return fields, id
}

func (p *Product) store(id string, part *multipart.Part) {
	f, err := os.Create(filepath.Join(p.Dir, id))
	if err == nil {
		_, err = io.Copy(f, part)
		_ = f.Close()
	}
	if err != nil {
		refusal(400, "reading the file: %v", err)
	}
}
