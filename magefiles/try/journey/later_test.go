package journey

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/inmemory"
)

// piloted is a product with a pilot's data in it, and what its report keeps.
func piloted(t *testing.T) (*product, Kept) {
	t.Helper()
	p := newProduct(t)
	r, err := Pilot(t.Context(), p.target(), nil)
	if err != nil {
		t.Fatal(err)
	}
	path, err := r.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	back, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	p.Settle()
	p.Requests = nil
	return p, back.Kept
}

func TestVerify(t *testing.T) {
	steps := []string{
		"ready", "login", "login of the viewer", "session", "kept note", "download", "kept folder", "kept public link",
		"search", "search of the viewer", "logout of the admin", "logout of the viewer",
	}
	for _, c := range []struct {
		name string
		do   func(p *product, k Kept)
		step string
		says string
	}{
		{name: "all there", do: func(*product, Kept) {}},
		{
			name: "a byte of the file", do: func(p *product, k Kept) { p.rewrite(k.FileID, flip) },
			step: "download", says: "expected the 20000 bytes that were uploaded (sha256 ",
		},
		{
			name: "the file", do: func(p *product, k Kept) { delete(p.Files, k.FileID) },
			step: "download", says: "found 404 Not Found",
		},
		{
			name: "a byte of the drop", do: func(p *product, k Kept) {
				for id, f := range p.Files {
					if f.Name == k.DropName {
						p.rewrite(id, flip)
					}
				}
			},
			step: "kept folder", says: "expected the 20000 bytes that were uploaded (sha256 ",
		},
		{
			name: "the file's place", do: func(p *product, k Kept) {
				f := p.Files[k.FileID]
				f.Folder = "foreign-folder"
				p.Files[k.FileID] = f
			},
			step: "kept folder", says: " in the folder, found 200 OK",
		},
		{
			name: "a letter of the note", do: func(p *product, k Kept) {
				n := p.Notes[k.NoteID]
				n["content"] = strings.Replace(n["content"].(string), "ü", "u", 1)
			},
			step: "kept note", says: "expected the content with sha256 ",
		},
		{
			name: "the title of the note", do: func(p *product, k Kept) { p.Notes[k.NoteID]["title"] = "Untitled" },
			step: "kept note", says: "expected the title smoke-note-",
		},
		{
			name: "the note", do: func(p *product, k Kept) { delete(p.Notes, k.NoteID) },
			step: "kept note", says: "found 404 Not Found",
		},
		{
			name: "the link", do: func(p *product, k Kept) { delete(p.Links, k.PublicShareID) },
			step: "kept public link", says: "expected the kept public link id-",
		},
		{
			name: "the index", do: func(p *product, _ Kept) { p.Lag = 1000 },
			step: "search", says: "within 40ms",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, k := piloted(t)
			p.Lists = true
			c.do(p, k)
			target := p.target()
			target.SearchPatience = 40 * time.Millisecond
			had := p.Left()
			r, err := Verify(t.Context(), target, k, nil)
			p.quiet(t, r, err, nil)
			slices.Sort(had)
			if left := slices.Sorted(slices.Values(p.Left())); !slices.Equal(left, had) {
				t.Errorf("the product had %q, and has %q", had, left)
			}
			p.readOnly(t)
			if c.step == "" {
				if got := names(r, Passed); err != nil || !slices.Equal(got, steps) || r.Journey != "verify" {
					t.Errorf("got %v, passed %q", err, got)
				}
				return
			}
			var failed *StepError
			if !errors.As(err, &failed) || failed.Step != c.step || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a failure of %q with %q", err, c.step, c.says)
			}
		})
	}
}

