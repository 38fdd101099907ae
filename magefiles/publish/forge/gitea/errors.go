package gitea

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

// writing is the scope that releases need. It includes reading.
const writing = "write:repository"

// statusError is an answer that is no success.
type statusError struct {
	status int
	text   string
	// after is the pause that the server asked for.
	after time.Duration
}

func (e *statusError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("the server answered %d", e.status)
	}
	return fmt.Sprintf("the server answered %d: %s", e.status, e.text)
}

// is tells whether the server answered with a status.
func is(err error, status int) bool {
	var e *statusError
	return errors.As(err, &e) && e.status == status
}

// Gitea: "token does not have at least one of required scope(s),
// required=[write:repository], token scope=read:repository". Older ones and
// Forgejo: "… required scope(s): [write:repository]".
var lacking = regexp.MustCompile(`required scope\(s\)(?:, required=|: )\[([a-z: ,]+)\]`)

// refused makes the error of an answer that is no success. It says what is
// missing.
func (g *Gitea) refused(doing string, res *http.Response, text string) error {
	text = strings.Join(strings.Fields(text), " ") // it may be the page of a proxy
	err, status := &statusError{res.StatusCode, text[:min(len(text), 300)], retry.After(res.Header, g.retry.Now())}, res.StatusCode
	switch {
	case status == http.StatusUnauthorized && g.token == "":
		return fmt.Errorf("%s: there is no token for %s: make one in its settings under Applications with the scope %q (%w)", doing, g.server, writing, err)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%s: %s does not accept the token: it is wrong, expired or revoked, make another with the scope %q (%w)", doing, g.server, writing, err)
	case status == http.StatusForbidden:
		needs := "write access to " + g.repo()
		if m := lacking.FindStringSubmatch(text); m != nil {
			needs = m[1]
		}
		return &forge.PermissionError{Doing: doing, Needs: needs, Err: err}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// lost makes a failure of a request that is sent once a [*retry.Passing] where
// another try may succeed. Nobody knows whether the first was carried out.
func lost(err error) error {
	var s *statusError
	switch {
	case errors.As(err, &s) && retry.Status(s.status):
		return &retry.Passing{Err: err, After: s.after}
	case retry.Broken(err):
		return &retry.Passing{Err: err}
	}
	return err
}
