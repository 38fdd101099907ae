package verify_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
	"github.com/kubedoio/rustshare-release/magefiles/prove/sbom"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
	"github.com/kubedoio/rustshare-release/magefiles/record"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// try is something that was run: its name, with the stack, and what came of it.
type try struct {
	what   string
	result record.Result
	// at is when, in minutes after noon.
	at int
}

// tried makes a whole release with results, and gives them as they are
// reported.
func tried(t testing.TB, key *attest.Key, o fixture.Options, tries ...try) (fixture.Release, []verify.TestResult) {
	t.Helper()
	r := fixture.New(t, o)
	must(t, sbom.Write(t.Context(), r.Bundle, r.Product, r.Checkout))
	return r, attested(t, key, r, tries...)
}

// attested signs a release that has its SBOMs.
func attested(t testing.TB, key *attest.Key, r fixture.Release, tries ...try) []verify.TestResult {
	t.Helper()
	var results []attest.Result
	var want []verify.TestResult
	for _, one := range tries {
		called, stack, _ := strings.Cut(one.what, "@")
		e := record.Evidence{
			Name: called, Kind: record.Test, Result: one.result, Summary: "that is how it went", Commit: r.Bundle.Plan.Commit, Stack: stack,
			Started: noon.Add(time.Duration(one.at) * time.Minute), Finished: noon.Add(time.Duration(one.at)*time.Minute + time.Second),
		}
		if stack != "" {
			e.Platform, e.Digest = "linux/amd64", find(t, r.Bundle, "index").Digest.String()
		}
		must(t, record.WriteEvidence(r.Bundle, e))
		run, _, err := e.TestRun()
		must(t, err)
		results = append(results, attest.Result{Name: called, Predicate: run, Platform: e.Platform})
		want = append(want, verify.TestResult{
			Name: called, Stack: stack, Platform: e.Platform, Result: run.Result, Commit: e.Commit, Started: e.Started, Finished: e.Finished,
			Record: "sha256:" + run.Configuration[0].Digest["sha256"], Text: run.Configuration[0].Content,
		})
	}
	_, err := attest.Write(t.Context(), r.Bundle, r.Product, attest.Options{Signer: key, Builder: attest.Builder{ID: "https://ci.example/release"}, Results: results})
	must(t, err)
	return want
}

func requiring(want ...string) verify.Expect {
	e := expect
	e.Require = want
	return e
}

func TestRequired(t *testing.T) {
	for _, c := range []struct {
		name      string
		format    product.ProofFormat
		referrers bool
	}{
		{"bundles", product.ProofBundles, true},
		{"bundles, fallback tag", product.ProofBundles, false},
		{"tags", product.ProofTags, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t)
			r, want := tried(t, key, fixture.Options{Proofs: c.format},
				try{"drill:restore@compose", record.Pass, 0}, try{"drill:restore@process", record.Pass, 5}, try{"test:backend", record.Pass, 1})
			repo := fixture.Registry(t, c.referrers)
			ref := publish(t, r.Bundle, repo)
			trust := verify.Trust{Key: key.PublicPEM(), Format: c.format}
			got, err := verify.Image(t.Context(), ref, trust, requiring("drill:restore", "drill:restore@compose", "test:backend"))
			must(t, err)
			if !reflect.DeepEqual(got.Report.Results, want) {
				t.Errorf("the report has\n%+v\nwant\n%+v", got.Report.Results, want)
			}
			for _, format := range []product.ProofFormat{"", c.format} {
				few, err := verify.Results(t.Context(), ref, verify.Trust{Key: key.PublicPEM(), Format: format})
				must(t, err)
				if !reflect.DeepEqual(few, want) {
					t.Errorf("without the verification there are\n%+v\nwant\n%+v", few, want)
				}
			}
			var said []string
			for _, check := range got.Report.Checks {
				if check.Name == "evidence" && check.Pass && check.Subject == "index" {
					said = append(said, check.Detail)
				}
			}
			if len(said) != 3 || said[1] != "drill:restore@compose passed at 2026-03-04T12:00:01Z, record "+want[0].Record {
				t.Errorf("the checks say %q", said)
			}
			// Nothing is asked for, nothing is missed.
			if _, err := verify.Image(t.Context(), ref, trust, expect); err != nil {
				t.Error(err)
			}
		})
	}
}

