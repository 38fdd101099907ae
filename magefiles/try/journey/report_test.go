package journey

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

func sample() Report {
	sum := strings.Repeat("0a", 32)
	return Report{
		Journey: pilot, BaseURL: "http://localhost:18080/share", Status: Passed, Details: "22 steps passed",
		Started: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), Finished: time.Date(2026, 2, 3, 4, 5, 59, 0, time.UTC),
		Admin: "admin@localhost", Viewer: "viewer+demo@localhost",
		Kept: Kept{
			Preserved: true, FolderID: "7c9e6679-7425-40de-944b-e07fc1f90ae7", FileID: "f.1", FileSHA256: sum, FileSize: 3145745,
			NoteID: "n_1", NoteTitle: "smoke-note-x", NoteSHA256: sum, SearchNeedle: "smokex",
			DropName: "smokey-drop.bin", DropSHA256: sum, DropSize: 1, PublicShareID: "s1", UploadOnlyShareID: "s2",
			shareToken: "not-to-be-written",
		},
		Steps: []Step{{Name: "ready", Requests: []Request{{"GET", "/health/ready", "a visitor", 200}}, Expected: "a status 2xx", Took: time.Second, Outcome: Passed}},
	}
}

// nasty are details that a shell must take as they are.
const nasty = "login: found 'x' $(touch pwned) `id` \\ \"${HOME}\" ~ * ; & | > < # ü\n\x1b[31m\ttab"

func TestWrite(t *testing.T) {
	failed := sample()
	failed.Journey, failed.Status, failed.Details, failed.Kept = "beta", Failed, nasty, Kept{FolderID: "f1"}
	for name, r := range map[string]Report{"pilot": sample(), "failed": failed} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new", "reports")
			path, err := r.Write(dir)
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(dir, "20260203T040506Z-"+r.Journey+".env"); path != want {
				t.Errorf("the report is %s, want %s", path, want)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			testkit.Golden(t, "testdata/"+name+".env", text)
			steps, err := os.ReadFile(strings.TrimSuffix(path, ".env") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			testkit.Golden(t, "testdata/"+name+".json", steps)
			var whole Report
			want := r
			want.Kept.shareToken = ""
			if err := json.Unmarshal(steps, &whole); err != nil || !reflect.DeepEqual(whole, want) {
				t.Errorf("the JSON gives back %+v, %v", whole, err)
			}

			back, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			want.Steps = nil
			want.Details = strings.Map(func(r rune) rune {
				if r < ' ' {
					return ' '
				}
				return r
			}, want.Details)
			if !reflect.DeepEqual(back, want) {
				t.Errorf("read back\n%+v, want\n%+v", back, want)
			}
			if _, err := r.Write(dir); err == nil || !strings.Contains(err.Error(), "is there already: two journeys began in the same second") {
				t.Errorf("written twice: %v", err)
			}

			// A shell that sources it sees the same, and runs nothing.
			show := exec.CommandContext(t.Context(), "sh", "-c", `set -eu; . "$1"; printf '%s|%s|%s' "$REPORT_DETAILS" "$SMOKE_FOLDER_ID" "$ADMIN_EMAIL"`, "sh", path)
			show.Dir = t.TempDir()
			got, err := show.CombinedOutput()
			if want := want.Details + "|" + want.Kept.FolderID + "|" + want.Admin; err != nil || string(got) != want {
				t.Errorf("a shell reads %q, %v, want %q", got, err, want)
			}
			if left, _ := os.ReadDir(show.Dir); len(left) > 0 {
				t.Error("the report ran something")
			}
		})
	}
}

func TestWriteNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := (Report{}).Write(dir); err == nil || err.Error() != "there is no report to write: the journey did not begin" {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("written: %v", left)
	}
}

