package validation

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"golang.org/x/net/html"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/paperwork/manual"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

var pictures = flag.String("pictures", "", "directory for pictures of the pages, for people to look at")

func TestMarkdown(t *testing.T) {
	for name, r := range map[string]Release{"good.md": good(t), "bad.md": bad(t), "empty.md": {}} {
		got, err := Markdown(r)
		if err != nil {
			t.Fatal(err)
		}
		testkit.Golden(t, "testdata/"+name, got)
		valid(t, string(got))
	}
}

// TestVerdict: one thing that was not shown is enough.
func TestVerdict(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Release)
		want   record.Result
		says   string // in the record
	}{
		"everything passed":          {func(*Release) {}, pass, "**PASS**: 14 passed, 1 not applicable; 2 more not asked for."},
		"nothing is there":           {func(r *Release) { *r = Release{} }, notRun, "nothing was asked for"},
		"a gate refused":             {func(r *Release) { r.Plan.Gates[3].State = decide.Fail }, fail, "**tree**, FAIL"},
		"a gate was overridden":      {func(r *Release) { r.Plan.Gates[3].State, r.Plan.Gates[3].Override = decide.Warning, "because" }, fail, "A maintainer went on all the same, because: because"},
		"a gate warned":              {func(r *Release) { r.Plan.Gates[3].State = decide.Warning }, pass, "- **tree**, NOT_APPLICABLE: the working tree is the commit's"},
		"evidence is missing":        {func(r *Release) { r.Evidence = r.Evidence[:2] }, notRun, "**drill:restore**, NOT_RUN: The policy asks for it, and there is no evidence of it."},
		"evidence of another digest": {func(r *Release) { r.Evidence[2].Digest = before }, notRun, "This is about sha256:7af941fa016a and shows nothing of sha256:09c4bf922018."},
		"evidence of another commit": {func(r *Release) { r.Evidence[2].Commit = strings.Repeat("b", 40) }, notRun, "This is about commit bbbbbbbbbbbb and shows nothing of a01e00f2ac81."},
		"a drill failed":             {func(r *Release) { r.Evidence[2].Result = fail }, fail, "**drill:restore@compose**, FAIL"},
		"a drill does not apply":     {func(r *Release) { r.Evidence[2].Result = notApplicable }, pass, "| NOT_APPLICABLE | drill:restore@compose |"},
		"... and nobody says why":    {func(r *Release) { r.Evidence[2].Result, r.Evidence[2].Summary = notApplicable, " " }, notRun, "Nobody says why it does not apply."},
		"a drill was not run":        {func(r *Release) { r.Evidence[2].Result = notRun }, notRun, "**drill:restore@compose**, NOT_RUN"},
		"a drill is pending":         {func(r *Release) { r.Evidence[2].Result = pending }, pending, "**drill:restore@compose**, PENDING"},
		"a result that is not known": {func(r *Release) { r.Evidence[2].Result = "pass" }, notRun, `Its result "pass" is none that is known.`},
		"unasked, and failed":        {func(r *Release) { r.Evidence[0].Result = fail }, fail, "**test:backend**, FAIL"},
		"unasked, and not run":       {func(r *Release) { r.Evidence[0].Result = notRun }, pass, "| NOT_RUN | test:backend |"},
		"on one stack, not on another": {func(r *Release) {
			e := r.Evidence[2]
			e.Stack, e.Result = "process", notRun
			r.Evidence = append(r.Evidence, e)
		}, notRun, "**drill:restore@process**, NOT_RUN"},
		"asked for on one stack": {func(r *Release) { r.Asked[1] = "drill:restore@compose" }, pass, "| PASS | drill:restore@compose |"},
		"asked for on another":   {func(r *Release) { r.Asked[1] = "drill:restore@process" }, notRun, "**drill:restore@process**, NOT_RUN: The policy asks"},
		"the candidate's is no stand-in": {func(r *Release) { r.Asked = append(r.Asked, "smoke:pilot") }, notRun,
			"**smoke:pilot**, NOT_RUN"},
		"a manual gate failed":            {func(r *Release) { r.Manual.Gates[0].Status = manual.Fail }, fail, "**staging deployment**, FAIL"},
		"a manual gate is pending":        {func(r *Release) { r.Manual.Gates[0].Status = manual.Pending }, pending, "- **staging deployment**, PENDING"},
		"a manual gate was not run":       {func(r *Release) { r.Manual.Gates[0].Status = manual.NotRun }, notRun, "- **staging deployment**, NOT_RUN"},
		"a manual gate without evidence":  {func(r *Release) { r.Manual.Gates[0].Evidence = "" }, pending, "the status is PASS, but evidence is empty"},
		"a manual gate without a reason":  {func(r *Release) { r.Manual.Gates[1].Reason = "" }, pending, "the status is NOT_APPLICABLE, but reason is empty"},
		"a manual gate that is missing":   {func(r *Release) { r.Manual.Gates = r.Manual.Gates[:1] }, notRun, `says nothing about "migration on production data"`},
		"the file of manual gates is not": {func(r *Release) { r.Manual = manual.File{} }, notRun, "v0.2.0.yaml is not there"},
		"a manual gate that nobody wants": {func(r *Release) { r.ManualAsked = []product.ManualGate{}; r.Manual.Gates[0].Status = manual.Fail }, fail, "**staging deployment**, FAIL"},
		"not verified":                    {func(r *Release) { r.Record.Verification = nil }, notRun, "Nothing was read back and verified."},
		"verified in vain":                {func(r *Release) { r.Record.Verification = verifiedReport(false) }, fail, "linux/arm64, binary: /app/rustshare-server in the image is"},
		"verified something else":         {func(r *Release) { r.Record.Digest = before }, notRun, "The record is about sha256:7af9"},
		"not published":                   {func(r *Release) { r.Record = record.Record{} }, pass, "- Published: not yet"},
	} {
		r := good(t)
		tt.change(&r)
		if got := Verdict(r); got != tt.want {
			t.Errorf("%s: the verdict is %s, want %s", name, got, tt.want)
		}
		md, err := Markdown(r)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(md), tt.says) || !strings.Contains(string(md), "\n**"+string(tt.want)+"**: ") {
			t.Errorf("%s: this is not said: %s\n%s", name, tt.says, md)
		}
		page, err := HTML(r)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`<body class="%s">`, class(tt.want)); !bytes.Contains(page, []byte(want)) {
			t.Errorf("%s: the page lacks %s", name, want)
		}
	}
}