// What was not passed, or is not said by who is trusted, is refused, each with
// a sentence of its own.
func TestRequireRefused(t *testing.T) {
	key, other := newKey(t), newKey(t)
	bundles, _ := tried(t, key, fixture.Options{}, try{"smoke:pilot@process", record.Pass, 0}, try{"drill:restore@compose", record.Pass, 0})
	tags, _ := tried(t, key, fixture.Options{Proofs: product.ProofTags}, try{"drill:restore@compose", record.Pass, 0})
	plainTags := signed(t, key, fixture.Options{Proofs: product.ProofTags})
	elsewhere := fixture.Options{Commit: strings.Repeat("e", 40)}
	foreign, _ := tried(t, key, elsewhere, try{"smoke:pilot@compose", record.Pass, 0})
	elsewhere.Proofs = product.ProofTags
	foreignTags, _ := tried(t, key, elsewhere, try{"smoke:pilot@compose", record.Pass, 0})
	failed, _ := tried(t, key, fixture.Options{}, try{"smoke:pilot@compose", record.Fail, 0})
	failedTags, _ := tried(t, key, fixture.Options{Proofs: product.ProofTags}, try{"smoke:pilot@compose", record.Fail, 0})

	const title = "index.result.smoke-pilot@process"
	// changed attaches the pilot's result with another predicate, signed by key.
	changed := func(t *testing.T, repo name.Repository, by *attest.Key, change func(run *intoto.TestRun)) {
		t.Helper()
		s := statementOf(t, bundles.Bundle, title)
		run, err := intoto.DecodeTestRun(s)
		must(t, err)
		run.Configuration[0].Annotations["stack"] = "compose"
		change(&run)
		s.Predicate, err = json.Marshal(run)
		must(t, err)
		attach(t, repo, by, find(t, bundles.Bundle, "index"), s)
	}
	for _, c := range []struct {
		name string
		r    fixture.Release
		// strip leaves entries out of what is published, spoil adds to it.
		strip []string
		spoil func(t *testing.T, repo name.Repository)
		want  string
		says  []string
	}{
		{name: "nothing at all", r: plainTags, want: "smoke:pilot", says: []string{
			"smoke:pilot was asked for, and nothing says that this image passed it: no trusted test result is attached to it; run smoke:pilot on it and publish again",
		}},
		{name: "something else", r: tags, want: "smoke:pilot", says: []string{"what is attached to it is drill:restore@compose (PASSED); run smoke:pilot on it"}},
		{name: "another stack", r: bundles, want: "smoke:pilot@compose", says: []string{
			"what is attached to it is drill:restore@compose (PASSED), smoke:pilot@process (PASSED); run smoke:pilot@compose on it and publish again",
		}},
		{name: "a longer name", r: bundles, want: "smoke:pil", says: []string{"nothing says that this image passed it"}},
		{name: "no name", r: bundles, want: "@process", says: []string{"@process was asked for, and nothing says that"}},
		{name: "stripped", r: bundles, strip: []string{title}, want: "smoke:pilot", says: []string{
			"what is attached to it is drill:restore@compose (PASSED); run smoke:pilot on it",
		}},
		{name: "at the image alone", r: bundles, strip: []string{title, "index.result.drill-restore@compose"}, want: "smoke:pilot", says: []string{"no trusted test result is attached to it"}},
		{name: "failed", r: failed, want: "smoke:pilot", says: []string{
			"what is attested is that smoke:pilot@compose ended with FAILED at 2026-03-04T12:00:01Z: find out why, run smoke:pilot@compose on this image again",
		}},
		{name: "failed, tags", r: failedTags, want: "smoke:pilot@compose", says: []string{"smoke:pilot@compose ended with FAILED"}},
		{name: "warned", r: bundles, want: "smoke:pilot@compose", spoil: func(t *testing.T, repo name.Repository) {
			changed(t, repo, key, func(run *intoto.TestRun) { run.Result = intoto.Warned })
		}, says: []string{"smoke:pilot@compose ended with WARNED"}},
		{name: "another key", r: bundles, want: "smoke:pilot@compose", spoil: func(t *testing.T, repo name.Repository) {
			changed(t, repo, other, func(*intoto.TestRun) {})
		}, says: []string{"and 1 that do not count (it is not signed by the key " + key.Fingerprint()}},
		{name: "another key, tags", r: tags, want: "smoke:pilot", spoil: func(t *testing.T, repo name.Repository) {
			theirs, _ := tried(t, other, fixture.Options{Proofs: product.ProofTags}, try{"smoke:pilot@compose", record.Pass, 0})
			publish(t, theirs.Bundle, repo)
		}, says: []string{"what is attached to it is drill:restore@compose (PASSED), and 1 that do not count (it is not signed by the key"}},
		{name: "another digest", r: bundles, want: "smoke:pilot@compose", spoil: func(t *testing.T, repo name.Repository) {
			attach(t, repo, key, find(t, bundles.Bundle, "index"), statementOf(t, foreign.Bundle, "index.result.smoke-pilot@compose"))
		}, says: []string{"and 1 that do not count (it is about " + find(t, foreign.Bundle, "index").Digest.String()}},
		{name: "another digest, tags", r: tags, want: "smoke:pilot", spoil: func(t *testing.T, repo name.Repository) {
			theirs, ok := foreignTags.Bundle.Find(bundle.Tagged, "index.att")
			if !ok {
				t.Fatal("there are no attestations of the other release")
			}
			moved := theirs
			moved.Annotations = map[string]string{
				bundle.TitleKey: "index.att", bundle.RefNameKey: strings.Replace(find(t, tags.Bundle, "index").Digest.String(), ":", "-", 1) + ".att",
			}
			must(t, foreignTags.Bundle.Add(bundle.Tagged, moved))
			all, err := converge.Want(foreignTags.Bundle, nil, converge.Extras{})
			must(t, err)
			for _, m := range all.Manifests {
				if m.Digest == theirs.Digest {
					send(t, repo, converge.Desired{Manifests: []converge.Manifest{m}})
				}
			}
		}, says: []string{"and 1 that do not count (it is about sha256:"}},
		{name: "another commit", r: bundles, want: "smoke:pilot@compose", spoil: func(t *testing.T, repo name.Repository) {
			changed(t, repo, key, func(run *intoto.TestRun) {
				run.Configuration[0].Annotations["commit"] = strings.Repeat("f", 40)
			})
		}, says: []string{`(that of smoke:pilot@compose is of the commit "ffffffffffffffffffffffffffffffffffffffff", this image of "` + fixture.Commit + `")`}},
		{name: "another tool's", r: bundles, want: "smoke:pilot@compose", spoil: func(t *testing.T, repo name.Repository) {
			changed(t, repo, key, func(run *intoto.TestRun) { run.Configuration[0].MediaType = "text/yaml" })
		}, says: []string{"(its configuration is not the one record"}},
		{name: "no result", r: bundles, want: "smoke:pilot@compose", spoil: func(t *testing.T, repo name.Repository) {
			changed(t, repo, key, func(run *intoto.TestRun) { run.Result = "PASS" })
		}, says: []string{`(the test result is "PASS", want PASSED, WARNED or FAILED)`}},
		{name: "one that failed tests", r: bundles, want: "smoke:pilot@compose", spoil: func(t *testing.T, repo name.Repository) {
			changed(t, repo, key, func(run *intoto.TestRun) { run.Failed = []string{"login"} })
		}, says: []string{`(the test result says PASSED and lists "login" as failed)`}},
		{name: "a signature that says it is one", r: bundles, want: "smoke:pilot@compose", spoil: func(t *testing.T, repo name.Repository) {
			payload, err := json.Marshal(statementOf(t, bundles.Bundle, "index.signature"))
			must(t, err)
			text, err := key.Bundle(t.Context(), payload)
			must(t, err)
			proofs.Attach(t, repo, find(t, bundles.Bundle, "index"), intoto.TestResult, text)
		}, says: []string{"smoke:pilot@process (PASSED); run smoke:pilot@compose"}},
		{name: "junk", r: bundles, want: "smoke:pilot@compose", spoil: func(t *testing.T, repo name.Repository) {
			proofs.Attach(t, repo, find(t, bundles.Bundle, "index"), intoto.TestResult, []byte("junk"))
		}, says: []string{"and 1 that do not count (it is no Sigstore bundle"}},
		{name: "changed after it was signed", r: failed, strip: []string{"index.result.smoke-pilot@compose"}, want: "smoke:pilot", spoil: func(t *testing.T, repo name.Repository) {
			var m v1.Manifest
			must(t, failed.Bundle.ReadJSON(find(t, failed.Bundle, "index.result.smoke-pilot@compose").Digest, &m))
			var b map[string]any
			must(t, failed.Bundle.ReadJSON(m.Layers[0].Digest, &b))
			payload, err := json.Marshal(statementOf(t, failed.Bundle, "index.result.smoke-pilot@compose"))
			must(t, err)
			b["dsseEnvelope"].(map[string]any)["payload"] = []byte(strings.Replace(string(payload), intoto.Failed, intoto.Passed, 1))
			text, err := json.Marshal(b)
			must(t, err)
			proofs.Attach(t, repo, find(t, failed.Bundle, "index"), intoto.TestResult, text)
		}, says: []string{"no trusted test result is attached to it, and 1 that do not count (it is not signed by the key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			repo := fixture.Registry(t, true)
			ref := fixture.Push(t, c.r.Bundle, repo, without(c.strip...))
			if c.spoil != nil {
				c.spoil(t, repo)
			}
			trust := verify.Trust{Key: key.PublicPEM(), Format: c.r.Product.Proofs}
			got, err := verify.Image(t.Context(), ref, trust, requiring(c.want))
			var all *verify.Error
			if !errors.As(err, &all) || len(all.Failures) != 1 || all.Failures[0].Reason != verify.NoEvidence || all.Failures[0].Subject != "index" {
				t.Fatalf("got %v, want that alone: no evidence", err)
			}
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("the error\n%v\ndoes not say\n%s", err, says)
				}
			}
			if got.Report.Passed || got.Proves(find(t, c.r.Bundle, "index").Digest) {
				t.Error("the result proves an image that failed")
			}
			few, err := verify.Results(t.Context(), ref, trust)
			must(t, err)
			var failure *verify.Failure
			if err := verify.Require(few, c.want); !errors.As(err, &failure) || failure.Reason != verify.NoEvidence {
				t.Errorf("without the verification it is %v", err)
			}
			if _, err := verify.Image(t.Context(), ref, trust, expect); err != nil {
				t.Errorf("where nothing is asked for: %v", err)
			}
		})
	}
}

