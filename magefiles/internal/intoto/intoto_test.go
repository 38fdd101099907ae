package intoto_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
)

func TestEncode(t *testing.T) {
	got, err := intoto.Encode(intoto.Signature, nil, intoto.SHA256("", "ab"))
	if err != nil {
		t.Fatal(err)
	}
	// What cosign 2.6 signs, byte for byte.
	want := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"ab"}}],"predicateType":"https://sigstore.dev/cosign/sign/v1"}`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s, err := intoto.Decode(got)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Names("ab") || s.Names("cd") || s.Names("") {
		t.Errorf("%+v names the wrong subjects", s)
	}
	if _, err := intoto.Encode(intoto.SPDX, json.RawMessage("{"), intoto.SHA256("", "ab")); err == nil || !strings.Contains(err.Error(), "encoding the predicate https://spdx.dev/Document") {
		t.Errorf("a broken predicate gave %v", err)
	}
}

func TestDecodeErrors(t *testing.T) {
	for in, want := range map[string]string{
		``:   "is no in-toto statement",
		`[]`: "is no in-toto statement",
		`{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"digest":{}}]}`:                        `the statement's type is "https://in-toto.io/Statement/v0.1"`,
		`{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://example.org","subject":[]}`: "the statement https://example.org has no subject",
	} {
		if _, err := intoto.Decode([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error that says %q", in, err, want)
		}
	}
}

func TestDecodeBuild(t *testing.T) {
	build := intoto.Build{Definition: intoto.BuildDefinition{
		BuildType: intoto.BuildType,
		External:  intoto.Parameters{Repository: "https://example.org/a", Ref: "refs/heads/main", Channel: "edge"},
		Dependencies: []intoto.Resource{
			{URI: "git+https://example.org/b@refs/heads/main", Digest: map[string]string{"gitCommit": "bb"}},
			{URI: "git+https://example.org/a@refs/heads/main", Digest: map[string]string{"gitCommit": "aa"}},
		},
	}}
	text, err := intoto.Encode(intoto.Provenance, build, intoto.SHA256("a", "00"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := intoto.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := intoto.DecodeBuild(s)
	if err != nil || got.Commit() != "aa" {
		t.Errorf("got the commit %q and %v, want that of the built repository", got.Commit(), err)
	}
	got.Definition.External.Ref = "refs/tags/v1.0.0"
	if c := got.Commit(); c != "" {
		t.Errorf("got the commit %q of a source that is not among the dependencies", c)
	}
	s.Predicate = json.RawMessage(`{"buildDefinition":{"buildType":"https://example.org/other"}}`)
	if _, err := intoto.DecodeBuild(s); err == nil || !strings.Contains(err.Error(), `of the build type "https://example.org/other", and the one that counts is`) {
		t.Errorf("another build type gave %v", err)
	}
	s.Predicate = json.RawMessage(`[]`)
	if _, err := intoto.DecodeBuild(s); err == nil || !strings.Contains(err.Error(), "reading the provenance") {
		t.Errorf("a list gave %v", err)
	}
}

func TestDecodeSBOM(t *testing.T) {
	for _, c := range []struct {
		name, predicate, text string
		want                  intoto.Document
		bad                   string
	}{
		{
			"SPDX", intoto.SPDX,
			`{"spdxVersion":"SPDX-2.3","packages":[
			 {"SPDXID":"SPDXRef-a","name":"a","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:cargo/a@1"},{"referenceType":"cpe23Type","referenceLocator":"pkg:cargo/no"}]},
			 {"SPDXID":"SPDXRef-n","name":"n","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:npm/n@1"}]},
			 {"SPDXID":"SPDXRef-root","name":"r","versionInfo":"2","checksums":[{"algorithm":"SHA1","checksumValue":"11"},{"algorithm":"SHA256","checksumValue":"22"}]}],
			 "relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"SPDXRef-root"}]}`,
			intoto.Document{SHA256: "22", Name: "r", Version: "2", Crates: 1, Packages: 1}, "",
		},
		{
			"SPDX that describes nothing", intoto.SPDX,
			`{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"SPDXRef-root","checksums":[{"algorithm":"SHA256","checksumValue":"22"}]}]}`,
			intoto.Document{}, "",
		},
		{
			"CycloneDX", intoto.CycloneDX,
			`{"bomFormat":"CycloneDX","metadata":{"component":{"name":"r","version":"2","hashes":[{"alg":"SHA-256","content":"22"}]}},"components":[{"purl":"pkg:cargo/a@1"},{"purl":"pkg:npm/n@1"},{}]}`,
			intoto.Document{SHA256: "22", Name: "r", Version: "2", Crates: 1, Packages: 1}, "",
		},
		{"SPDX 3", intoto.SPDX, `{"spdxVersion":"SPDX-3.0"}`, intoto.Document{}, `its version is "SPDX-3.0"`},
		{"no SPDX", intoto.SPDX, `[]`, intoto.Document{}, "reading the SPDX document"},
		{"no CycloneDX", intoto.CycloneDX, `{"bomFormat":"x"}`, intoto.Document{}, `its bomFormat is "x"`},
		{"broken CycloneDX", intoto.CycloneDX, `{`, intoto.Document{}, "reading the CycloneDX document"},
		{"something else", intoto.Provenance, `{}`, intoto.Document{}, "is no SBOM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := intoto.DecodeSBOM(c.predicate, []byte(c.text))
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if (err != nil) != (c.bad != "") || (err != nil && !strings.Contains(err.Error(), c.bad)) {
				t.Errorf("got the error %v, want one that says %q", err, c.bad)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"ab"}}],"predicateType":"x","predicate":{"buildDefinition":{}}}`))
	f.Add([]byte(`{"spdxVersion":"SPDX-2.3","packages":[{}],"relationships":[{}]}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if s, err := intoto.Decode(text); err == nil {
			_, _ = intoto.DecodeBuild(s) // it may fail, but not panic
		}
		for _, predicate := range []string{intoto.SPDX, intoto.CycloneDX} {
			_, _ = intoto.DecodeSBOM(predicate, text)
		}
	})
}
