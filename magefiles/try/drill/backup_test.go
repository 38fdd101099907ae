package drill_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

func TestBackup(t *testing.T) {
	i, _ := running(t)
	i.Asked = nil
	run, dir := begin(t), filepath.Join(t.TempDir(), "backups")
	info, err := drill.Backup(t.Context(), run, i, dir, options(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"stop backend", "dump", "pack", "start"}; !slices.Equal(i.Asked, want) {
		t.Errorf("the instance was asked %q, expected %q", i.Asked, want)
	}
	if info.Dir != filepath.Join(dir, "20261123T021500Z") || info.Manifest.Database != "sqlite" {
		t.Errorf("the bundle is %+v", info)
	}
	into := t.TempDir()
	if err := backup.ExtractVolume(t.Context(), info.Dir, backup.Config, backup.Limits{}, into); err != nil {
		t.Fatal(err)
	}
	for name, there := range map[string]bool{"docker-compose.yml": true, "docker/nginx.conf": true, "docker/.env": false, "docker/.env.prod": false, "README.md": false} {
		if _, err := os.Stat(filepath.Join(into, name)); (err == nil) != there {
			t.Errorf("%s in the configuration: %v, expected %v", name, err, there)
		}
	}
	again := begin(t)
	if _, err := drill.Verify(t.Context(), again, info.Dir); err != nil {
		t.Error(err)
	}
	if run.Facts["backup"] != "20261123T021500Z" || len(run.Facts["backup checksums"]) != 71 || run.Facts["backup checksums"] != again.Facts["backup checksums"] {
		t.Errorf("facts of the backup are %v, of what was verified %v", run.Facts, again.Facts)
	}
}

// onPostgres is a product whose database is another one.
type onPostgres struct{ *instance }

func (onPostgres) Database() string { return "postgres" }

func (onPostgres) Dump(_ context.Context, to io.Writer) error {
	text, err := os.ReadFile(filepath.Join("..", "backup", "testdata", "postgres.sql"))
	if err != nil {
		return err
	}
	_, err = to.Write(text)
	return err
}

// With PostgreSQL the product keeps running.
func TestBackupPostgres(t *testing.T) {
	i, _ := running(t)
	i.Asked = nil
	o := options(t)
	o.Manifest.PostgresService, o.Manifest.PostgresDB, o.Manifest.PostgresUser, o.Manifest.RustfsService = "postgres", "db", "user", "rustfs"
	info, err := drill.Backup(t.Context(), begin(t), onPostgres{i}, t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(i.Asked, []string{"pack"}) || info.Parts[0].Name != backup.Postgres || info.Manifest.PostgresDB != "db" {
		t.Errorf("asked %q, made %+v", i.Asked, info)
	}
}

func TestBackupRefused(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*instance, *drill.BackupOptions)
		want   string
	}{
		"database refuses": {func(i *instance, _ *drill.BackupOptions) { i.Fail["dump"] = errors.New("pg_dump: permission denied") },
			"back up: writing sqlite.db.gz: pg_dump: permission denied"},
		"object store refuses": {func(i *instance, _ *drill.BackupOptions) { i.Fail["pack"] = errors.New("no such volume") },
			"back up: writing rustfs-data.tar.gz: no such volume"},
		"does not stop": {func(i *instance, _ *drill.BackupOptions) { i.Fail["stop backend"] = errors.New("it hangs") },
			"stopping the product for its backup: it hangs"},
		"cannot stop": {func(i *instance, _ *drill.BackupOptions) {
			i.Fail["stop backend"] = &stack.UnsupportedError{Kind: "odd", Op: "stop", Service: stack.Backend, Reason: "why not"}
		}, `the drill cannot do without it: stopping the product for its backup: a stack of kind "odd" cannot stop the backend`},
		"does not come back": {func(i *instance, _ *drill.BackupOptions) { i.Fail["start"] = errors.New("it is broken") },
			"starting the product after its backup: it is broken"},
		"configuration is gone": {func(_ *instance, o *drill.BackupOptions) { o.Config = append(o.Config, "deploy/*.yml") },
			`is called "deploy/*.yml", which a backup has to hold: correct the product's definition`},
		"directory is gone": {func(_ *instance, o *drill.BackupOptions) { o.Config = append(o.Config, "deploy/**") }, `finding the configuration "deploy/**"`},
		"secret in the configuration": {func(i *instance, o *drill.BackupOptions) {
			file := filepath.Join(o.Root, "docker", "nginx.conf")
			if err := os.WriteFile(file, []byte("proxy_set_header X "+i.Secrets()["JWT_SECRET"]), 0o600); err != nil {
				panic(err)
			}
		}, `entry "docker/nginx.conf" holds the value of JWT_SECRET`},
	} {
		t.Run(name, func(t *testing.T) {
			i, _ := running(t)
			o, run, dir := options(t), begin(t), t.TempDir()
			row.change(i, &o)
			_, err := drill.Backup(t.Context(), run, i, dir, o)
			wants(t, err, row.want)
			if left, err := os.ReadDir(dir); err == nil && len(left) > 0 && name != "does not come back" {
				t.Errorf("left behind: %v", left)
			}
			if i.Was("stop backend") && i.Fail["stop backend"] == nil && i.Asked[len(i.Asked)-1] != "start" {
				t.Errorf("the product was not started again: %q", i.Asked)
			}
			if got := outcome(run, "back up"); got != drill.Failed {
				t.Errorf("the step %s", got)
			}
		})
	}
}

func TestVerifyNamesAll(t *testing.T) {
	i, _ := running(t)
	info, err := drill.Backup(t.Context(), begin(t), i, t.TempDir(), options(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(filepath.Join(info.Dir, backup.Config)), os.WriteFile(filepath.Join(info.Dir, "more"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err = drill.Verify(t.Context(), begin(t), info.Dir)
	var damaged *drill.DamagedError
	if !errors.As(err, &damaged) || len(damaged.Problems) != 3 {
		t.Fatalf("got %v", err)
	}
	want := "cannot be restored: take another; problems found: 3\n  .: config.tar.gz is missing\n" +
		"  .: \"more\" is a regular file that does not belong to a bundle\n  SHA256SUMS: lists config.tar.gz, which is not there"
	if !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, expected at its end %s", err, want)
	}
	_, err = drill.Verify(t.Context(), begin(t), filepath.Join(info.Dir, "none"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no bundle: %v", err)
	}
}