// TestVerificationTypes: the record may hold the report itself, or what was
// read back from its file.
func TestVerificationTypes(t *testing.T) {
	r := good(t)
	raw, err := json.Marshal(r.Record.Verification)
	if err != nil {
		t.Fatal(err)
	}
	want := r.verified()
	for _, v := range []any{json.RawMessage(raw), want} {
		r.Record.Verification = v
		if got := r.verified(); !reflect.DeepEqual(got, want) {
			t.Errorf("%T gave %+v, want %+v", v, got, want)
		}
	}
	for _, v := range []any{nil, "text", func() {}} {
		r.Record.Verification = v
		if got := r.verified(); got != nil {
			t.Errorf("%T gave %+v", v, got)
		}
	}
}

func TestIndexRow(t *testing.T) {
	got := IndexHeader + IndexRow(good(t)) + IndexRow(bad(t)) + IndexRow(hostile(t))
	testkit.Golden(t, "testdata/index.md", []byte(got))
	even(t, got)
}

func TestTicks(t *testing.T) {
	for whole, want := range map[time.Duration]string{
		0: "", -1: "", time.Second: "0 0.2s 0.4s 0.6s 0.8s 1s", 71 * time.Second: "0 15s 30s 45s 1m", 6 * time.Minute: "0 2m 4m 6m",
		7*time.Minute + 1: "0 2m 4m 6m", 2 * time.Hour: "0 30m 1h 1h30m 2h", 100 * 24 * time.Hour: "0 768h 1536h 2304h", 400 * time.Second: "0 2m 4m 6m", 7 * time.Second: "0 2s 4s 6s",
	} {
		var got []string
		for _, k := range ticks(whole) {
			got = append(got, k.Label)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", whole, got, want)
		}
	}
}

// TestTimelines: a long pause begins another scale, and times that make no sense
// stay on it.
func TestTimelines(t *testing.T) {
	r := good(t)
	got := timelines(r.matrix())
	if len(got) != 2 || len(got[0].Tracks) != 1 || len(got[1].Tracks) != 3 {
		t.Fatalf("the timelines are %+v", got)
	}
	if l := got[1].Tracks[2]; l.from < 0.75 || l.from > 0.77 || l.from+l.wide < 0.999 || l.from+l.wide > 1.001 {
		t.Errorf("the last one goes from %f over %f", l.from, l.wide)
	}
	r = good(t)
	for i := range r.Evidence {
		e := &r.Evidence[i]
		e.Finished = e.Started.Add(-time.Hour)
		e.Steps[0].Started, e.Steps[0].Took = time.Unix(0, 0), -time.Hour
		e.Steps[1].Started, e.Steps[1].Took = e.Started.Add(time.Minute), 1<<62
	}
	for _, line := range timelines(r.matrix()) {
		for _, k := range line.Tracks {
			for _, k := range append(slices.Concat(k.Steps, k.Parts), k) {
				if !(k.from >= 0 && k.wide >= 0 && k.from+k.wide <= 1.000001) || len([]rune(k.bar())) != barWidth {
					t.Errorf("%s goes from %f over %f: %s", k.Name, k.from, k.wide, k.bar())
				}
			}
		}
	}
}

