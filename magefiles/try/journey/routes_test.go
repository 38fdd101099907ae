package journey

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

func (p *product) accountRoutes(on func(string, string, func(*in) (int, any))) {
	on("POST /auth/login", "", func(r *in) (int, any) {
		body := r.read("email", "password")
		email, password := body["email"].(string), body["password"].(string)
		if p.accounts[email] != password {
			p.secrets = append(p.secrets, password)
			return 401, map[string]any{"error": "wrong password " + password}
		}
		token := p.secret("session-")
		p.sessions[token] = session{email, p.secret("csrf-")}
		http.SetCookie(r.w, &http.Cookie{Name: sessionCookie, Value: token, Path: "/", HttpOnly: true})
		http.SetCookie(r.w, &http.Cookie{Name: csrfCookie, Value: p.sessions[token].csrf, Path: "/"})
		if p.onLogin != nil {
			p.onLogin(r.w)
		}
		return 200, map[string]any{"user": map[string]any{"email": email}}
	})
	on("POST /auth/logout", "user", func(r *in) (int, any) {
		r.read()
		c, _ := r.Cookie(sessionCookie)
		if !p.keepSessions {
			delete(p.sessions, c.Value)
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
		return 200, map[string]any{"entries": append([]any{map[string]any{"action": "start"}}, p.audit...)}
	})
}

func (p *product) fileRoutes(on func(string, string, func(*in) (int, any))) {
	contents := func(folder any) map[string]any {
		folders, files := []any{}, []any{}
		for _, f := range p.folders {
			if f["parent_folder_id"] == folder {
				folders = append(folders, f)
			}
		}
		for _, f := range p.files {
			if f.folder == folder {
				files = append(files, map[string]any{"id": f.id, "name": f.name})
			}
		}
		return map[string]any{"folders": folders, "files": files}
	}
	on("GET /folders/{id}/contents", "user", func(r *in) (int, any) {
		id := r.PathValue("id")
		if id == "root" {
			return 200, contents(nil)
		}
		if p.folders[id] == nil || r.email != admin.Email {
			refusal(404, "no folder %s", id)
		}
		return 200, contents(id)
	})
	on("POST /folders", "user", func(r *in) (int, any) {
		body := r.read("name", "parent_folder_id")
		body["id"] = newID()
		p.folders[body["id"].(string)] = body
		return 201, body
	})
	on("DELETE /folders/{id}", "user", func(r *in) (int, any) {
		id := r.PathValue("id")
		if p.folders[id] == nil {
			refusal(404, "no folder %s", id)
		}
		delete(p.folders, id)
		maps.DeleteFunc(p.files, func(_ string, f file) bool { return f.folder == id })
		maps.DeleteFunc(p.shares, func(_, file string) bool { _, ok := p.files[file]; return !ok })
		maps.DeleteFunc(p.links, func(_ string, l *publicShare) bool {
			_, ok := p.files[l.file]
			return l.folder == id || (l.file != "" && !ok)
		})
		return 204, nil
	})
	on("POST /files/upload", "user", func(r *in) (int, any) {
		fields, id := p.form(r, "name", "parent_folder_id")
		if p.folders[fields["parent_folder_id"]] == nil {
			refusal(404, "no folder %q", fields["parent_folder_id"])
		}
		p.files[id] = file{id, fields["name"], fields["parent_folder_id"], r.email}
		return 201, map[string]any{"id": id, "name": fields["name"]}
	})
	on("GET /files/{id}/download", "user", func(r *in) (int, any) {
		f, ok := p.files[r.PathValue("id")]
		if !ok || f.owner != r.email {
			refusal(404, "no file %s", r.PathValue("id"))
		}
		return 200, stored{f.id}
	})
}

// form reads a multipart form of exactly these fields and a file, whose bytes
// go to the disk.
func (p *product) form(r *in, want ...string) (fields map[string]string, id string) {
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

func (p *product) store(id string, part *multipart.Part) {
	f, err := os.Create(filepath.Join(p.dir, id))
	if err == nil {
		_, err = io.Copy(f, part)
		_ = f.Close()
	}
	if err != nil {
		refusal(400, "reading the file: %v", err)
	}
}
