package github

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/github"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

var ok = testkit.OK

// clock goes on only by sleeping.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return context.Cause(ctx)
}

// bench is a stand-in with a clock of its own.
type bench struct {
	*kit.Server
	clock *clock
}

const tag = "v1.2.3"

func serve(t testing.TB, o kit.Options) *bench {
	t.Helper()
	b := &bench{clock: &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}}
	o.Now = b.clock.Now
	var err error
	if b.Server, err = kit.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	b.SetTag(tag, "c0ffee")
	return b
}

// client opens the stand-in with so many tries a request.
func (b *bench) client(t testing.TB, token string, tries uint) *GitHub {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// net/http itself repeats a GET on a connection that was in use before.
	transport.DisableKeepAlives = tries == 1
	g, err := Open(Options{
		URL: b.URL(), API: b.API(), Uploads: b.Uploads(), Token: token, Transport: transport,
		Retry: retry.Policy{Tries: tries, Clock: b.clock},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return g
}

func asset(name, text string) forge.Asset {
	sum := sha256.Sum256([]byte(text))
	return forge.Asset{Name: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
}

func content(text string) forge.Content {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

var (
	texts = map[string]string{
		"sample-1.2.3-linux-amd64.tar.gz": "a tarball", "sample_1.2.3_amd64.deb": "a package", "SHA256SUMS": "sums\n",
	}
	wanted = forge.Release{
		Tag: tag, Name: "Sample 1.2.3", Notes: "# Notes\n\n- ü\n", Latest: true,
		Assets: []forge.Asset{
			asset("SHA256SUMS", texts["SHA256SUMS"]),
			asset("sample-1.2.3-linux-amd64.tar.gz", texts["sample-1.2.3-linux-amd64.tar.gz"]),
			asset("sample_1.2.3_amd64.deb", texts["sample_1.2.3_amd64.deb"]),
		},
	}
)

const amended = "## Deprecated\n\n# Notes\n"

// converge brings a release to its end the way that publishing does: it looks,
// and does what is missing. With late it gets its place at the very end only.
func converge(ctx context.Context, g *GitHub, want forge.Release, late bool) error {
	found, err := g.Find(ctx, want.Tag)
	if err != nil {
		return err
	}
	if found == nil || found.Draft && (found.Name != want.Name || found.Notes != want.Notes || found.Prerelease != want.Prerelease) {
		if err := g.Draft(ctx, want); err != nil {
			return err
		}
	}
	if found == nil {
		found = &forge.Release{Draft: true}
	}
	if found.Draft {
		for _, a := range found.Assets {
			if _, ok := want.Find(a.Name); !ok {
				if err := g.Drop(ctx, want.Tag, a.Name); err != nil {
					return err
				}
			}
		}
	}
	for _, a := range want.Assets {
		if there, ok := found.Find(a.Name); !ok || there != a {
			if err := g.Upload(ctx, want.Tag, a, content(texts[a.Name])); err != nil {
				return err
			}
		}
	}
	if found.Draft {
		first := want
		first.Latest = want.Latest && !late
		if err := g.Publish(ctx, first); err != nil {
			return err
		}
	}
	if latest, err := g.Latest(ctx); err != nil {
		return err
	} else if want.Latest && latest != want.Tag {
		if err := g.SetLatest(ctx, want.Tag); err != nil {
			return err
		}
	}
	return g.Amend(ctx, want.Tag, amended)
}

// settled wants the one release as it should be at the end.
func (b *bench) settled(t *testing.T) {
	t.Helper()
	for _, sin := range b.Sins() {
		t.Errorf("never: %s", sin)
	}
	list := slices.DeleteFunc(b.Releases(), func(r kit.Release) bool { return r.Tag != tag })
	if len(list) != 1 {
		t.Fatalf("there are %d releases of %s: %+v", len(list), tag, list)
	}
	r := list[0]
	if r.Draft || r.Prerelease || !r.Latest || r.Name != wanted.Name || r.Body != amended {
		t.Errorf("release: %+v", r)
	}
	if len(r.Assets) != len(wanted.Assets) || r.Published != len(wanted.Assets) {
		t.Errorf("%d assets, published with %d, expected %d", len(r.Assets), r.Published, len(wanted.Assets))
	}
	for _, a := range r.Assets {
		if want, ok := wanted.Find(a.Name); !ok || a.State != "uploaded" || a.Size != want.Size || a.SHA256 != want.SHA256 {
			t.Errorf("asset %+v, expected %+v", a, want)
		}
	}
}

// says wants an error that contains all the parts and no token.
func says(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("got %v, expected it to say %q", err, p)
		}
	}
	if err != nil && strings.Contains(err.Error(), kit.Token) {
		t.Errorf("the token is in %v", err)
	}
}
