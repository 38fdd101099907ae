package attest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

// tried writes the record of something that was run on the image for amd64, and
// gives what is to be attested of it.
func tried(t testing.TB, b *bundle.Bundle, name string, result record.Result) attest.Result {
	t.Helper()
	d, _, _, err := b.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	e := record.Evidence{
		Name: name, Kind: record.Drill, Result: result, Summary: "2 steps", Commit: b.Plan.Commit, Digest: d.Digest.String(),
		Platform: "linux/amd64", Stack: "compose", Started: noon, Finished: noon.Add(time.Minute),
		Steps: []record.EvidenceStep{{Name: "boot", Result: record.Pass}, {Name: "journey", Result: result}},
	}
	if err := record.WriteEvidence(b, e); err != nil {
		t.Fatal(err)
	}
	run, ok, err := e.TestRun()
	if err != nil || !ok {
		t.Fatalf("%+v is not to be attested: %v", e, err)
	}
	return attest.Result{Name: name, Predicate: run, Platform: e.Platform}
}

func TestResults(t *testing.T) {
	for _, format := range []product.ProofFormat{product.ProofBundles, product.ProofTags} {
		t.Run(string(format), func(t *testing.T) {
			r := release(t, fixture.Options{Proofs: format})
			signer := &counting{Key: newKey(t)}
			o := attest.Options{Signer: signer, Builder: builder}
			write := func(results ...attest.Result) (attest.Summary, map[string]v1.Hash) {
				t.Helper()
				o.Results, signer.signed = results, 0
				sum, err := attest.Write(t.Context(), r.Bundle, r.Product, o)
				if err != nil {
					t.Fatal(err)
				}
				return sum, entries(r.Bundle)
			}
			_, none := write()
			first, second := tried(t, r.Bundle, "drill:restore", record.Pass), tried(t, r.Bundle, "smoke:pilot", record.Pass)
			sum, all := write(first, second)
			if format == product.ProofTags {
				if len(all) != len(none) {
					t.Errorf("there are %d entries, want the %d that there were", len(all), len(none))
				}
				for _, title := range []string{"index.att", "linux-amd64.att"} {
					if all[title] == none[title] {
						t.Errorf("%s has no more than without results", title)
					}
				}
				if all["linux-arm64.att"] != none["linux-arm64.att"] {
					t.Error("the image that was not run has something new")
				}
			} else {
				var news []string
				for title := range all {
					if _, ok := none[title]; !ok {
						news = append(news, title)
					}
				}
				slices.Sort(news)
				if want := "index.result.drill-restore@compose index.result.smoke-pilot@compose linux-amd64.result.drill-restore@compose linux-amd64.result.smoke-pilot@compose"; strings.Join(news, " ") != want {
					t.Errorf("got %q, want %q", news, want)
				}
				if signer.signed != 2 || sum.Signed != 2 || sum.Kept != 12 {
					t.Errorf("%d statements were signed (%+v), want 2", signer.signed, sum)
				}
				for title := range none {
					if all[title] != none[title] {
						t.Errorf("%s is another with results", title)
					}
				}
				m, s := statement(t, r.Bundle, "linux-amd64.result.drill-restore@compose")
				d, index, _, err := r.Bundle.ImageIndex()
				if err != nil || m.Subject.Digest != index.Manifests[0].Digest || len(s.Subject) != 2 || !s.Names(d.Digest.Hex) || !s.Names(m.Subject.Digest.Hex) {
					t.Errorf("it is attached to %+v and says %+v, %v", m.Subject, s, err)
				}
				if run, err := intoto.DecodeTestRun(s); err != nil || run.Result != intoto.Passed || strings.Join(run.Passed, " ") != "boot journey" {
					t.Errorf("it says %+v, %v", run, err)
				}
			}
			_, again := write(first, second)
			if format == product.ProofBundles && signer.signed != 0 {
				t.Errorf("a rerun signed %d statements, want none", signer.signed)
			}
			for title, d := range all {
				if again[title] != d {
					t.Errorf("%s is another after a rerun", title)
				}
			}
		})
	}
}

func TestResultsRefused(t *testing.T) {
	r := release(t, fixture.Options{})
	key := newKey(t)
	for _, c := range []struct {
		name  string
		spoil func(r *attest.Result)
		says  string
	}{
		{"another name", func(r *attest.Result) { r.Name = "smoke:pilot" }, `attesting the result of smoke:pilot: its predicate is about "drill:restore"`},
		{"no result", func(r *attest.Result) { r.Predicate.Result = "" }, "want PASSED, WARNED or FAILED"},
		{"no record", func(r *attest.Result) { r.Predicate.Configuration = nil }, "has no configuration"},
		{"another commit", func(r *attest.Result) {
			r.Predicate.Configuration[0].Annotations["commit"] = strings.Repeat("f", 40)
		}, "it is of commit ffff"},
		{"another record", func(r *attest.Result) {
			r.Predicate.Configuration[0].Digest["sha256"] = strings.Repeat("f", 64)
		}, "the record of drill:restore that it brings along has the sha256"},
		{"a record that is not kept", func(r *attest.Result) {
			r.Predicate.Configuration[0].Content = nil
			r.Predicate.Configuration[0].Digest["sha256"] = strings.Repeat("f", 64)
		}, "is not in the bundle: write the evidence before it is signed"},
		{"another platform", func(r *attest.Result) { r.Platform = "linux/arm64" }, `is about the platform "linux/amd64", want "linux/arm64"`},
		{"no such platform", func(r *attest.Result) {
			r.Platform = "linux/riscv64"
			r.Predicate.Configuration[0].Annotations["platform"] = r.Platform
		}, "the image index has no image for linux/riscv64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			result := tried(t, r.Bundle, "drill:restore", record.Pass)
			c.spoil(&result)
			_, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: key, Builder: builder, Results: []attest.Result{result}})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
		})
	}
	result := tried(t, r.Bundle, "drill:restore", record.Pass)
	_, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: key, Builder: builder, Results: []attest.Result{result, result}})
	if err == nil || !strings.Contains(err.Error(), "it is there twice, of each record the newest is wanted") {
		t.Errorf("the same twice: %v", err)
	}
}