func (p *product) rewrite(id string, change func([]byte) []byte) {
	path := filepath.Join(p.Dir, id)
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// readOnly wants nothing but sessions and searches to have been made.
func (p *product) readOnly(t *testing.T) {
	t.Helper()
	for _, s := range p.Requests {
		switch s.Route {
		case "POST /auth/login", "POST /auth/logout", "POST /search", "POST /public/share/{token}/session":
		default:
			if !strings.HasPrefix(s.Route, "GET ") {
				t.Errorf("not read-only: %s", s.Route)
			}
		}
	}
}

func TestVerifyWithoutList(t *testing.T) {
	p, k := piloted(t)
	r, err := Verify(t.Context(), p.target(), k, nil)
	if err != nil || !slices.Equal(names(r, Skipped), []string{"kept public link"}) || r.Details != "11 steps passed, 1 skipped" {
		t.Errorf("got %v, skipped %q: %s", err, names(r, Skipped), r.Details)
	}
}

func TestVerifyNothing(t *testing.T) {
	for want, k := range map[string]Kept{
		"the report says that its journey kept no data: look for that of a pilot journey that passed": {FileID: "id"},
		"the report says that data was kept, and has no SMOKE_FOLDER_ID: run the pilot journey again": {Preserved: true},
	} {
		if _, err := Verify(t.Context(), Target{}, k, nil); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestPostRestore(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(p *product, t *Target, k *Kept)
		// skipped or failed; both "": all passed.
		skipped, says string
		want          string // the last request before the logout
	}{
		{name: "the kept link", do: func(p *product, _ *Target, _ *Kept) { p.Lists = true }, want: "GET /public/share/{token}/file"},
		{
			name: "the kept link with other bytes", says: "public link: sent GET /api/v1/public/share/***/file as a visitor, expected the 20000 bytes",
			do: func(p *product, _ *Target, k *Kept) { p.Lists = true; p.rewrite(k.FileID, flip) },
		},
		{
			name: "the kept link is gone", says: "expected the kept public link id-",
			do: func(p *product, _ *Target, k *Kept) { p.Lists = true; delete(p.Links, k.PublicShareID) },
		},
		{
			name: "any link", want: "GET /public/share/{token}/file",
			do: func(p *product, _ *Target, k *Kept) {
				p.Lists = true
				delete(p.Links, k.UploadOnlyShareID)
				*k = Kept{}
			},
		},
		{
			name: "a link for uploads", want: "POST /public/share/{token}/session",
			do: func(p *product, _ *Target, k *Kept) { p.Lists = true; delete(p.Links, k.PublicShareID); *k = Kept{} },
		},
		{
			name: "a link that is given", want: "GET /public/share/{token}/folder/contents",
			do: func(p *product, t *Target, k *Kept) {
				p.Secrets = append(p.Secrets, "given-token-1")
				p.Links["id-given"] = &inmemory.Link{ID: "id-given", Token: "given-token-1", Folder: k.FolderID}
				t.PublicShareToken = "given-token-1"
			},
		},
		{
			name: "a link with a password", want: "GET /public/share/{token}/file",
			do: func(p *product, t *Target, k *Kept) {
				p.Lists, p.Links[k.PublicShareID].Password = true, "link-password-1"
				t.PublicSharePassword = "link-password-1"
				p.Secrets = append(p.Secrets, "link-password-1")
			},
		},
		{
			name: "a password that nobody gave", says: "the public link has a password: set PUBLIC_SHARE_PASSWORD",
			do: func(p *product, _ *Target, k *Kept) {
				p.Lists, p.Links[k.PublicShareID].Password = true, "link-password-1"
			},
		},
		{
			name: "a password that nobody gave, allowed", skipped: "the public link has a password",
			do: func(p *product, t *Target, k *Kept) {
				p.Lists, p.Links[k.PublicShareID].Password = true, "link-password-1"
				t.AllowSkipPublicShare = true
			},
		},
		{
			name: "a wrong password", says: "sent POST /api/v1/public/share/***/session as a visitor, expected a status 2xx, found 401 Unauthorized",
			do: func(p *product, t *Target, k *Kept) {
				p.Lists, p.Links[k.PublicShareID].Password = true, "link-password-1"
				t.PublicSharePassword, t.AllowSkipPublicShare = "link-password-2", true
			},
		},
		{
			name: "no link", says: "found no public link is known: set PUBLIC_SHARE_TOKEN, or ALLOW_SKIP_PUBLIC_SHARE=true to do without",
			do: func(p *product, _ *Target, k *Kept) { p.Lists = true; clear(p.Links); *k = Kept{} },
		},
		{
			name: "no link, allowed", skipped: "no public link is known",
			do: func(p *product, t *Target, k *Kept) { clear(p.Links); *k = Kept{}; t.AllowSkipPublicShare = true },
		},
		{
			name: "a list that breaks", says: "sent GET /api/v1/shares as admin, expected a status 2xx, found 500",
			do: func(p *product, t *Target, k *Kept) {
				*k, t.AllowSkipPublicShare = Kept{}, true
				p.Bent["GET /shares"] = func(string, int, any) (int, any) { return 500, nil }
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, k := piloted(t)
			target := p.target()
			target.Viewer = Account{} // not needed
			c.do(p, &target, &k)
			r, err := PostRestore(t.Context(), target, k, nil)
			p.quiet(t, r, err, nil)
			p.readOnly(t)
			switch {
			case c.says != "":
				var failed *StepError
				if !errors.As(err, &failed) || failed.Step != "public link" || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %s", err, c.says)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			link := r.Steps[3]
			if c.skipped != "" {
				if link.Outcome != Skipped || !strings.Contains(link.Found, c.skipped) || r.Status != Passed {
					t.Errorf("the link is %+v", link)
				}
				return
			}
			if got := names(r, Passed); !slices.Equal(got, []string{"login", "session", "root", "public link", "logout of the admin"}) {
				t.Errorf("passed %q", got)
			}
			if last := p.Requests[len(p.Requests)-4].Route; last != c.want {
				t.Errorf("the last request is %s, want %s", last, c.want)
			}
		})
	}
}

// In one process the link's token is known without a list.
func TestTokenInMemory(t *testing.T) {
	p := newProduct(t)
	r, err := Pilot(t.Context(), p.target(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, again := range map[string]func(context.Context, Target, Kept, Watch) (Report, error){"verify": Verify, "post-restore": PostRestore} {
		got, err := again(t.Context(), p.target(), r.Kept, nil)
		p.quiet(t, got, err, nil)
		if err != nil || len(names(got, Skipped)) > 0 {
			t.Errorf("%s: %v, skipped %q", name, err, names(got, Skipped))
		}
	}
	for _, s := range p.Requests {
		if s.Route == "GET /shares" || s.Route == "GET /files/{id}/shares" {
			t.Errorf("looked for a link that is known: %s", s.Route)
		}
	}
}
