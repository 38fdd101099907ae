package intoto_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

// provenanceText is a provenance of v1.0.0 of https://example.org/a at commit
// aa, with these members put in.
func provenanceText(external, dependency, metadata string) json.RawMessage {
	return json.RawMessage(`{"buildDefinition":{"buildType":"` + intoto.BuildType + `",
		"externalParameters":{"repository":"https://example.org/a","ref":"refs/tags/v1.0.0","channel":"stable"` + external + `},
		"resolvedDependencies":[{"uri":"git+https://example.org/a@refs/tags/v1.0.0","digest":{"gitCommit":"aa"}}` + dependency + `]},
		"runDetails":{"builder":{"id":"https://example.org/ci"},"metadata":{` + metadata + `}}}`)
}

func TestDecodeBuildRefuses(t *testing.T) {
	for _, c := range []struct{ name, external, dependency, metadata, says string }{
		{"what it should", `,"target":"release:stable"`, `,{"name":"rustc","uri":"pkg:generic/rustc@1","annotations":{"version":"rustc 1"}}`, ``, ""},
		{"without a target, as earlier suites", ``, ``, ``, ""},
		{"an unknown parameter", `,"patch":"x"`, ``, ``, `unknown field "patch"`},
		{"two commits", ``, `,{"uri":"git+https://example.org/a@refs/tags/v1.0.0","digest":{"gitCommit":"bb"}}`, ``, `names two commits of git+https://example.org/a@refs/tags/v1.0.0, "aa" and "bb"`},
		{"the same commit twice", ``, `,{"uri":"git+https://example.org/a@refs/tags/v1.0.0","digest":{"gitCommit":"aa"}}`, ``, ""},
		{"an empty dependency", ``, `,{"name":"x"}`, ``, "neither URI nor digest"},
		{"an end before the beginning", ``, ``, `"startedOn":"2026-01-02T00:00:00Z","finishedOn":"2026-01-01T00:00:00Z"`, "ended at 2026-01-01T00:00:00Z, before it began at 2026-01-02T00:00:00Z"},
		{"no time", ``, ``, `"startedOn":"yesterday"`, "reading the provenance"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := intoto.DecodeBuild(intoto.Statement{PredicateType: intoto.Provenance, Predicate: provenanceText(c.external, c.dependency, c.metadata)})
			if c.says != "" {
				testkit.Says(t, err, c.says)
				return
			}
			testkit.OK(t, err)
			if b.Commit() != "aa" {
				t.Errorf("got the commit %q", b.Commit())
			}
		})
	}
	_, err := intoto.DecodeBuild(intoto.Statement{PredicateType: intoto.SPDX, Predicate: provenanceText("", "", "")})
	testkit.Says(t, err, `is of type "https://spdx.dev/Document"`)
	_, err = intoto.DecodeBuild(intoto.Statement{PredicateType: intoto.Provenance})
	testkit.Says(t, err, "reading the provenance")
}

func TestSameBuild(t *testing.T) {
	decode := func(external, dependency, metadata string) intoto.Build {
		b, err := intoto.DecodeBuild(intoto.Statement{PredicateType: intoto.Provenance, Predicate: provenanceText(external, dependency, metadata)})
		testkit.OK(t, err)
		return b
	}
	one := decode("", "", "")
	if !one.SameBuild(decode("", `,{"uri":"pkg:generic/npm@1"}`, `"invocationId":"x"`)) {
		t.Error("another run with other tools is another build")
	}
	if one.SameBuild(decode(`,"target":"release:stable"`, "", "")) {
		t.Error("other parameters are the same build")
	}
	other := decode("", "", "")
	other.Definition.Dependencies[0].Digest["gitCommit"] = "bb"
	if one.SameBuild(other) {
		t.Error("another commit is the same build")
	}
}

func TestTool(t *testing.T) {
	for in, want := range map[string]string{
		"rustc 1.96.0 (ac68faa20 2026-05-25)": "pkg:generic/rustc@1.96.0",
		"1.96.0-nightly (x)":                  "pkg:generic/rustc@1.96.0-nightly",
		"":                                    "pkg:generic/rustc@",
		"rustc a/b":                           "pkg:generic/rustc@a%2Fb",
	} {
		if got := intoto.Tool("rustc", in); got.URI != want || got.Annotations["version"] != in {
			t.Errorf("%q gives %+v, want the URI %s", in, got, want)
		}
	}
}

