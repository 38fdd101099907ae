package testkit

import (
	"html"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Pages serves the release pages of a directory (forge.Directory) at the
// addresses that GitHub and Gitea have for them, below a repository's path:
//
//	releases/latest              leads to the page of the latest release
//	releases/tag/TAG             the page, its notes in HTML
//	releases/download/TAG/FILE   leads to the file, which lies elsewhere
func Pages(dir, repository string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+repository+"/releases/latest", func(w http.ResponseWriter, r *http.Request) {
		tag, err := os.ReadFile(filepath.Join(dir, "latest"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		http.Redirect(w, r, repository+"/releases/tag/"+strings.TrimSpace(string(tag)), http.StatusFound)
	})
	mux.HandleFunc("GET "+repository+"/releases/tag/{tag}", func(w http.ResponseWriter, r *http.Request) {
		notes, err := os.ReadFile(filepath.Join(dir, filepath.Base(r.PathValue("tag")), "notes.md"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte("<!DOCTYPE html>\n<html><body><pre>" + html.EscapeString(string(notes)) + "</pre></body></html>\n"))
	})
	mux.HandleFunc("GET "+repository+"/releases/download/{tag}/{file}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/assets/"+r.PathValue("tag")+"/"+r.PathValue("file"), http.StatusFound)
	})
	mux.HandleFunc("GET /assets/{tag}/{file}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeFile(w, r, filepath.Join(dir, filepath.Base(r.PathValue("tag")), filepath.Base(r.PathValue("file"))))
	})
	return mux
}
