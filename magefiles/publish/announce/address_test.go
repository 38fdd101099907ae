package announce

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRead(t *testing.T) {
	for raw, want := range map[string]string{
		secret:                                              "address 1 is no URL",
		secret + "://x":                                     "address 1 names a service that is not known: want one of bark, discord,",
		"https://discord.com/" + secret:                     "address 1 names a service that is not known",
		"://" + secret:                                      "address 1 is no URL",
		"discord://\x7f" + secret:                           "address 1 is no URL",
		"mastodon://social.example":                         "mastodon (address 1): want mastodon://TOKEN@HOST and nothing else",
		"mastodon://" + secret + "@":                        "mastodon (address 1): want",
		"mastodon://u:" + secret + "@social.example":        "mastodon (address 1): want",
		"mastodon://" + secret + "@social.example/@someone": "mastodon (address 1): want",
		"mastodon://" + secret + "@social.example?a=b":      "mastodon (address 1): want",
	} {
		_, err := read([]string{raw})
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v, want %s…", raw, err, want)
		}
	}
	if _, err := read([]string{genericURL, "", " " + genericURL + "\n"}); err == nil || err.Error() != "generic (address 3) is the same as address 1: name it once" {
		t.Errorf("the same address twice: %v", err)
	}
	list, err := read([]string{"GENERIC+https://example.org/" + secret, mastodonURL + "/"})
	if err != nil || list[0].kind != "generic" || list[1].kind != Mastodon {
		t.Fatalf("%v, %v", list, err)
	}
	for _, a := range list {
		if s := fmt.Sprint(a, a.key); strings.Contains(s, secret) || !strings.HasPrefix(a.key, a.kind+"-") || len(a.key) != len(a.kind)+13 {
			t.Errorf("%s, key %s", a, a.key)
		}
	}
}

func TestExplain(t *testing.T) {
	for text, want := range map[string]fault{
		"unexpected response status code: 404 Not Found":      {"the service answered 404 Not Found", never},
		"unexpected: 429 Too Many Requests":                   {"the service answered 429 Too Many Requests", perhaps},
		"503 Service Unavailable":                             {"the service answered 503 Service Unavailable", perhaps},
		`Post "https://h:404/` + secret + `": EOF`:            {"the connection broke", perhaps},
		`Post "https://h/404 Nothing` + secret + `": timeout`: {"no answer in time", perhaps},
		"tls: failed to verify certificate: x509: …":          {"the server's certificate is not trusted", never},
		secret: {"the service reported an error, which is not shown because it may hold the address", perhaps},
	} {
		if got := explain(errors.New(text)); *got != want {
			t.Errorf("explain(%q) = %+v, want %+v", text, *got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	const text = "title\n\n- one\n- two\n- three\n\nnotes: link\nimage: i"
	for most, want := range map[int]string{
		0: text, len(text): text,
		len(text) - 1: "title\n\n- one\n- two\n…\n\nnotes: link\nimage: i",
		40:            "title\n\n- one\n…\n\nnotes: link\nimage: i",
		33:            "title\n\n…\n\nnotes: link\nimage: i",
		25:            "notes: link\nimage: i",
		20:            "notes: link\nimage: i",
		19:            "notes: link",
		5:             "notes",
	} {
		if got := shorten(text, most); got != want {
			t.Errorf("shorten to %d: %q, want %q", most, got, want)
		}
	}
}

// FuzzShorten: never longer than asked for, and valid.
func FuzzShorten(f *testing.F) {
	f.Add("a\n\nb\n\nc", 4)
	f.Add("ä\n\nöü", 3)
	f.Fuzz(func(t *testing.T, text string, most int) {
		if most <= 0 || !utf8.ValidString(text) {
			return
		}
		if got := shorten(text, most); len(got) > most || !utf8.ValidString(got) {
			t.Errorf("shorten(%q, %d) = %q", text, most, got)
		}
	})
}

// FuzzRead: no address is quoted in an error, and none breaks down.
func FuzzRead(f *testing.F) {
	for _, s := range []string{discordURL, genericURL, mastodonURL, "smtp://u:p@h:25/?from=a@b&to=c@d", "%", "a:b", "//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		list, err := read([]string{raw})
		if err == nil {
			for _, a := range list {
				if a.kind == "matrix" { // it would log in
					continue
				}
				if _, f := a.open("x"); f != nil && len(raw) > 40 && strings.Contains(f.text, raw) {
					t.Errorf("the fault quotes the address: %v", f)
				}
			}
			return
		}
		if len(raw) > 40 && strings.Contains(err.Error(), raw) {
			t.Errorf("the error quotes the address: %v", err)
		}
	})
}