func summary() intoto.Summary {
	return intoto.Summary{
		Verifier: intoto.SummaryVerifier{ID: "https://example.org/verifier", Version: map[string]string{"x": "1"}},
		Verified: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Resource: "oci://example.org/a@sha256:aa",
		Policy: intoto.Resource{URI: "https://example.org/policy", Digest: map[string]string{"sha256": "bb"}},
		Inputs: []intoto.Resource{{Digest: map[string]string{"sha256": "cc"}}},
		Result: intoto.SummaryPassed, Levels: []string{"SLSA_BUILD_LEVEL_1"}, Version: intoto.SLSAVersion,
	}
}

// The field names are the specification's.
func TestSummary(t *testing.T) {
	text, err := intoto.Encode(intoto.SummaryType, summary(), intoto.SHA256("", "aa"))
	testkit.OK(t, err)
	want := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"aa"}}],` +
		`"predicateType":"https://slsa.dev/verification_summary/v1","predicate":{` +
		`"verifier":{"id":"https://example.org/verifier","version":{"x":"1"}},"timeVerified":"2026-01-02T03:04:05Z",` +
		`"resourceUri":"oci://example.org/a@sha256:aa","policy":{"uri":"https://example.org/policy","digest":{"sha256":"bb"}},` +
		`"inputAttestations":[{"digest":{"sha256":"cc"}}],"verificationResult":"PASSED",` +
		`"verifiedLevels":["SLSA_BUILD_LEVEL_1"],"slsaVersion":"1.0"}}`
	if string(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	s, err := intoto.Decode(text)
	testkit.OK(t, err)
	got, err := intoto.DecodeSummary(s)
	testkit.OK(t, err)
	if !reflect.DeepEqual(got, summary()) {
		t.Errorf("got %+v", got)
	}
	later := summary()
	later.Verified, later.Verifier.Version = later.Verified.Add(time.Hour), nil
	if !later.SameAs(got) {
		t.Error("the same said later is something else")
	}
	later.Inputs = nil
	if later.SameAs(got) {
		t.Error("proved with something else is the same")
	}
}

func TestSummaryRefuses(t *testing.T) {
	for says, spoil := range map[string]func(*intoto.Summary){
		"names no verifier":               func(s *intoto.Summary) { s.Verifier.ID = "" },
		"says nothing of when":            func(s *intoto.Summary) { s.Verified = time.Time{} },
		"does not say what was verified":  func(s *intoto.Summary) { s.Resource = "" },
		"names no policy":                 func(s *intoto.Summary) { s.Policy.URI = "" },
		`ends with "passed", want PASSED`: func(s *intoto.Summary) { s.Result = "passed" },
		"no level that was reached":       func(s *intoto.Summary) { s.Levels = nil },
		"an empty level":                  func(s *intoto.Summary) { s.Levels = []string{""} },
	} {
		s := summary()
		spoil(&s)
		text, err := json.Marshal(s)
		testkit.OK(t, err)
		_, err = intoto.DecodeSummary(intoto.Statement{PredicateType: intoto.SummaryType, Predicate: text})
		testkit.Says(t, err, says)
	}
	_, err := intoto.DecodeSummary(intoto.Statement{PredicateType: intoto.SummaryType, Predicate: []byte(`[]`)})
	testkit.Says(t, err, "reading the verification summary")
	_, err = intoto.DecodeSummary(intoto.Statement{PredicateType: intoto.Provenance, Predicate: []byte(`{}`)})
	testkit.Says(t, err, "is of type")
}

// What is read is written again as it is read.
func FuzzDecodeBuild(f *testing.F) {
	f.Add(string(provenanceText(`,"target":"release:stable"`, `,{"uri":"x"}`, `"startedOn":"2026-01-02T00:00:00Z"`)))
	f.Add(strings.Replace(string(provenanceText("", "", "")), "aa", `","sha256":"`, 1))
	f.Fuzz(func(t *testing.T, text string) {
		b, err := intoto.DecodeBuild(intoto.Statement{PredicateType: intoto.Provenance, Predicate: json.RawMessage(text)})
		if err != nil {
			return
		}
		again, err := json.Marshal(b)
		if err != nil { // a year of five digits
			return
		}
		o, err := intoto.DecodeBuild(intoto.Statement{PredicateType: intoto.Provenance, Predicate: again})
		if err != nil || !o.SameBuild(b) || o.Commit() != b.Commit() {
			t.Errorf("%s gives %+v, and written and read again %+v, %v", text, b, o, err)
		}
	})
}

func FuzzDecodeSummary(f *testing.F) {
	text, err := json.Marshal(summary())
	testkit.OK(f, err)
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := intoto.DecodeSummary(intoto.Statement{PredicateType: intoto.SummaryType, Predicate: json.RawMessage(text)})
		if err == nil && s.Check() != nil {
			t.Errorf("%s is read, and refused by its own check", text)
		}
	})
}
