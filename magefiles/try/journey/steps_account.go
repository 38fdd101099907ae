package journey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
)

// eventually tries op until it succeeds or patience ends; then its last failure
// comes back, and says what was expected within which time.
func eventually(ctx context.Context, patience time.Duration, expected string, op func(context.Context) error) error {
	bounded, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("nothing within %s", patience))
	defer cancel()
	var last error
	policy := retry.Policy{Tries: math.MaxInt32, First: min(250*time.Millisecond, patience/4), Longest: 2 * time.Second, Total: patience}
	_, err := retry.Do(bounded, policy, func() (struct{}, error) {
		err := op(bounded)
		if err == nil {
			return struct{}{}, nil
		}
		if last == nil || bounded.Err() == nil {
			last = err // what the end of patience cut off says less
		}
		return struct{}{}, &retry.Passing{Err: err}
	})
	if err == nil || last == nil || ctx.Err() != nil {
		return err
	}
	if f := new(finding); errors.As(last, &f) {
		f.expected = fmt.Sprintf("%s within %s", expected, patience)
	}
	return last
}

func ready() step {
	return step{name: "ready", expect: "a status 2xx", do: func(ctx context.Context, v *visit) error {
		c := call{who: v.stranger(""), method: http.MethodGet, path: []string{"health", "ready"}}
		return eventually(ctx, v.target.ReadyPatience, "a status 2xx", func(ctx context.Context) error {
			return v.ask(ctx, c)
		})
	}}
}

func loginAdmin() step {
	return step{name: "login", expect: "a session of the admin", do: func(ctx context.Context, v *visit) error {
		return v.login(ctx, v.admin, v.target.Admin)
	}}
}

func loginViewer() step {
	return step{name: "login of the viewer", expect: "a session of the viewer", viewer: true, do: func(ctx context.Context, v *visit) error {
		return v.login(ctx, v.viewer, v.target.Viewer)
	}}
}

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (v *visit) login(ctx context.Context, who *someone, a Account) error {
	var in struct{ User struct{ Email string } }
	if err := v.ask(ctx, api(who, http.MethodPost, "auth", "login").with(credentials(a)), &in); err != nil {
		return err
	}
	// From here on there may be a session to end.
	if v.cookie(who, sessionCookie) != "" {
		v.loggedIn = append(v.loggedIn, who)
	}
	if in.User.Email != a.Email {
		return v.wrong("user.email "+a.Email, v.last)
	}
	for _, name := range []string{sessionCookie, csrfCookie} {
		if v.cookie(who, name) == "" {
			return &finding{
				expected: "a cookie " + name,
				found:    "none that may be sent to " + v.report.BaseURL + " (a Secure cookie needs https: see SESSION_COOKIE_SECURE)",
			}
		}
	}
	return nil
}

func sessionStep(viewer bool) step {
	return step{name: "session", expect: "the e-mail address that logged in", viewer: viewer, do: func(ctx context.Context, v *visit) error {
		if err := v.session(ctx, v.admin, v.target.Admin.Email); err != nil || !viewer {
			return err
		}
		return v.session(ctx, v.viewer, v.target.Viewer.Email)
	}}
}

func (v *visit) session(ctx context.Context, who *someone, email string) error {
	var in struct{ Email string }
	if err := v.ask(ctx, api(who, http.MethodGet, "me"), &in); err != nil {
		return err
	}
	if in.Email != email {
		return v.wrong("email "+email, v.last)
	}
	return nil
}

func badLogin() step {
	return step{name: "bad login", expect: "401 or 403, and no session", do: func(ctx context.Context, v *visit) error {
		wrong := unique()
		v.mask.add(wrong)
		a, err := v.send(ctx, api(v.newcomer("a stranger"), http.MethodPost, "auth", "login").with(credentials{v.target.Admin.Email, wrong}))
		if err != nil {
			return err
		}
		if a.status != http.StatusUnauthorized && a.status != http.StatusForbidden {
			return v.wrong("401 or 403", a)
		}
		for _, c := range a.cookies {
			if c.Name == sessionCookie && c.Value != "" {
				return &finding{expected: "no cookie " + sessionCookie, found: fmt.Sprintf("one, although the status is %d", a.status)}
			}
		}
		return nil
	}}
}

func replication() step {
	return step{name: "replication", expect: "job_states, version_states and target_states", do: func(ctx context.Context, v *visit) error {
		return v.hasFields(ctx, api(v.admin, http.MethodGet, "admin", "replication", "summary"), "job_states", "version_states", "target_states")
	}}
}

// hasFields wants fields of an object to be there, whatever they hold but null.
func (v *visit) hasFields(ctx context.Context, c call, names ...string) error {
	var in map[string]json.RawMessage
	if err := v.ask(ctx, c, &in); err != nil {
		return err
	}
	for _, name := range names {
		if in[name] == nil || string(in[name]) == "null" {
			return v.wrong("the field "+name, v.last)
		}
	}
	return nil
}

func chat() step {
	return step{name: "chat", expect: "a status 2xx", do: func(ctx context.Context, v *visit) error {
		c := api(v.admin, http.MethodGet, "applications", "chat", "status")
		if !v.target.ChatRequired {
			return v.ask(ctx, c)
		}
		var in struct {
			Enabled bool `json:"chat_enabled"`
		}
		if err := v.ask(ctx, c, &in); err != nil {
			return err
		}
		if !in.Enabled {
			return v.wrong("chat_enabled true, since chat is required", v.last)
		}
		return nil
	}}
}

func audit() step {
	return step{name: "audit", expect: "entries, and not none", do: func(ctx context.Context, v *visit) error {
		var in struct{ Entries []json.RawMessage }
		c := api(v.admin, http.MethodGet, "admin", "audit")
		c.query = "per_page=20"
		if err := v.ask(ctx, c, &in); err != nil {
			return err
		}
		if len(in.Entries) == 0 {
			return v.wrong("entries, and not none: this journey did things", v.last)
		}
		return nil
	}}
}
