package announce

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// arrival tells whether a message arrived although there was an error.
type arrival int

const (
	perhaps arrival = iota
	never
)

// fault is why a message was not sent, in words of our own: shoutrrr's errors
// quote addresses, and answers of servers may do so too.
type fault struct {
	text    string
	arrived arrival
}

func (f *fault) Error() string { return f.text }

// status finds the answer of an HTTP server in an error: a number and the
// beginning of what it means, so that no port or the like is taken for one.
var status = regexp.MustCompile(`\b([45][0-9]{2}) ([A-Z][A-Za-z]+)`)

// known are the parts of errors that tell something, and what they tell.
var known = []struct {
	part, text string
	arrived    arrival
}{
	{"connection refused", "the connection was refused", never},
	{"no such host", "there is no such host", never},
	{"network is unreachable", "the network is unreachable", never},
	{"certificate", "the server's certificate is not trusted", never},
	{"error authenticating", "the mail server refused the login", never},
	{"error sending message to recipient", "the mail server did not take it for every recipient", perhaps},
	{"rate limited", "the service wants fewer messages: wait", perhaps},
	{"max retries", "the service refused it again and again", perhaps},
	{"timed out", "no answer in time", perhaps},
	{"timeout", "no answer in time", perhaps},
	{"deadline exceeded", "no answer in time", perhaps},
	{"connection reset", "the connection broke", perhaps},
	{"EOF", "the connection broke", perhaps},
	{"failed to initialize", "a part is missing or wrong", never},
}

// explain puts an error of shoutrrr into words that are safe to show.
func explain(err error) *fault {
	text := err.Error()
	for _, m := range status.FindAllStringSubmatch(text, -1) {
		code, _ := strconv.Atoi(m[1]) // three digits
		meaning := http.StatusText(code)
		if !strings.HasPrefix(meaning, m[2]) {
			continue
		}
		f := &fault{text: fmt.Sprintf("the service answered %d %s", code, meaning)}
		if code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests {
			f.arrived = never
		}
		return f
	}
	for _, k := range known {
		if strings.Contains(text, k.part) {
			return &fault{text: k.text, arrived: k.arrived}
		}
	}
	return &fault{text: "the service reported an error, which is not shown because it may hold the address"}
}
