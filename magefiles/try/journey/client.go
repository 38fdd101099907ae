package journey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
)

// How the product names its cookies, and where it wants the CSRF token again.
const (
	sessionCookie = "rustshare_session"
	csrfCookie    = "rustshare_csrf_token"
	csrfHeader    = "X-Rustshare-Csrf"
)

// someone is who sends requests.
type someone struct {
	// name stands in reports.
	name   string
	client *http.Client
	// bearer is the session token of a public link, "" for none.
	bearer string
}

// newcomer is someone without cookies who keeps those that he gets.
func (v *visit) newcomer(name string) *someone {
	jar, _ := cookiejar.New(nil) // without options it has no way to fail
	return &someone{name: name, client: &http.Client{Transport: v.target.Transport, Jar: jar, CheckRedirect: stay}}
}

// stranger is someone who never has cookies: whoever opens a public link.
func (v *visit) stranger(bearer string) *someone {
	return &someone{name: "a visitor", bearer: bearer, client: &http.Client{Transport: v.target.Transport, CheckRedirect: stay}}
}

// stay shows a redirect as it is. No journey knows any, and cookies stay here.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// cookie is the value of a cookie that would be sent with the next request.
func (v *visit) cookie(who *someone, name string) string {
	for _, c := range who.client.Jar.Cookies(v.base.JoinPath("api", "v1")) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// call is one request.
type call struct {
	who    *someone
	method string
	// path below the product's URL, its parts not escaped yet.
	path  []string
	query string
	// body is sent as JSON where it is not nil, form else.
	body any
	form *form
	// session is a session cookie that is sent besides those of the jar.
	session string
}

// api is a call below /api/v1.
func api(who *someone, method string, path ...string) call {
	return call{who: who, method: method, path: append([]string{"api", "v1"}, path...)}
}

func (c call) with(body any) call { c.body = body; return c }

// form is a multipart form whose file is streamed.
type form struct {
	fields   [][2]string
	fileName string
	file     io.Reader
	size     int64
}

// open gives the body and its length: the parts around the file are made
// beforehand, the file passes through.
func (f *form) open() (body io.Reader, length int64, contentType string, err error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, field := range f.fields {
		if err := w.WriteField(field[0], field[1]); err != nil {
			return nil, 0, "", err
		}
	}
	if _, err := w.CreateFormFile("file", f.fileName); err != nil {
		return nil, 0, "", err
	}
	head := bytes.Clone(buf.Bytes())
	buf.Reset()
	if err := w.Close(); err != nil {
		return nil, 0, "", err
	}
	length = int64(len(head)) + f.size + int64(buf.Len())
	return io.MultiReader(bytes.NewReader(head), f.file, &buf), length, w.FormDataContentType(), nil
}

// answer is what came back. The body is cut at maxBody.
type answer struct {
	status   int
	body     []byte
	cut      bool
	cookies  []*http.Cookie
	location string
}

// maxBody bounds what is read of an answer that is JSON.
const maxBody = 4 << 20

// ok says that the status is 2xx.
func (a answer) ok() bool { return a.status/100 == 2 }

// said is the answer for an error.
func (v *visit) said(a answer) string {
	s := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	if a.location != "" {
		s += " to " + v.mask.text(strconv.Quote(a.location))
	}
	if body := v.mask.body(a.body, a.cut); body != "" {
		s += ": " + body
	}
	return s
}

// send sends a request and reads the answer, whatever its status.
func (v *visit) send(ctx context.Context, c call) (answer, error) {
	var a answer
	err := v.exchange(ctx, c, func(res *http.Response) error {
		body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
		a = answer{status: res.StatusCode, body: body, cookies: res.Cookies(), location: res.Header.Get("Location")}
		if len(body) > maxBody {
			a.body, a.cut = body[:maxBody], true
		}
		return err
	})
	return a, err
}

// exchange sends a request and hands the answer to read. Its errors are
// findings: nothing came back, or not all of it.
func (v *visit) exchange(ctx context.Context, c call, read func(*http.Response) error) error {
	slow := fmt.Errorf("not complete within %s", v.target.RequestPatience)
	bounded, cancel := context.WithTimeoutCause(ctx, v.target.RequestPatience, slow)
	defer cancel()
	req, err := v.request(bounded, c)
	if err != nil {
		return err
	}
	sent := Request{Method: c.method, Path: v.mask.text(req.URL.RequestURI()), As: c.who.name}
	defer func() { v.step.Requests = append(v.step.Requests, sent) }()

	res, err := c.who.client.Do(req)
	if err == nil {
		sent.Status = res.StatusCode
		for _, cookie := range res.Cookies() {
			v.mask.add(cookie.Value)
		}
		err = errors.Join(read(res), res.Body.Close())
	}
	if err == nil {
		return nil
	}
	// The URL in the error would tell the tokens that are in paths.
	if broken := new(url.Error); errors.As(err, &broken) {
		err = broken.Err
	}
	if cause := context.Cause(bounded); cause != nil {
		err = cause
	}
	found := "no answer: "
	if sent.Status != 0 {
		found = fmt.Sprintf("%d %s, and then the answer broke off: ", sent.Status, http.StatusText(sent.Status))
	}
	return &finding{expected: "an answer", found: found + v.mask.text(err.Error()), err: err}
}

func (v *visit) request(ctx context.Context, c call) (*http.Request, error) {
	escaped := make([]string, len(c.path))
	for i, part := range c.path {
		if strings.Trim(part, ".") == "" { // it would lead elsewhere
			return nil, &finding{expected: "an id or a token", found: v.mask.text(strconv.Quote(part)) + ", which no URL can hold"}
		}
		escaped[i] = url.PathEscape(part)
	}
	to := v.base.JoinPath(escaped...)
	to.RawQuery = c.query
	var body io.Reader
	var contentType string
	length := int64(-1)
	switch {
	case c.form != nil:
		var err error
		if body, length, contentType, err = c.form.open(); err != nil {
			return nil, fmt.Errorf("making the form: %w", err)
		}
	case c.body != nil:
		text, err := json.Marshal(c.body)
		if err != nil {
			return nil, fmt.Errorf("encoding the request: %w", err)
		}
		body, contentType = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequestWithContext(ctx, c.method, to.String(), body)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	if length >= 0 {
		req.ContentLength = length
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.who.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.who.bearer)
	}
	if c.session != "" {
		req.AddCookie(&http.Cookie{Name: sessionCookie, Value: c.session})
	}
	if c.who.client.Jar != nil && c.method != http.MethodGet {
		if token := v.cookie(c.who, csrfCookie); token != "" {
			req.Header.Set(csrfHeader, token)
		}
	}
	return req, nil
}

// ask sends a request that has to succeed and reads its JSON into each of into.
func (v *visit) ask(ctx context.Context, c call, into ...any) error {
	a, err := v.send(ctx, c)
	if err != nil {
		return err
	}
	if !a.ok() {
		return v.wrong("a status 2xx", a)
	}
	for _, to := range into {
		if a.cut {
			return v.wrong(fmt.Sprintf("JSON of no more than %d bytes", maxBody), a)
		}
		if err := json.Unmarshal(a.body, to); err != nil {
			return v.wrong("JSON of the agreed form ("+v.mask.text(err.Error())+")", a)
		}
	}
	v.last = a
	return nil
}

// wrong is an answer that is not what it should be.
func (v *visit) wrong(expected string, a answer) error {
	return &finding{expected: expected, found: v.said(a)}
}

// need says that fields of the last answer are missing, where they are. Pairs
// of a name and a value; ids besides have to be plain.
func (v *visit) need(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		if value == "" {
			return v.wrong("the field "+name, v.last)
		}
		if strings.HasSuffix(name, "id") && !plainID.MatchString(value) {
			return v.wrong("letters, digits, dots and dashes in the field "+name, v.last)
		}
	}
	return nil
}

// fetch downloads bytes and holds them against a digest.
func (v *visit) fetch(ctx context.Context, c call, sum string, size int64) error {
	var got string
	var n int64
	var bad *answer
	err := v.exchange(ctx, c, func(res *http.Response) (err error) {
		if res.StatusCode/100 != 2 {
			body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
			bad = &answer{status: res.StatusCode, body: body, cut: len(body) == 64<<10}
			return err
		}
		got, n, err = digest(res.Body, size)
		return err
	})
	switch {
	case err != nil:
		return err
	case bad != nil:
		return v.wrong("a status 2xx", *bad)
	case n > size:
		return &finding{expected: fmt.Sprintf("the %d bytes that were uploaded", size), found: "more than that"}
	case n != size || got != sum:
		return &finding{
			expected: fmt.Sprintf("the %d bytes that were uploaded (sha256 %s)", size, sum),
			found:    fmt.Sprintf("%d bytes (sha256 %s)", n, got),
		}
	}
	return nil
}