var (
	ours     = regexp.MustCompile(`^(<details( open)?>|</details>|<summary>([A-Z_]+: [^<>]*|Checks|Changes that were made: [0-9]+)</summary>)$`)
	headings = []string{
		"What keeps it from passing", "Matrix", "Gates", "Manual gates", "Tests", "Smoke journeys", "Drills", "Scans", "Other", "Publication", "What was published", "Known limitations",
		"Timeline", "Steps", "Digests", "Check it yourself",
	}
	escaped = regexp.MustCompile(`\\.`)
)

// even wants tables whose rows are as long as their headers.
func even(t *testing.T, md string) {
	t.Helper()
	columns, fence := 0, false
	for line := range strings.Lines(md) {
		if strings.HasPrefix(line, "```") {
			fence = !fence
		}
		if fence || !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(escaped.ReplaceAllString(line, ""), "|")
		if columns == 0 {
			columns = n
		}
		if n != columns {
			t.Errorf("a row has %d borders, its table %d: %s", n, columns, line)
		}
	}
}

// valid wants Markdown in which nothing is but what we put there.
func valid(t *testing.T, md string) {
	t.Helper()
	even(t, md)
	source := []byte(md)
	doc := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser().Parse(text.NewReader(source))
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.HTMLBlock:
			for i := range n.Lines().Len() {
				line := n.Lines().At(i)
				if s := strings.TrimSpace(string(line.Value(source))); !ours.MatchString(s) {
					t.Errorf("a line of HTML that is not ours: %q", s)
				}
			}
		case *ast.Heading:
			if s := string(n.Lines().Value(source)); n.Level > 1 && !slices.Contains(headings, s) {
				t.Errorf("a heading that is not ours: %q", s)
			}
		case *ast.RawHTML, *ast.Link, *ast.Image, *ast.AutoLink, *ast.Blockquote, *ast.ThematicBreak:
			if _, quote := n.(*ast.Blockquote); !quote || strings.Count(md, "This release is withdrawn.") == 0 {
				t.Errorf("a %s that is not ours", n.Kind())
			}
		}
		return ast.WalkContinue, nil
	})
}

// inert wants a page that has no script, loads nothing, and links to the web at
// most.
func inert(t *testing.T, page []byte) {
	t.Helper()
	z := html.NewTokenizer(bytes.NewReader(page))
	for z.Next() != html.ErrorToken {
		token := z.Token()
		if slices.Contains([]string{"script", "img", "iframe", "object", "embed", "link", "base", "form", "foreignobject", "audio", "video", "image"}, token.Data) && token.Type != html.TextToken {
			t.Errorf("the page has a %s", token)
		}
		for _, a := range token.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "style" {
				t.Errorf("the page has %s in %s", a.Key, token)
			}
			if a.Key == "href" && !strings.HasPrefix(a.Val, "#") && (token.Data != "a" || !isLink(a.Val)) {
				t.Errorf("the page has the link %q", a.Val)
			}
		}
	}
	if n := bytes.Count(page, []byte("</style>")); n != 1 {
		t.Errorf("the page ends its style %d times", n)
	}
	if bytes.Contains(page, []byte("ZgotmplZ")) {
		t.Error("the template refused something")
	}
}

func TestHostile(t *testing.T) {
	md, err := Markdown(hostile(t))
	if err != nil {
		t.Fatal(err)
	}
	valid(t, string(md))
	page, err := HTML(hostile(t))
	if err != nil {
		t.Fatal(err)
	}
	inert(t, page)
}

// FuzzRecord: no text from outside gets out of its place.
func FuzzRecord(f *testing.F) {
	for _, s := range append(nasty, "https://example.org/a|b", "https://user@example.org/", "sha256:"+strings.Repeat("a", 64), "\\|", "\\\\|", "1. x", "---", "\r", "  - x", "gate", "drill:x", "|", "<", "\\") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := spoil(bad(t), func() string { return s })
		md, err := Markdown(r)
		if err != nil {
			t.Fatal(err)
		}
		valid(t, string(md))
		page, err := HTML(r)
		if err != nil {
			t.Fatal(err)
		}
		inert(t, page)
		if Verdict(r) == pass {
			t.Error("it passed")
		}
	})
}
