package validation

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// look measures a page. It is run in it, with everything unfolded.
//
//go:embed testdata/look.js
var look string

// box is an element's place in pixels.
type box struct{ X, Y, Width, Height float64 }

// writing is some text of the page with its contrast, as WCAG 2.2 computes it.
type writing struct {
	Text     string
	Class    string
	Contrast float64
}

// sight is what a browser makes of a page.
type sight struct {
	Background string
	// Width is the window's, Scroll that of what is in it.
	Width, Scroll float64
	// Outside are elements that reach out of the window.
	Outside []string
	Matrix  box
	// Bars are those of the timeline that have a width.
	Timeline box
	Bars     int
	Results  []string
	// Texts are all that can be seen.
	Texts []writing
	// requests and messages are what the page asked for and said.
	requests, messages []string
}

// faults are what must not be.
func (s sight) faults(page string) []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, r := range s.requests {
		if r != page {
			fault("it asked for %s", r)
		}
	}
	for _, m := range s.messages {
		fault("it said: %s", m)
	}
	if s.Scroll > s.Width {
		fault("it is %.0f wide in a window of %.0f", s.Scroll, s.Width)
	}
	for _, o := range s.Outside {
		fault("this reaches out of the window: %s", o)
	}
	for name, b := range map[string]box{"matrix": s.Matrix, "timeline": s.Timeline} {
		if b.Width < 300 || b.Height < 40 || b.X < 0 || b.X+b.Width > s.Width {
			fault("the %s has the box %+v in a window of %.0f", name, b, s.Width)
		}
	}
	if len(s.Results) == 0 || len(s.Texts) == 0 || s.Bars == 0 {
		fault("it shows %d results, %d texts and %d bars", len(s.Results), len(s.Texts), s.Bars)
	}
	for _, t := range s.Texts {
		if t.Contrast < 4.5 {
			fault("%q (%s) has a contrast of %.2f, want 4.5", t.Text, t.Class, t.Contrast)
		}
	}
	return out
}

// browser starts Chromium for a test.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no browser is started")
	}
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("there is no Chromium to look at the page with: run scripts/setup.sh browser, or test with -short")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); cancel() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	return ctx
}

// see opens a page in a tab of its own. Where picture is not empty, it takes one.
func see(t *testing.T, ctx context.Context, page string, width int64, dark bool, picture string) sight {
	t.Helper()
	ctx, cancel := chromedp.NewContext(ctx)
	defer cancel()
	var mu sync.Mutex
	var requests, messages []string
	err := chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			requests = append(requests, e.Request.URL)
		case *runtime.EventConsoleAPICalled:
			for _, arg := range e.Args {
				messages = append(messages, string(arg.Value))
			}
		case *runtime.EventExceptionThrown:
			messages = append(messages, e.ExceptionDetails.Exception.Description)
		case *log.EventEntryAdded:
			messages = append(messages, e.Entry.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	mode := "light"
	if dark {
		mode = "dark"
	}
	err = chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, network := cdp.Call(ctx, tab, network.Enable, network.EnableParams{})
		_, log := cdp.Call(ctx, tab, log.Enable, cdp.Empty{})
		_, media := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: mode}},
		})
		return errors.Join(network, log, media)
	}), chromedp.Navigate(page))
	if err != nil {
		t.Fatal(err)
	}
	if picture != "" {
		shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(picture, shot, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := chromedp.Run(ctx, chromedp.Evaluate[sight](look))
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	seen.requests, seen.messages = requests, messages
	return seen
}

// place writes a page to a file and gives its address.
func place(t *testing.T, html []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, html, 0o644); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// TestBrowser looks at the page as people do: on a desk and on a phone, by day
// and by night.
func TestBrowser(t *testing.T) {
	ctx := browser(t)
	for name, r := range map[string]Release{"good": good(t), "bad": bad(t), "hostile": hostile(t)} {
		html, err := HTML(r)
		if err != nil {
			t.Fatal(err)
		}
		page := place(t, html)
		for _, width := range []int64{400, 1400} {
			for _, dark := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s at %d, dark %v", name, width, dark), func(t *testing.T) {
					picture := ""
					if *pictures != "" {
						picture = filepath.Join(*pictures, strings.NewReplacer("/", "-", " ", "-", ",", "").Replace(t.Name())+".png")
					}
					s := see(t, ctx, page, width, dark, picture)
					for _, f := range s.faults(page) {
						t.Error(f)
					}
					if s.Width != float64(width) {
						t.Errorf("the window is %.0f wide", s.Width)
					}
					if want := map[bool]string{false: "rgb(252, 251, 248)", true: "rgb(19, 22, 25)"}[dark]; s.Background != want {
						t.Errorf("the background is %s, want %s", s.Background, want)
					}
					if n := len(s.requests); n != 1 {
						t.Errorf("%d requests were seen, want that of the page: %v", n, s.requests)
					}
				})
			}
		}
	}
}

// TestBrowserFinds shows that a page can fail.
func TestBrowserFinds(t *testing.T) {
	ctx := browser(t)
	page := place(t, []byte(`<!DOCTYPE html><title>x</title><body style="background:#fff"><p style="color:#aaa">pale</p><div style="width:2000px">wide</div>
<img src="https://example.invalid/x.png" alt=""><script>console.log("hello"); undefinedFunction()</script>`))
	got := strings.Join(see(t, ctx, page, 400, false, "").faults(page), "\n")
	for _, want := range []string{
		"it asked for https://example.invalid/x.png", "hello", "undefinedFunction is not defined", "wide in a window of 400", "reaches out of the window: DIV",
		"the matrix has the box", "the timeline has the box", "0 results", `"pale" () has a contrast of 2.3`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("this was not found: %s", want)
		}
	}
	if t.Failed() {
		t.Logf("found:\n%s", got)
	}
}
