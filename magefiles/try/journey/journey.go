// Package journey walks through a running product over HTTP as its users do,
// and says step by step what was sent, what was expected and what came back.
// It knows no other package of the suite but internal tools.
//
// A journey leaves nothing behind: what it made is removed at its end, also
// when a step failed or the run was interrupted. [Pilot] alone keeps its data,
// so that [Verify] finds it again after a restart, a restore or an upgrade.
package journey

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Target is the running product and what is needed to use it.
type Target struct {
	// URL is where the product answers, such as http://localhost:8080. The API
	// lies below it at /api/v1.
	URL string
	// Admin and Viewer are two accounts of the product. The viewer has to be
	// without rights on what the admin owns.
	Admin, Viewer Account
	// Transport carries the requests; nil stands for [http.DefaultTransport].
	Transport http.RoundTripper
	// ReadyPatience is how long the product may take to become ready (default
	// 60 s), SearchPatience how long until a search finds what was written
	// (default 30 s), RequestPatience how long any one request may take
	// (default 60 s), CleanUpPatience how long all of the clean-up (default
	// 60 s).
	ReadyPatience, SearchPatience, RequestPatience, CleanUpPatience time.Duration
	// FileSize is the size in bytes of the file that is uploaded, 3 MiB and a
	// few bytes by default. It is streamed.
	FileSize int64
	// ChatRequired makes a product without chat fail.
	ChatRequired bool
	// PublicShareToken names the public link that [PostRestore] opens; empty:
	// it looks for one. PublicSharePassword is that link's password.
	PublicShareToken, PublicSharePassword string
	// AllowSkipPublicShare lets [PostRestore] do without a public link.
	AllowSkipPublicShare bool
}

// Account is a user of the product.
type Account struct{ Email, Password string }

// Watch gets every step twice: as it begins, with the outcome [Running], and
// at its end. Steps that were not run come once. It may be nil.
type Watch func(Step)

// Launch is the journey of a release: files and shares. It leaves nothing.
//
// A failure is a [*StepError], joined with one for each thing that could not be
// cleaned up; the report has it all, in any case. A target that is not usable
// is an error with an empty report: nothing was sent.
func Launch(ctx context.Context, t Target, w Watch) (Report, error) {
	steps := join(sessions(), files(), []step{internalShare(), publicLink(), publicInfo(), uploadOnly(), replication()})
	return walk(ctx, "launch", t, w, Kept{}, steps)
}

// Beta is [Launch] and besides: readiness, revoked shares, notes, search by
// those who may find and those who may not, chat, audit and a bad login. Errors
// as there; a search that shows too much is a [*LeakError] as well.
func Beta(ctx context.Context, t Target, w Watch) (Report, error) {
	return walk(ctx, "beta", t, w, Kept{}, betaSteps())
}

// Pilot is [Beta] with its data kept where it passed: Report.Kept says what.
func Pilot(ctx context.Context, t Target, w Watch) (Report, error) {
	return walk(ctx, pilot, t, w, Kept{}, betaSteps())
}

// PostRestore looks at a product that was restored and changes nothing: login,
// session, the root folder and one public link: the target's, else the one that
// an earlier run kept, else one that the product lists. k may be zero.
func PostRestore(ctx context.Context, t Target, k Kept, w Watch) (Report, error) {
	admin := []step{loginAdmin(), sessionStep(false), root(), restoredLink()}
	return walk(ctx, "post-restore", t, w, k, admin)
}

// Verify looks for what [Pilot] left, byte for byte, and changes nothing.
func Verify(ctx context.Context, t Target, k Kept, w Watch) (Report, error) {
	if err := k.complete(); err != nil {
		return Report{}, err
	}
	steps := join([]step{ready()}, sessions(), []step{keptNote(), download(), keptFolder(), keptLink()}, search())
	return walk(ctx, "verify", t, w, k, steps)
}

// BadLogin tries a wrong password, which has to be refused.
func BadLogin(ctx context.Context, t Target, w Watch) (Report, error) {
	return walk(ctx, "bad-login", t, w, Kept{}, []step{badLogin()})
}

// pilot is the one journey that keeps its data.
const pilot = "pilot"

func betaSteps() []step {
	return join(
		[]step{ready()}, sessions(), files(),
		[]step{internalShare(), revoke(), publicLink(), publicInfo(), uploadOnly(), notes()},
		search(),
		[]step{replication(), chat(), audit(), badLogin()})
}

func sessions() []step { return []step{loginAdmin(), loginViewer(), sessionStep(true)} }

func files() []step { return []step{root(), folder(), upload(), download()} }

func join(parts ...[]step) []step {
	var out []step
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// withDefaults checks the target and fills in what is not said.
func (t Target) withDefaults(viewer bool) (Target, *url.URL, error) {
	base, err := url.Parse(strings.TrimRight(t.URL, "/") + "/") // cookies want a path
	switch {
	case err != nil:
		// The text of a URL that cannot be read may hold a password.
		return t, nil, errors.New("the product's URL cannot be read: give one such as http://localhost:8080")
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		return t, nil, fmt.Errorf("the product's URL is %q: give one such as http://localhost:8080", base.Redacted())
	case base.User != nil, base.RawQuery != "", base.Fragment != "":
		return t, nil, fmt.Errorf("the product's URL %q has a user, a query or a fragment: give scheme, host and port alone", base.Redacted())
	}
	for _, a := range []struct {
		who, email, password string
		Account
		wanted bool
	}{
		{"admin", "ADMIN_EMAIL", "ADMIN_PASSWORD or RUSTSHARE_ADMIN_PASSWORD", t.Admin, true},
		{"viewer", "VIEWER_EMAIL", "VIEWER_PASSWORD or RUSTSHARE_DEMO_VIEWER_PASSWORD", t.Viewer, viewer},
	} {
		if a.wanted && a.Email == "" {
			return t, nil, fmt.Errorf("no e-mail address of the %s is given: set %s", a.who, a.email)
		}
		if a.wanted && a.Password == "" {
			return t, nil, fmt.Errorf("no password of the %s is given: set %s", a.who, a.password)
		}
	}
	if viewer && strings.EqualFold(t.Admin.Email, t.Viewer.Email) {
		return t, nil, fmt.Errorf("admin and viewer are both %s: what a viewer must not see shows only with two accounts", t.Admin.Email)
	}
	if t.Transport == nil {
		t.Transport = http.DefaultTransport
	}
	for _, d := range []struct {
		at *time.Duration
		to time.Duration
	}{
		{&t.ReadyPatience, time.Minute},
		{&t.SearchPatience, 30 * time.Second},
		{&t.RequestPatience, time.Minute},
		{&t.CleanUpPatience, time.Minute},
	} {
		if *d.at <= 0 {
			*d.at = d.to
		}
	}
	if t.FileSize <= 0 {
		t.FileSize = 3<<20 + 17 // no multiple of any buffer
	}
	return t, base, nil
}

// unique is a word that no other run has: letters and digits only, so that
// every index takes it for one word.
func unique() string { return "smoke" + strings.ToLower(rand.Text()) }
