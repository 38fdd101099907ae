package journey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// note is a note as the product gives it; its title may be in the metadata.
type note struct {
	ID       string
	Title    string
	Content  *string
	Metadata struct{ Title string }
}

func (n note) title() string {
	if n.Title != "" {
		return n.Title
	}
	return n.Metadata.Title
}

func notes() step {
	return step{name: "notes", expect: "what was written, and the note in the list", do: func(ctx context.Context, v *visit) error {
		k := &v.report.Kept
		k.SearchNeedle = unique()
		k.NoteTitle = "smoke-note-" + k.SearchNeedle
		made := &thing{
			what:   "note",
			find:   func(ctx context.Context) (string, error) { return v.noteByTitle(ctx, k.NoteTitle) },
			remove: func(ctx context.Context, id string) error { return v.remove(ctx, "notes", id) },
		}
		v.made = append(v.made, made)
		first := "The first draft of a smoke test."
		var in note
		body := map[string]any{"title": k.NoteTitle, "content": first, "parent_folder_id": k.FolderID}
		if err := v.ask(ctx, api(v.admin, http.MethodPost, "notes").with(body), &in); err != nil {
			return err
		}
		if err := v.need("id", in.ID); err != nil {
			return err
		}
		made.id, k.NoteID = in.ID, in.ID
		if err := v.noteHas(ctx, k.NoteID, first); err != nil {
			return err
		}
		// Characters that encodings like to break.
		text := "# Smoke test\n\nGrüße, \"日本\" & <b>'\\'</b>: " + k.SearchNeedle
		if err := v.ask(ctx, api(v.admin, http.MethodPut, "notes", k.NoteID).with(map[string]string{"content": text})); err != nil {
			return err
		}
		if err := v.noteHas(ctx, k.NoteID, text); err != nil {
			return err
		}
		k.NoteSHA256 = sha256Text(text)
		id, err := v.noteByTitle(ctx, k.NoteTitle)
		if err == nil && id != k.NoteID {
			err = v.wrong("the note "+k.NoteID+" in the list", v.last)
		}
		return err
	}}
}

func sha256Text(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// readNote gives a note whose content is there.
func (v *visit) readNote(ctx context.Context, id string) (note, error) {
	var in note
	err := v.ask(ctx, api(v.admin, http.MethodGet, "notes", id), &in)
	if err == nil && in.Content == nil {
		err = v.wrong("the field content", v.last)
	}
	return in, err
}

func (v *visit) noteHas(ctx context.Context, id, text string) error {
	in, err := v.readNote(ctx, id)
	if err == nil && *in.Content != text {
		err = v.wrong("the content that was written", v.last)
	}
	return err
}

// noteByTitle looks for a note in the admin's list, "" where it is not there.
func (v *visit) noteByTitle(ctx context.Context, title string) (string, error) {
	var in any
	if err := v.ask(ctx, api(v.admin, http.MethodGet, "notes"), &in); err != nil {
		return "", err
	}
	list, ok := items(in)
	if !ok {
		return "", v.wrong("a list", v.last)
	}
	for _, item := range list {
		if at(item, "title") == title || at(item, "metadata", "title") == title {
			id := at(item, "id")
			return id, v.need("id", id)
		}
	}
	return "", nil
}

func keptNote() step {
	return step{name: "kept note", expect: "the note as it was left", do: func(ctx context.Context, v *visit) error {
		k := v.report.Kept
		in, err := v.readNote(ctx, k.NoteID)
		switch {
		case err != nil:
			return err
		case in.title() != k.NoteTitle:
			return v.wrong("the title "+k.NoteTitle, v.last)
		case sha256Text(*in.Content) != k.NoteSHA256:
			return v.wrong("the content with sha256 "+k.NoteSHA256, v.last)
		}
		return nil
	}}
}

// search is two steps, in this order: only once the admin has found the note
// does it mean something that the viewer has not.
func search() []step {
	return []step{
		{name: "search", expect: "the admin finds the note", do: func(ctx context.Context, v *visit) error {
			expected := "the note " + v.report.Kept.NoteID
			return eventually(ctx, v.target.SearchPatience, expected, func(ctx context.Context) error {
				found, err := v.finds(ctx, v.admin)
				if err == nil && !found {
					err = v.wrong(expected, v.last)
				}
				return err
			})
		}},
		{name: "search of the viewer", expect: "the viewer finds nothing", viewer: true, do: func(ctx context.Context, v *visit) error {
			found, err := v.finds(ctx, v.viewer)
			if err != nil || !found {
				return err
			}
			k := v.report.Kept
			leak := &LeakError{Viewer: v.target.Viewer.Email, NoteID: k.NoteID, Needle: k.SearchNeedle}
			return &finding{found: leak.Error() + ": " + v.said(v.last), err: leak}
		}},
	}
}

// finds searches for the needle. What counts is the note's id, wherever it is,
// or an item in a list that has the needle: the answer may repeat the query
// elsewhere.
func (v *visit) finds(ctx context.Context, who *someone) (bool, error) {
	k := v.report.Kept
	var in any
	body := map[string]any{"query": k.SearchNeedle, "limit": 10}
	if err := v.ask(ctx, api(who, http.MethodPost, "search").with(body), &in); err != nil {
		return false, err
	}
	list, ok := items(in)
	if !ok {
		return false, v.wrong("a list of results", v.last)
	}
	return mentions(in, k.NoteID) || mentions(list, k.SearchNeedle), nil
}

// mentions says whether a text is in any string of a JSON value, whatever the
// case.
func mentions(value any, text string) bool {
	switch value := value.(type) {
	case string:
		return strings.Contains(strings.ToLower(value), strings.ToLower(text))
	case []any:
		for _, v := range value {
			if mentions(v, text) {
				return true
			}
		}
	case map[string]any:
		for _, v := range value {
			if mentions(v, text) {
				return true
			}
		}
	}
	return false
}
