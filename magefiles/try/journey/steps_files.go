package journey

import (
	"context"
	"net/http"
)

func root() step {
	return step{name: "root", expect: "files and folders", do: func(ctx context.Context, v *visit) error {
		return v.hasFields(ctx, api(v.admin, http.MethodGet, "folders", "root", "contents"), "files", "folders")
	}}
}

// entry is a file or folder in a list.
type entry struct{ ID, Name string }

func folder() step {
	return step{name: "folder", expect: "the folder's id", do: func(ctx context.Context, v *visit) error {
		name := v.word + "-folder"
		made := &thing{
			what: "folder",
			find: func(ctx context.Context) (string, error) {
				var in struct{ Folders []entry }
				err := v.ask(ctx, api(v.admin, http.MethodGet, "folders", "root", "contents"), &in)
				for _, e := range in.Folders {
					if e.Name == name {
						return e.ID, v.need("id", e.ID)
					}
				}
				return "", err
			},
			remove: func(ctx context.Context, id string) error { return v.remove(ctx, "folders", id) },
		}
		v.made = append(v.made, made)
		var in entry
		body := map[string]any{"name": name, "parent_folder_id": nil}
		if err := v.ask(ctx, api(v.admin, http.MethodPost, "folders").with(body), &in); err != nil {
			return err
		}
		if err := v.need("id", in.ID); err != nil {
			return err
		}
		made.id, v.report.Kept.FolderID = in.ID, in.ID
		return nil
	}}
}

func upload() step {
	return step{name: "upload", expect: "the file's id", do: func(ctx context.Context, v *visit) error {
		k := &v.report.Kept
		name := v.word + ".bin"
		f, err := v.form(name, &k.FileSHA256, &k.FileSize)
		if err != nil {
			return err
		}
		c := api(v.admin, http.MethodPost, "files", "upload")
		c.form = f
		var in entry
		if err := v.ask(ctx, c, &in); err != nil {
			return err
		}
		k.FileID = in.ID
		return v.need("id", in.ID)
	}}
}

// form makes a form with a file for the folder of this run, and says what will
// be in it.
func (v *visit) form(name string, sum *string, size *int64) (*form, error) {
	s, n, err := digest(content(name, v.target.FileSize), v.target.FileSize)
	if err != nil {
		return nil, err
	}
	*sum, *size = s, n
	return &form{
		fields:   [][2]string{{"name", name}, {"parent_folder_id", v.report.Kept.FolderID}},
		fileName: name, file: content(name, n), size: n,
	}, nil
}

func download() step {
	return step{name: "download", expect: "the bytes that were uploaded", do: func(ctx context.Context, v *visit) error {
		k := v.report.Kept
		return v.fetch(ctx, api(v.admin, http.MethodGet, "files", k.FileID, "download"), k.FileSHA256, k.FileSize)
	}}
}

func uploadOnly() step {
	return step{name: "upload-only link", expect: "the visitor's file in the folder", do: func(ctx context.Context, v *visit) error {
		k := &v.report.Kept
		body := map[string]any{"permissions": "Edit", "upload_only": true}
		l, err := v.share(ctx, body, "folders", k.FolderID)
		if err != nil {
			return err
		}
		k.UploadOnlyShareID = l.id
		visitor, err := v.enter(ctx, l, "")
		if err != nil {
			return err
		}
		name := v.word + "-drop.bin"
		f, err := v.form(name, &k.DropSHA256, &k.DropSize)
		if err != nil {
			return err
		}
		f.fields = append(f.fields, [2]string{"uploader_name", "Smoke Test"})
		c := api(visitor, http.MethodPost, "public", "share", l.token, "folder", "upload")
		c.form = f
		if err := v.ask(ctx, c); err != nil {
			return err
		}
		k.DropName = name
		return v.dropped(ctx)
	}}
}

// dropped wants the visitor's file in the folder, with its bytes.
func (v *visit) dropped(ctx context.Context) error {
	k := v.report.Kept
	f, err := v.inFolder(ctx, func(f entry) bool { return f.Name == k.DropName }, k.DropName)
	if err != nil {
		return err
	}
	return v.fetch(ctx, api(v.admin, http.MethodGet, "files", f.ID, "download"), k.DropSHA256, k.DropSize)
}

// inFolder looks for a file in the folder of this run.
func (v *visit) inFolder(ctx context.Context, is func(entry) bool, called string) (entry, error) {
	var in struct{ Files []entry }
	if err := v.ask(ctx, api(v.admin, http.MethodGet, "folders", v.report.Kept.FolderID, "contents"), &in); err != nil {
		return entry{}, err
	}
	for _, f := range in.Files {
		if is(f) {
			return f, v.need("id", f.ID)
		}
	}
	return entry{}, v.wrong("the file "+called+" in the folder", v.last)
}

func keptFolder() step {
	return step{name: "kept folder", expect: "both files in it", do: func(ctx context.Context, v *visit) error {
		id := v.report.Kept.FileID
		if _, err := v.inFolder(ctx, func(f entry) bool { return f.ID == id }, id); err != nil {
			return err
		}
		return v.dropped(ctx)
	}}
}
