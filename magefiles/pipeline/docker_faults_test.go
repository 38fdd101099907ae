package pipeline

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/kubedoio/rustshare-release/magefiles/record"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/pilot"
)

// trap is a log that does something, once, when a line has a text in it: what
// is tried waits meanwhile.
type trap struct {
	to   io.Writer
	when string
	do   func()
}

func (l *trap) Write(p []byte) (int, error) {
	if l.do != nil && strings.Contains(string(p), l.when) {
		do := l.do
		l.do = nil
		do()
	}
	return l.to.Write(p)
}

// fault is a failure that is caused, and what has to be said about it.
type fault struct {
	name, try string
	attempt   attempt
	// image changes the image that is tried.
	image func(*v1.Config)
	// do is done before or, with when, as soon as the log says that.
	when string
	do   func(*testing.T)
	says []string
	// left is undone by the test: it is what others keep from being removed.
	left func(*testing.T)
}

// failuresOnDocker causes failures, and wants each named and nothing left.
func (w *tried) failuresOnDocker(t *testing.T, e episode) {
	images := w.withDocker(t)
	at := w.at(t, e, w.history.Episodes[0])
	at.was = at.now // nothing here depends on what it is
	run := drill.Begin("drill:backup", nil)
	var good attempt
	var err error
	good.Backup, good.Kept, good.Secrets, err = at.backedUp(t.Context(), run, t.TempDir())
	ok(t, err)
	journeyed := func(phases ...string) attempt { return attempt{Only: phases} }
	foreign := "foreign-" + w.project
	for _, f := range []fault{
		{
			name: "image that does not start", try: "smoke:launch",
			image: func(c *v1.Config) { c.Entrypoint = []string{"/app/none"} },
			says:  []string{"the backend ended by itself", "Docker could not start it", "/app/none"},
		},
		{
			name: "image that ends", try: "drill:upgrade",
			image: func(c *v1.Config) { c.Cmd = []string{"nonsense"} },
			says:  []string{"cannot take over the data of " + at.was.Version, "do not release it", "restoring the backup", "the backend ended by itself (exit status 1)", "usage: "},
		},
		{
			name: "service killed", try: pilot.Name, attempt: journeyed("restart"),
			when: "journey: passed", do: func(t *testing.T) { dockerSays(t, "kill", container(t, "postgres")) },
			says: []string{`phase "restart"`, "the database ended by itself (signal: killed)"},
		},
		{
			name: "proxy killed", try: pilot.Name, attempt: journeyed("bad login"),
			when: "journey: passed", do: func(t *testing.T) { dockerSays(t, "kill", container(t, "nginx")) },
			says: []string{`phase "bad login"`, "; the cause: the proxy ended by itself (signal: killed)"},
		},
		{
			name: "volume emptied", try: pilot.Name, attempt: journeyed("restart"),
			when: "journey: passed", do: func(t *testing.T) {
				dockerSays(t, "exec", container(t, "rustfs"), "sh", "-c", "rm -rf /data/* /data/.[!.]*")
			},
			says: []string{`phase "restart"`, "the object store is not ready", "The specified bucket does not exist"},
		},
		{
			name: "database refusing", try: pilot.Name, attempt: journeyed("restart"),
			when: "journey: passed", do: func(t *testing.T) {
				dockerSays(t, "exec", container(t, "postgres"), "sh", "-c",
					`PGPASSWORD="$POSTGRES_PASSWORD" psql --host 127.0.0.1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --command "ALTER ROLE $POSTGRES_USER NOLOGIN"`)
			},
			says: []string{`phase "restart"`, "not permitted to log in"},
		},
		{
			name: "secret printed to a log", try: pilot.Name, attempt: journeyed("bad login"),
			when: "journey: passed", do: func(t *testing.T) {
				dockerSays(t, "exec", container(t, "postgres"), "sh", "-c", `printf %s "$POSTGRES_PASSWORD" | base64 >/proc/1/fd/2`)
			},
			says: []string{`phase "logs"`, "the log of the database of the stack 1-pilot holds the value of POSTGRES_PASSWORD", "must never be logged"},
		},
		{
			name: "one byte of the backup flipped", try: "drill:restore",
			attempt: attempt{Backup: flipped(t, good.Backup), Kept: good.Kept, Secrets: good.Secrets},
			says:    []string{"cannot be restored: take another", "postgres.sql.gz"},
		},
		{
			name: "wrong data after a restore", try: "drill:restore", attempt: wrong(good),
			says: []string{"data from before the backup: ", strings.Repeat("0", 64)},
		},
		{
			name: "port taken", try: "drill:restore", attempt: good,
			do:   func(t *testing.T) { w.listen(t) },
			says: []string{"the proxy cannot listen on 127.0.0.1:" + w.drillPort(t), "which is taken", "`ss -ltnp 'sport = :" + w.drillPort(t) + "'`"},
		},
		{
			name: "collision", try: "drill:restore", attempt: good,
			do: func(t *testing.T) {
				dockerSays(t, "volume", "create", "--label", "com.docker.compose.project="+w.project, foreign)
				t.Cleanup(func() { dockerSays(t, "volume", "rm", foreign) })
			},
			says: []string{`project "` + w.project + `" is in use: volume ` + foreign, "docker compose --project-name " + w.project + " down"},
		},
		{
			name: "teardown blocked", try: "drill:restore", attempt: good,
			when: "start the isolated stack: passed", do: func(t *testing.T) { sleeping(t, images, foreign, "--network", w.project+"_default") },
			says: []string{"tear down: ", "remove by hand: network " + w.project + "_default (used by container " + foreign + ")"},
			left: func(t *testing.T) {
				if out := dockerSays(t, "inspect", "--format", "{{.State.Running}}", foreign); out != "true" {
					t.Errorf("the container of somebody else runs: %s", out)
				}
				dockerSays(t, "rm", "--force", foreign)
				dockerSays(t, "network", "rm", w.project+"_default") // as the message says
			},
		},
	} {
		t.Run(f.name, func(t *testing.T) {
			at := *at
			w.cause(t, &at, f, images)
		})
	}
}