// Of several runs the newest counts, whichever was published last.
func TestNewestResult(t *testing.T) {
	key := newKey(t)
	for _, format := range []product.ProofFormat{product.ProofBundles, product.ProofTags} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			r, _ := tried(t, key, fixture.Options{Proofs: format}, try{"smoke:pilot@compose", record.Pass, 10})
			repo := fixture.Registry(t, true)
			ref := publish(t, r.Bundle, repo)
			check := func(results int, want string, says string) {
				t.Helper()
				all, err := verify.Results(t.Context(), ref, verify.Trust{Key: key.PublicPEM(), Format: format})
				must(t, err)
				if len(all) != results {
					t.Errorf("there are %+v", all)
				}
				if err := verify.Require(all, want); (err == nil) != (says == "") || (err != nil && !strings.Contains(err.Error(), says)) {
					t.Errorf("%s: got %v, want %q", want, err, says)
				}
			}
			again := func(tries ...try) {
				t.Helper()
				attested(t, key, r, tries...)
				publish(t, r.Bundle, repo)
			}
			again(try{"smoke:pilot@compose", record.Fail, 5}) // an older one
			check(1, "smoke:pilot", "")
			again(try{"smoke:pilot@compose", record.Fail, 20})
			check(1, "smoke:pilot", "smoke:pilot@compose ended with FAILED at 2026-03-04T12:20:01Z")
			again(try{"smoke:pilot@process", record.Pass, 30})
			check(2, "smoke:pilot@process", "")
			check(2, "smoke:pilot", "smoke:pilot@compose ended with FAILED")
			again(try{"smoke:pilot@compose", record.Pass, 40})
			check(2, "smoke:pilot", "")
			again(try{"smoke:pilot@compose", record.Fail, 40}) // at the very same time
			check(2, "smoke:pilot", "ended with FAILED at 2026-03-04T12:40:01Z")
		})
	}
}