func TestParse(t *testing.T) {
	good := string(sample().Env())
	change := func(old, to string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the sample lacks %q", old)
		}
		return strings.Replace(good, old, to, 1)
	}
	for want, text := range map[string]string{
		`x.env:1: no line tells the status: expected one such as PILOT_SMOKE_STATUS=passed`:         "",
		`x.env:1: found "hello", expected KEY=VALUE`:                                                "hello\n",
		`x.env:1: the line does not end: the report is cut off`:                                     "PILOT_SMOKE_STATUS=pas",
		`x.env:1: a journey's report has no key "export PATH"`:                                      "export PATH=x\n",
		`x.env:2: PILOT_SMOKE_STATUS stands in line 1 already`:                                      "PILOT_SMOKE_STATUS=passed\nPILOT_SMOKE_STATUS=failed\n",
		`x.env:1: PILOT_SMOKE_STATUS is "fine", expected ^(passed|failed)$`:                         change("STATUS=passed", "STATUS=fine"),
		`x.env:8: SMOKE_FOLDER_ID: the value has characters that need single quotes around it`:      change("SMOKE_FOLDER_ID=", "SMOKE_FOLDER_ID=$(id)"),
		`x.env:8: SMOKE_FOLDER_ID is "$(id)", expected ^[A-Za-z0-9]`:                                change("SMOKE_FOLDER_ID=7c9e6679-7425-40de-944b-e07fc1f90ae7", "SMOKE_FOLDER_ID='$(id)'"),
		`x.env:8: SMOKE_FOLDER_ID is "../me", expected ^[A-Za-z0-9]`:                                change("SMOKE_FOLDER_ID=7c9e6679-7425-40de-944b-e07fc1f90ae7", "SMOKE_FOLDER_ID=../me"),
		`x.env:21: REPORT_DETAILS: the value has a single quote inside that is not written as '\''`: change("'22 steps passed'", "'22 'steps' passed'"),
		`x.env:21: REPORT_DETAILS has a control character`:                                          change("22 steps", "22\tsteps"),
		`x.env:1: the report is not UTF-8`:                                                          "A=\xff\n",
		`x.env:10: SMOKE_FILE_SHA256 is "0a0a", expected ^[0-9a-f]{64}$`:                            change("SMOKE_FILE_SHA256="+strings.Repeat("0a", 32), "SMOKE_FILE_SHA256=0a0a"),
		`x.env:11: SMOKE_FILE_SIZE is "-1", expected ^[1-9]`:                                        change("SMOKE_FILE_SIZE=3145745", "SMOKE_FILE_SIZE=-1"),
		`x.env:2: PILOT_SMOKE_STARTED_AT is "yesterday", expected `:                                 change("2026-02-03T04:05:06Z", "yesterday"),
		`x.env:21: a time is empty or no day that there is`:                                         change("2026-02-03T04:05:06Z", "2026-02-30T04:05:06Z"),
		`x.env:21: the line BETA_SMOKE_STARTED_AT is missing`:                                       change("PILOT_SMOKE_STATUS", "BETA_SMOKE_STATUS"),
		`x.env:22: BETA_SMOKE_BASE_URL is that of another journey than pilot`:                       good + "BETA_SMOKE_BASE_URL=http://x\n",
		`x.env:21: the base URL is "http://a:b@c", expected one such as http://localhost:8080`:      change("http://localhost:18080/share", "http://a:b@c"),
		`x.env:1: the report has more than 1048576 bytes`:                                           strings.Repeat("#", 1<<20+1),
	} {
		r, err := Parse("x.env", []byte(text))
		var fault *ParseError
		if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		} else if file, line := fault.Place(); file != "x.env" || line != fault.Line {
			t.Errorf("the place is %s:%d", file, line)
		}
		if !reflect.DeepEqual(r, Report{}) {
			t.Errorf("a report came with the error %v", err)
		}
	}
	// The order of lines means nothing.
	lines := strings.SplitAfter(good, "\n")
	reversed := ""
	for _, l := range lines {
		reversed = l + reversed
	}
	a, errA := Parse("x.env", []byte(good))
	b, errB := Parse("x.env", []byte(reversed))
	if errA != nil || errB != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("read %+v, %v and %+v, %v", a, errA, b, errB)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample().Env())
	r := sample()
	r.Journey, r.Details, r.Kept = "launch", nasty, Kept{}
	f.Add(r.Env())
	f.Add([]byte("PILOT_SMOKE_STATUS='pas'\\''sed'\n"))
	f.Add([]byte("REPORT_DETAILS='''\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse("x.env", text)
		if err != nil {
			return
		}
		again, err := Parse("x.env", r.Env())
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("written and read again: %+v, %v, was %+v", again, err, r)
		}
	})
}

func TestMask(t *testing.T) {
	var m mask
	m.add(`pa"ss wörd/+`, "abc", "abcdef", "")
	for in, want := range map[string]string{
		"plain abcdef and abc.":                   "plain *** and ***.",
		`{"x":"pa\"ss wörd/+"}`:                   `{"x":"***"}`,
		"q=pa%22ss+w%C3%B6rd%2F%2B":               "q=***",
		"p=pa%22ss%20w%C3%B6rd%2F+":               "p=***",
		"b=cGEic3Mgd8O2cmQvKw==":                  "b=***",
		`{"share_token": "unseen", "id": "7"}`:    `{"share_token": "***", "id": "7"}`,
		`{"Session-Token":"un\"seen`:              `{"Session-Token":"***`,
		"rustshare_session=unseen; Path=/":        "rustshare_session=***; Path=/",
		"Authorization: bearer unseen.part, more": "Authorization: bearer *** more",
	} {
		if got := m.text(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	if got := m.body([]byte("a\x1b[31m\r\n\tb\x00\xff "+strings.Repeat("ü", 400)), false); got != "a [31m b \uFFFD "+strings.Repeat("ü", shown-11)+"…" {
		t.Errorf("a body is shown as %q", got)
	}
	// What a cut body ends with may begin a secret.
	if got := m.body([]byte("the password is pa\"ss wö"), true); strings.Contains(got, "ss") && strings.Contains(got, `pa"`) {
		t.Errorf("a cut body is shown as %q", got)
	}
}