// cause has a failure, and looks at what is said and left.
func (w *tried) cause(t *testing.T, at *stands, f fault, images map[string]string) {
	if f.image != nil {
		img, err := changed(at.now.image, f.image)
		ok(t, err)
		at.now.image = img
		d, err := img.Digest()
		ok(t, err)
		at.now.Digest = d.String()
	}
	look := bystander(t, images)
	log := &trap{to: testLog{t}, when: f.when}
	if f.when != "" {
		log.do = func() { f.do(t) }
	} else if f.do != nil {
		f.do(t)
	}
	b := w.bundle(t, w.history.Episodes[2])
	e, err := w.tries(t, at, b, f.try, f.attempt, log)
	if err == nil {
		t.Fatal("it passed")
	}
	t.Logf("it says:\n%v", err)
	says(t, err, f.says...)
	if log.do != nil {
		t.Errorf("the log never said %q", f.when)
	}
	if got := w.evidence(t, b, f.try, onCompose); got.Result != record.Fail || got.Digest != at.now.Digest || got.Finished.Sub(e.Finished).Abs() > time.Second {
		t.Errorf("the record says %s of %s: %s", got.Result, got.Digest, got.Summary)
	}
	if f.left != nil {
		f.left(t)
	}
	if f.image != nil {
		ok(t, at.loaded[at.now.Digest].Remove(t.Context()))
		delete(at.loaded, at.now.Digest)
	}
	var keep []string // for those that follow
	for _, i := range at.loaded {
		keep = append(keep, "image "+i.Ref)
	}
	look(keep...)
}

// changed is an image with another configuration.
func changed(img v1.Image, change func(*v1.Config)) (v1.Image, error) {
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	c := *file.Config.DeepCopy()
	change(&c)
	return mutate.Config(img, c)
}

// flipped is a copy of a backup bundle with another bit in the middle of its
// database.
func flipped(t *testing.T, dir string) string {
	t.Helper()
	other := filepath.Join(t.TempDir(), filepath.Base(dir))
	ok(t, copyAll(dir, other, nil))
	file := filepath.Join(other, "postgres.sql.gz")
	text, err := os.ReadFile(file)
	ok(t, err)
	text[len(text)/2] ^= 1
	ok(t, os.WriteFile(file, text, 0o600))
	return other
}

// wrong looks for another note than the one that is in the backup.
func wrong(a attempt) attempt {
	a.Kept.NoteSHA256 = strings.Repeat("0", 64)
	return a
}

// drillPort is the port of the restore drill's proxy.
func (w *tried) drillPort(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.Dir, w.Product.Compose.Drill[0]))
	ok(t, err)
	m := regexp.MustCompile(`127\.0\.0\.1:(\d+):80\n`).FindSubmatch(text)
	if m == nil {
		t.Fatal("the drill's proxy has no port")
	}
	return string(m[1])
}

// listen is another program that has that port.
func (w *tried) listen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:"+w.drillPort(t))
	ok(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}
