// Package announce makes a release known: it sends a text to chats, mail and
// the like through shoutrrr, to each address once. Addresses are secrets; none
// of them, and no part of one, gets into an error or a log. It knows the
// registry and no step outside of publish.
package announce

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Message is what is made known.
type Message struct {
	// Subject is one line, for mail and other services that have such a thing.
	Subject string
	// Text is the whole message. Its last paragraph holds the links: it is kept
	// where a service takes short messages only.
	Text string
}

// Options of [Send]; the zero value is the usual.
type Options struct {
	// DryRun sends nothing and leaves the ledger alone.
	DryRun bool
	// Again sends to the addresses where it is not known whether an earlier
	// attempt arrived. Where one did, the message may then be there twice.
	Again bool
	// Timeout is for one address; 0 is [DefaultTimeout].
	Timeout time.Duration
}

// DefaultTimeout is how long one address may take.
const DefaultTimeout = 30 * time.Second

// Outcome is what became of one address.
type Outcome string

const (
	// Sent means that the service took the message just now, Before that it did
	// so in an earlier run, Would that it would be sent without DryRun.
	Sent   Outcome = "sent"
	Before Outcome = "sent before"
	Would  Outcome = "would be sent"
	// Failed means that the service does not have the message: the next run
	// tries again.
	Failed Outcome = "failed"
	// Unresolved means that nobody knows: an attempt was begun, and whether it
	// arrived was never heard.
	Unresolved Outcome = "unresolved"
)

// Result is what became of one address.
type Result struct {
	// Address names it without its secrets: "discord (address 2)".
	Address string  `json:"address"`
	Outcome Outcome `json:"outcome"`
	// Detail says why, where it did not work out.
	Detail string `json:"detail,omitempty"`
	// Text is the message in the form for this address.
	Text string `json:"text"`
}

// Error lists the addresses that did not get the message.
type Error struct{ Results []Result }

func (e *Error) Error() string {
	var said []string
	next := ""
	for _, r := range e.Results {
		switch r.Outcome {
		case Failed:
			next = "; run this again when it is repaired: what was sent is not sent twice"
		case Unresolved:
		default:
			continue
		}
		said = append(said, fmt.Sprintf("%s: %s", r.Address, r.Detail))
	}
	return fmt.Sprintf("%d of %d addresses did not get the message, or not for certain: %s%s", len(said), len(e.Results), strings.Join(said, "; "), next)
}

// Send sends the message to the addresses, side by side, to each once: the
// ledger knows where it went in earlier runs. The results are in the order of
// the addresses. Addresses that cannot be used are refused before anything is
// sent; afterwards each one's fate is its own, and an [*Error] tells about those
// that did not work out.
//
// Each address is marked in the ledger before its message is sent and again
// after. A process that dies between the two leaves the first mark: then the
// message is not sent again by itself (at most once), but reported until Again
// is set.
func Send(ctx context.Context, m Message, addresses []string, l Ledger, o Options) ([]Result, error) {
	list, err := read(addresses)
	if err != nil {
		return nil, err
	}
	states, err := l.States(ctx)
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	results := make([]Result, len(list))
	var group sync.WaitGroup
	for i, a := range list {
		r := &results[i]
		r.Address, r.Text = a.String(), shorten(m.Text, limits[a.kind])
		switch state := states[a.key]; {
		case state == StateSent:
			r.Outcome = Before
		case state == StateSending && !o.Again:
			r.unresolved("an earlier attempt was begun and never ended: look there, and send it with -again if it is missing")
		case o.DryRun:
			r.Outcome = Would
			if a.kind == "matrix" { // whose login would be seen
				continue
			}
			if _, f := a.open(r.Text); f != nil {
				r.failed("%v", f)
			}
		default:
			group.Go(func() { a.deliver(ctx, m.Subject, l, o, r) })
		}
	}
	group.Wait()
	for _, r := range results {
		if r.Outcome == Failed || r.Outcome == Unresolved {
			return results, &Error{results}
		}
	}
	return results, nil
}

func (r *Result) failed(format string, args ...any) {
	r.Outcome, r.Detail = Failed, fmt.Sprintf(format, args...)
}

func (r *Result) unresolved(format string, args ...any) {
	r.Outcome, r.Detail = Unresolved, fmt.Sprintf(format, args...)
}

// deliver sends to one address and keeps the ledger.
func (a address) deliver(ctx context.Context, subject string, l Ledger, o Options, r *Result) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	begin := func() error { return l.Mark(ctx, a.key, StateSending) }
	begun, fault := a.send(ctx, subject, r.Text, begin)
	// What is known is written down even where the run was interrupted.
	late := context.WithoutCancel(ctx)
	switch {
	case fault == nil:
		if err := l.Mark(late, a.key, StateSent); err != nil {
			r.unresolved("it was sent, but that could not be written down: do not send it again (%v)", err)
			return
		}
		r.Outcome = Sent
	case !begun:
		r.failed("%v", fault)
	case fault.arrived == never:
		if err := l.Mark(late, a.key, StateFailed); err != nil {
			r.unresolved("%v, which could not be written down (%v): send it with -again", fault, err)
			return
		}
		r.failed("%v", fault)
	default:
		r.unresolved("%v; it may have arrived all the same: look there, and send it with -again if it is missing", fault)
	}
}
