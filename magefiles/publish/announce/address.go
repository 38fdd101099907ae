package announce

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// Mastodon is the kind of address that shoutrrr does not know and this package
// does: mastodon://TOKEN@HOST, with an access token that may write statuses. It
// becomes a POST to https://HOST/api/v1/statuses through shoutrrr's generic
// service.
const Mastodon = "mastodon"

// limits are the longest messages that services take, in bytes: where a service
// counts characters, it never counts more.
var limits = map[string]int{
	Mastodon: 500, "discord": 2000,
	"lark": 4096, "ntfy": 4096, "pushover": 1024, "telegram": 4096, "wecom": 4096, "zulip": 10000,
}

// titled are the services that show a subject apart from the text.
var titled = []string{"bark", "gotify", "ntfy", "pushbullet", "pushover", "smtp"}

// address is one to send to. Only its kind and position may be shown.
type address struct {
	url      *url.URL
	raw      string
	kind     string
	position int // from 1
	// key names the address in the ledger. It stays the same from run to run;
	// another token makes another address.
	key string
}

func (a address) String() string { return fmt.Sprintf("%s (address %d)", a.kind, a.position) }

// read reads addresses as shoutrrr has them; empty ones are left out.
func read(list []string) ([]address, error) {
	kinds := append((&router.ServiceRouter{}).ListServices(), Mastodon)
	var out []address
	for i, raw := range list {
		raw = strings.TrimSpace(raw)
		if raw == "" {
			continue
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme == "" { // the error would quote the address
			return nil, fmt.Errorf("address %d is no URL of the form service://…: see https://shoutrrr.nickfedor.com for what each service wants (the address itself is a secret and not shown)", i+1)
		}
		kind, _, _ := strings.Cut(u.Scheme, "+")
		if !slices.Contains(kinds, kind) {
			slices.Sort(kinds)
			return nil, fmt.Errorf("address %d names a service that is not known: want one of %s", i+1, strings.Join(kinds, ", "))
		}
		sum := sha256.Sum256([]byte(raw))
		a := address{url: u, raw: raw, kind: kind, position: i + 1, key: kind + "-" + hex.EncodeToString(sum[:6])}
		if kind == Mastodon {
			if err := a.checkMastodon(); err != nil {
				return nil, err
			}
		}
		for _, b := range out {
			if a.key == b.key {
				return nil, fmt.Errorf("%s is the same as address %d: name it once", a, b.position)
			}
		}
		out = append(out, a)
	}
	return out, nil
}

func (a address) checkMastodon() error {
	_, password := a.url.User.Password()
	if a.url.Scheme != Mastodon || a.url.User.Username() == "" || password || a.url.Host == "" ||
		strings.Trim(a.url.Path, "/") != "" || a.url.RawQuery != "" || a.url.Fragment != "" {
		return fmt.Errorf("%s: want mastodon://TOKEN@HOST and nothing else", a)
	}
	return nil
}

// shoutrrr gives the address in the form that shoutrrr knows.
func (a address) shoutrrr(text string) string {
	if a.kind != Mastodon {
		return a.raw
	}
	sum := sha256.Sum256([]byte(a.key + text))
	query := url.Values{
		"template": {"json"}, "messagekey": {"status"},
		"@Authorization": {"Bearer " + a.url.User.Username()},
		// Mastodon takes the same key for the same status, for an hour.
		"@Idempotency-Key": {hex.EncodeToString(sum[:])},
	}
	return (&url.URL{Scheme: "generic", Host: a.url.Host, Path: "/api/v1/statuses", RawQuery: query.Encode()}).String()
}

// params are shoutrrr's settings for one message.
func (a address) params(subject string) *types.Params {
	p := types.Params{}
	subject = strings.Join(strings.Fields(subject), " ")
	if a.kind == "smtp" { // which puts it into a header as it is (RFC 2047)
		subject = mime.QEncoding.Encode("utf-8", subject)
	}
	if slices.Contains(titled, a.kind) {
		p[types.TitleKey] = subject
	}
	if a.kind == "discord" {
		p["splitlines"] = "No" // one message, not a box a line
	}
	return &p
}

// open makes the service ready to send, or says what is wrong with the address.
// Nothing goes over the network but Matrix's login.
func (a address) open(text string) (s types.Service, f *fault) {
	defer func() {
		if recover() != nil { // what it says may hold the address
			f = &fault{text: "the address cannot be used: a setting in it is not understood", arrived: never}
		}
	}()
	s, err := (&router.ServiceRouter{}).Locate(a.shoutrrr(text))
	if err != nil {
		f = explain(err)
		return nil, &fault{text: "the address cannot be used: " + f.text, arrived: never}
	}
	return s, nil
}

// send sends text. Begin is called when the service is ready, right before;
// begun tells whether it was. Shoutrrr cannot be interrupted: where ctx ends
// first, its attempt goes on behind our back.
func (a address) send(ctx context.Context, subject, text string, begin func() error) (begun bool, _ *fault) {
	type end struct {
		begun bool
		fault *fault
	}
	ended := make(chan end, 1)
	var decided atomic.Bool // whether it is sent: by the one below, or by us who gave up before
	go func() {
		e := end{}
		defer func() {
			if recover() != nil { // as above
				e.fault = &fault{text: "the service's library broke down"}
			}
			ended <- e
		}()
		var service types.Service
		if service, e.fault = a.open(text); e.fault != nil || !decided.CompareAndSwap(false, true) {
			return
		}
		if err := begin(); err != nil {
			e.fault = &fault{text: fmt.Sprintf("it was not sent, for the ledger could not be written: %v", err)}
			return
		}
		e.begun = true
		if err := service.Send(text, a.params(subject)); err != nil {
			e.fault = explain(err)
		}
	}()
	select {
	case e := <-ended:
		return e.begun, e.fault
	case <-ctx.Done():
	}
	begun = !decided.CompareAndSwap(false, true)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return begun, &fault{text: "no answer in time"}
	}
	return begun, &fault{text: "interrupted"}
}

// shorten cuts a message to so many bytes, 0 being no limit: at a line, with a
// mark, and with the last paragraph kept, of which the first line matters most.
func shorten(text string, most int) string {
	text = strings.TrimSpace(text)
	if most == 0 || len(text) <= most {
		return text
	}
	body, foot := "", text
	if i := strings.LastIndex(text, "\n\n"); i >= 0 {
		body, foot = text[:i], text[i+2:]
	}
	const mark = "…\n\n"
	if kept := lines(body, most-len(mark)-len(foot)); kept != "" {
		return kept + mark + foot
	}
	if kept := lines(foot+"\n", most+1); kept != "" {
		return strings.TrimSuffix(kept, "\n")
	}
	return strings.ToValidUTF8(foot[:most], "")
}

// lines gives as many whole lines from the beginning, with their ends, as fit
// into so many bytes.
func lines(text string, most int) string {
	kept := 0
	for line := range strings.Lines(text) {
		if kept+len(line) > most {
			break
		}
		kept += len(line)
	}
	return text[:kept]
}