// Little is read to find out what was passed, and a registry that does not
// answer has not said that it was nothing.
func TestResultRequests(t *testing.T) {
	key := newKey(t)
	for _, c := range []struct {
		name   string
		format product.ProofFormat
		tries  []try
		want   int
	}{
		{"bundles, none", product.ProofBundles, nil, 1},
		{"bundles, one", product.ProofBundles, []try{{"smoke:pilot@compose", record.Pass, 0}}, 4}, // list, manifest, blob, index
		{"tags, none", product.ProofTags, nil, 1},
		{"tags, one", product.ProofTags, []try{{"smoke:pilot@compose", record.Pass, 0}}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, want := tried(t, key, fixture.Options{Proofs: c.format}, c.tries...)
			real := fixture.Handler(true)
			var lock sync.Mutex
			var asked []string
			refuse := false
			repo := fixture.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				lock.Lock()
				no := refuse && q.URL.Path != "/v2/"
				if q.URL.Path != "/v2/" {
					asked = append(asked, q.Method+" "+q.URL.Path)
				}
				lock.Unlock()
				if no {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				real.ServeHTTP(w, q)
			}))
			ref := publish(t, r.Bundle, repo)
			trust := verify.Trust{Key: key.PublicPEM(), Format: c.format}
			asked = nil
			got, err := verify.Results(t.Context(), ref, trust)
			must(t, err)
			if len(asked) != c.want || len(got) != len(want) {
				t.Errorf("%d requests for %+v, want %d:\n%s", len(asked), got, c.want, strings.Join(asked, "\n"))
			}
			refuse = true
			_, err = verify.Results(t.Context(), ref, trust, remote.WithRetryBackoff(remote.Backoff{Steps: 1}))
			if err == nil || !strings.Contains(err.Error(), "looking what "+ref.Name()+" has passed: ") || !strings.Contains(err.Error(), "403") {
				t.Errorf("got %v", err)
			}
		})
	}
}
