package stack

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Database is "postgres".
func (c *Compose) Database() string { return "postgres" }

// postgres runs one of PostgreSQL's clients in the database's container. It
// asks over TCP: while an image makes its first database, it listens on a
// socket alone.
func (c *Compose) postgres(ctx context.Context, in io.Reader, out io.Writer, client, database string, args ...string) error {
	cmd := append([]string{client, "--host", "127.0.0.1", "--username", c.o.Compose.DatabaseUser, "--dbname", database}, args...)
	return c.exec(ctx, Database, []string{"PGPASSWORD=" + c.secrets[c.o.Compose.DatabasePasswordEnv]}, cmd, in, out)
}

// sql runs statements outside of the product's database. The names in them are
// those of the variables that psql gets.
func (c *Compose) sql(ctx context.Context, statements string) error {
	k := c.o.Compose
	return c.postgres(ctx, strings.NewReader(statements), nil, "psql", "postgres", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1",
		"--set", "owner="+k.DatabaseUser, "--set", "database="+k.DatabaseName, "--set", "replayed="+k.DatabaseName+"_replayed")
}

// Dump runs pg_dump, beside whatever uses the database.
func (c *Compose) Dump(ctx context.Context, to io.Writer) error {
	if err := c.postgres(ctx, nil, to, "pg_dump", c.o.Compose.DatabaseName); err != nil {
		return fmt.Errorf("dumping the database: %w", err)
	}
	return nil
}

// Replay starts the database where it does not run. The dump goes into a
// database of another name, which takes the place of the old one at the end:
// half a dump never does.
func (c *Compose) Replay(ctx context.Context, from io.Reader) error {
	if err := c.Stop(ctx, Backend); err != nil {
		return fmt.Errorf("stopping the backend for its database: %w", err)
	}
	if !c.wanted[c.o.Compose.Database] {
		if err := c.Start(ctx, Database); err != nil {
			return fmt.Errorf("starting the database for a replay: %w", err)
		}
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, c.sql(ctx, "SELECT 1;")
	}, backoff.WithBackOff(backoff.NewConstantBackOff(time.Second)), backoff.WithMaxElapsedTime(c.o.Patience))
	if err != nil {
		return fmt.Errorf("asking the database before a replay: %w", err)
	}
	if err := c.sql(ctx, dropDatabases+`CREATE DATABASE :"replayed" OWNER :"owner";`); err != nil {
		return fmt.Errorf("dropping and creating the database: %w", err)
	}
	err = c.postgres(ctx, from, nil, "psql", c.o.Compose.DatabaseName+"_replayed",
		"--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--single-transaction")
	if err == nil {
		err = c.sql(ctx, `ALTER DATABASE :"replayed" RENAME TO :"database";`)
	}
	if err != nil {
		err = fmt.Errorf("replaying the dump (the database is left dropped): %w", err)
		return errors.Join(err, c.sql(context.WithoutCancel(ctx), dropDatabases))
	}
	return nil
}

// dropDatabases drops the database and one that was being replayed, whoever is
// connected.
const dropDatabases = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN (:'database', :'replayed');
DROP DATABASE IF EXISTS :"database";
DROP DATABASE IF EXISTS :"replayed";
`

// objects is the container of the object store, and where its data is.
func (c *Compose) objects(ctx context.Context) (id, dir string, err error) {
	if err := c.create(ctx); err != nil {
		return "", "", err
	}
	k, err := c.container(ctx, c.o.Compose.ObjectStore)
	if err == nil && k.id == "" {
		err = errors.New("the object store has no container")
	}
	return k.id, c.o.Compose.ObjectPath, err
}

// PackObjects copies the data out of the object store's container, which may
// be stopped.
func (c *Compose) PackObjects(ctx context.Context, to io.Writer) error {
	id, dir, err := c.objects(ctx)
	if err != nil {
		return fmt.Errorf("packing the object store: %w", err)
	}
	out := tar.NewWriter(to)
	err = piped(func(w io.Writer) error { return c.copyOut(ctx, id, dir, w) }, func(r io.Reader) error {
		return readTree(ctx, r, func(name string, h *tar.Header, content io.Reader) error {
			return writeEntry(out, name, h, content)
		})
	})
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		return fmt.Errorf("packing the object store: %w", err)
	}
	return nil
}

// writeEntry writes an entry with nothing but what is needed.
func writeEntry(out *tar.Writer, name string, h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeDir {
		name += "/"
	}
	err := out.WriteHeader(&tar.Header{
		Typeflag: h.Typeflag, Name: name, Mode: h.Mode & 0o777, Uid: h.Uid, Gid: h.Gid, Size: h.Size, ModTime: h.ModTime,
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(out, content)
	return err
}

// ReplaceObjects makes the object store's volume anew and fills it, before the
// store has run on it. All in it gets the owner that the volume itself has.
func (c *Compose) ReplaceObjects(ctx context.Context, from io.Reader) error {
	id, dir, err := c.objects(ctx)
	if err != nil {
		return fmt.Errorf("emptying the object store: %w", err)
	}
	for _, s := range []Service{Backend, ObjectStore} {
		if err := c.Stop(ctx, s); err != nil {
			return fmt.Errorf("stopping the %s for the objects: %w", s, err)
		}
	}
	top, err := c.top(ctx, id, dir)
	if err != nil {
		return fmt.Errorf("looking whose the object store's volume is: %w", err)
	}
	if err := c.emptyObjects(ctx, id); err != nil {
		return fmt.Errorf("emptying the object store: %w", err)
	}
	if id, dir, err = c.objects(ctx); err != nil {
		return fmt.Errorf("emptying the object store: %w", err)
	}
	err = piped(func(w io.Writer) error {
		out := tar.NewWriter(w)
		err := readTree(ctx, from, func(name string, h *tar.Header, content io.Reader) error {
			h.Uid, h.Gid = top.Uid, top.Gid
			h.Mode |= 0o600
			if h.Typeflag == tar.TypeDir {
				h.Mode |= 0o700
			}
			return writeEntry(out, name, h, content)
		})
		if err == nil {
			err = out.Close()
		}
		return err
	}, func(r io.Reader) error { return c.copyIn(ctx, id, dir, r) })
	if err != nil {
		return errors.Join(fmt.Errorf("unpacking into the object store: %w", err), c.emptyObjects(context.WithoutCancel(ctx), id))
	}
	return nil
}

// top is the entry of a directory of a container itself.
func (c *Compose) top(ctx context.Context, id, dir string) (h *tar.Header, err error) {
	err = piped(func(w io.Writer) error {
		return c.copyOut(ctx, id, dir, w)
	}, func(r io.Reader) error {
		h, err = tar.NewReader(r).Next()
		return err
	})
	return h, err
}

// emptyObjects removes the object store's container and volume and makes them
// anew.
func (c *Compose) emptyObjects(ctx context.Context, id string) error {
	k := c.o.Compose
	if err := c.keepLog(ctx, id, k.ObjectStore); err != nil {
		return err
	}
	if _, err := c.docker.text(ctx, "container", "rm", "--force", "--volumes", id); err != nil {
		return err
	}
	if _, err := c.docker.text(ctx, "volume", "rm", c.project+"_"+k.ObjectVolume); err != nil {
		return err
	}
	return c.docker.do(ctx, c.compose("up", "--no-start", "--no-build", "--no-deps", k.ObjectStore)...)
}
