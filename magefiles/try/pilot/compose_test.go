package pilot_test

import (
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
)

// onCompose gives a bench whose stacks are of Compose files, with two
// migrations.
func onCompose(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	b.container = true
	b.o.Compose, b.composeFiles = compose()
	b.o.Migrations = t.TempDir()
	b.o.Only = []string{"config", "cookies", "migrations"}
	for version, name := range []string{"accounts", "notes"} {
		file := fmt.Sprintf("%04d_%s.sql", version+1, name)
		text := "CREATE TABLE " + name + " (id TEXT);\n"
		write(t, filepath.Join(b.o.Migrations, file), text)
		sum := sha512.Sum384([]byte(text))
		b.recorded += fmt.Sprintf("%d|%s|t|%s\n", version+1, name, hex.EncodeToString(sum[:]))
	}
	write(t, filepath.Join(b.o.Migrations, "0002_notes.down.sql"), "DROP TABLE notes;\n")
	write(t, filepath.Join(b.o.Migrations, "README.md"), "forward only\n")
	return b
}

func TestCompose(t *testing.T) {
	b := onCompose(t)
	b.o.Only = nil
	r := b.passes()
	for _, s := range r.Steps {
		if s.Outcome != drill.Passed {
			t.Errorf("%s: %s (%s)", s.Name, s.Outcome, s.Detail)
		}
	}
	if got := detail(r, "config"); !strings.Contains(got, "agree on backend, nginx, postgres, rustfs") {
		t.Errorf("config: %s", got)
	}
}

func TestComposeFiles(t *testing.T) {
	c, _ := compose()
	pilotFiles, production, restore := strings.Join(c.Files, " "), strings.Join(c.Production, " "), strings.Join(c.Drill, " ")
	for _, tt := range []struct {
		name, files, from, to, phase, say string
	}{
		{"other database", restore, "postgres:16-alpine", "postgres:15", "config", "the service postgres runs the image postgres:16-alpine, and postgres:15 in the drill: a drill on something else than what runs shows nothing, so bring docker-compose.restore-drill.yml and"},
		{"other volume", restore, `"source": "rustfs-data"`, `"source": "data"`, "config", "the service rustfs mounts volume rustfs-data at /data, and not in the drill"},
		{"volume of its own", restore, `"postgres-data": {}`, `"postgres-data": {}, "cache": {}`, "config", "the volume cache is in one set of files alone"},
		{"no proxy", restore, `"nginx"`, `"caddy"`, "config", "the drill files (docker-compose.restore-drill.yml) have no service nginx"},
		{"service of its own", pilotFiles, `"services": {`, `"services": {"mailer": {"image": "mail:1"},`, "config", "the service mailer is not in the drill files"},
		{"image not taken", production, "pilot/candidate:1", "ghcr.io/kubedoio/rustshare-backend:latest", "config", "the production files (docker-compose.yml, docker-compose.prod.yml) run the image ghcr.io/kubedoio/rustshare-backend:latest as backend and not the one that is tried"},
		{"moved volume", production, `"target": "/data"`, `"target": "/srv"`, "config", "do not mount the volume rustfs-data at /data in rustfs, where a backup looks for it"},
		{"volume gone", production, `"volumes": {"postgres-data": {}, "rustfs-data": {}}`, `"volumes": {"rustfs-data": {}}`, "config", "have no volume postgres-data"},
		{"unreadable", production, `"services"`, `services`, "config", "reading what Compose makes of the files"},
		{"insecure cookies", production, `"true"`, `"false"`, "cookies", `set SESSION_COOKIE_SECURE to "false", so session cookies travel without TLS`},
		{"cookies left out", production, `"SESSION_COOKIE_SECURE": "true"`, ``, "cookies", `do not set SESSION_COOKIE_SECURE`},
		{"cookies without a value", production, `"true"`, `null`, "cookies", `do not set SESSION_COOKIE_SECURE`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := onCompose(t)
			text := strings.Replace(b.composeFiles[tt.files], tt.from, tt.to, 1)
			if text == b.composeFiles[tt.files] {
				t.Fatal("nothing was changed")
			}
			b.composeFiles[tt.files] = text
			b.o.Only = []string{tt.phase}
			b.fails(`phase "`+tt.phase+`"`, tt.say)
		})
	}
	t.Run("file missing", func(t *testing.T) {
		b := onCompose(t)
		delete(b.composeFiles, production)
		b.fails(`phase "config": the production files (docker-compose.yml, docker-compose.prod.yml): there are no such files`)
	})
}

func TestMigrations(t *testing.T) {
	lines := func(b *bench) []string { return strings.SplitAfter(b.recorded, "\n") }
	for _, tt := range []struct {
		name string
		set  func(*testing.T, *bench)
		say  string
	}{
		{"not applied", func(_ *testing.T, b *bench) { b.recorded = lines(b)[0] }, "the migration 0002_notes.sql is not recorded as applied"},
		{"failed", func(_ *testing.T, b *bench) { b.recorded = strings.Replace(b.recorded, "notes|t", "notes|f", 1) }, "the migration 0002_notes.sql was begun and did not succeed"},
		{"out of order", func(_ *testing.T, b *bench) { l := lines(b); b.recorded = l[1] + l[0] }, "the migration 1 was applied after 2"},
		{"unknown", func(_ *testing.T, b *bench) { b.recorded += "3|shares|t|00\n" }, "the migration 3 (shares) is recorded, and no file of the checkout"},
		{"changed since", func(t *testing.T, b *bench) {
			write(t, filepath.Join(b.o.Migrations, "0001_accounts.sql"), "CREATE TABLE accounts (id INT);\n")
		}, "the migration 0001_accounts.sql was applied with another content"},
		{"none", func(_ *testing.T, b *bench) { b.recorded = "" }, "the migration 0001_accounts.sql is not recorded as applied"},
		{"another form", func(_ *testing.T, b *bench) { b.recorded = "1|accounts\n" }, `another form than sqlx does: "1|accounts"`},
		{"no directory", func(_ *testing.T, b *bench) { b.o.Migrations += "/gone" }, "reading the migrations"},
		{"no files", func(t *testing.T, b *bench) { b.o.Migrations = t.TempDir() }, "expected files such as 0001_accounts.sql"},
		{"version twice", func(t *testing.T, b *bench) { write(t, filepath.Join(b.o.Migrations, "2_again.sql"), "") }, "has the version 2, which is not above the one of 0002_notes.sql"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := onCompose(t)
			tt.set(t, b)
			b.fails(`phase "migrations"`, tt.say)
		})
	}
}
