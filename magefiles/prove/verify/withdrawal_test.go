package verify_test

import (
	"bytes"
	"encoding/json"
	"net/http"
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
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/converge"
)

func said(serial int, withdrawn bool, reason string) intoto.Withdrawal {
	return intoto.Withdrawal{
		Version: "0.4.0", Withdrawn: withdrawn, Serial: serial, Reason: reason, Use: "0.3.2",
		When: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	}
}

// say publishes what a key says of an index, as a release does.
func say(t testing.TB, repo name.Repository, key attest.Signer, format product.ProofFormat, subject v1.Descriptor, w intoto.Withdrawal) {
	t.Helper()
	made, err := attest.Withdrawal(t.Context(), key, format, subject, w)
	must(t, err)
	m, err := converge.Proof("withdrawal", made.Manifest, made.Tag, made.Blobs...)
	must(t, err)
	send(t, repo, converge.Desired{Manifests: []converge.Manifest{m}})
}

// A release is withdrawn and restored, in both formats, on registries with and
// without the referrers API. Its proof holds all the while.
func TestWithdrawals(t *testing.T) {
	for _, c := range []struct {
		name      string
		format    product.ProofFormat
		referrers bool
	}{
		{"bundles", product.ProofBundles, true},
		{"bundles, fallback tag", product.ProofBundles, false},
		{"tags", product.ProofTags, true},
		{"tags, fallback tag", product.ProofTags, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t)
			r := signed(t, key, fixture.Options{Proofs: c.format})
			repo := fixture.Registry(t, c.referrers)
			ref := publish(t, r.Bundle, repo)
			index := find(t, r.Bundle, "index")
			check := func(want *intoto.Withdrawal) {
				t.Helper()
				for _, format := range []product.ProofFormat{"", c.format} {
					got, err := verify.Withdrawals(t.Context(), ref, verify.Trust{Key: key.PublicPEM(), Format: format})
					must(t, err)
					if (got == nil) != (want == nil) || (got != nil && *got != *want) {
						t.Errorf("trusting %q: got %+v, want %+v", format, got, want)
					}
				}
				got, err := verify.Image(t.Context(), ref, verify.Trust{Key: key.PublicPEM(), Format: c.format}, expect)
				must(t, err)
				if !got.Proves(index.Digest) || !got.Report.Passed {
					t.Error("the proof does not hold")
				}
				in := got.Report.Withdrawn
				if (in != nil) != want.Stands() || (in != nil && *in != *want) {
					t.Errorf("the report says %+v, want %+v", in, want)
				}
				text, err := json.Marshal(got.Report)
				must(t, err)
				if bytes.Contains(text, []byte(`"withdrawn":{"version":"0.4.0","withdrawn":true,`)) != want.Stands() {
					t.Errorf("the report is %s", text)
				}
			}
			check(nil)
			one, two, three := said(1, true, "it loses files"), said(2, false, ""), said(3, true, "it really does")
			say(t, repo, key, c.format, index, one)
			check(&one)
			say(t, repo, key, c.format, index, two)
			check(&two)
			say(t, repo, key, c.format, index, three)
			check(&three)
			say(t, repo, key, c.format, index, one) // an old one that is sent again
			check(&three)
			say(t, repo, key, c.format, index, said(3, false, "")) // two at once
			check(&three)
		})
	}
}

// What is not signed by the trusted key, or is about something else, withdraws
// nothing, and takes no withdrawal back.
func TestForeignWithdrawals(t *testing.T) {
	key, other := newKey(t), newKey(t)
	releases := map[product.ProofFormat]fixture.Release{}
	for _, format := range []product.ProofFormat{product.ProofBundles, product.ProofTags} {
		releases[format] = signed(t, key, fixture.Options{Proofs: format})
	}
	// text is a good bundle about a subject.
	text := func(t *testing.T, by attest.Signer, subject v1.Descriptor, w intoto.Withdrawal) []byte {
		made, err := attest.Withdrawal(t.Context(), by, product.ProofBundles, subject, w)
		must(t, err)
		return made.Blobs[1]
	}
	amd64 := func(r fixture.Release) v1.Descriptor { return find(t, r.Bundle, "linux-amd64") }
	type attack func(t *testing.T, repo name.Repository, r fixture.Release, w intoto.Withdrawal)
	on := func(change func(t *testing.T, r fixture.Release, w intoto.Withdrawal) []byte) attack {
		return func(t *testing.T, repo name.Repository, r fixture.Release, w intoto.Withdrawal) {
			proofs.Attach(t, repo, find(t, r.Bundle, "index"), intoto.WithdrawalType, change(t, r, w))
		}
	}
	for _, c := range []struct {
		name   string
		format product.ProofFormat
		attack attack
	}{
		{"another key", product.ProofBundles, func(t *testing.T, repo name.Repository, r fixture.Release, w intoto.Withdrawal) {
			say(t, repo, other, product.ProofBundles, find(t, r.Bundle, "index"), w)
		}},
		{"another key, tags", product.ProofTags, func(t *testing.T, repo name.Repository, r fixture.Release, w intoto.Withdrawal) {
			say(t, repo, other, product.ProofTags, find(t, r.Bundle, "index"), w)
		}},
		{"about one image", product.ProofBundles, on(func(t *testing.T, r fixture.Release, w intoto.Withdrawal) []byte {
			return text(t, key, amd64(r), w)
		})},
		{"about one image, tags", product.ProofTags, func(t *testing.T, repo name.Repository, r fixture.Release, w intoto.Withdrawal) {
			made, err := attest.Withdrawal(t.Context(), key, product.ProofTags, amd64(r), w)
			must(t, err)
			tag := strings.Replace(find(t, r.Bundle, "index").Digest.String(), ":", "-", 1) + ".att"
			m, err := converge.Proof("withdrawal", made.Manifest, tag, made.Blobs...)
			must(t, err)
			send(t, repo, converge.Desired{Manifests: []converge.Manifest{m}})
		}},
		{"truncated", product.ProofBundles, on(func(t *testing.T, r fixture.Release, w intoto.Withdrawal) []byte {
			whole := text(t, key, find(t, r.Bundle, "index"), w)
			return whole[:len(whole)-40]
		})},
		{"empty", product.ProofBundles, on(func(*testing.T, fixture.Release, intoto.Withdrawal) []byte { return nil })},
		{"changed", product.ProofBundles, on(func(t *testing.T, r fixture.Release, w intoto.Withdrawal) []byte {
			var b map[string]any
			must(t, json.Unmarshal(text(t, key, find(t, r.Bundle, "index"), w), &b))
			envelope := b["dsseEnvelope"].(map[string]any)
			w.Serial++
			changed, err := intoto.Encode(intoto.WithdrawalType, w, intoto.SHA256("", find(t, r.Bundle, "index").Digest.Hex))
			must(t, err)
			envelope["payload"] = changed // []byte is base64 in JSON
			out, err := json.Marshal(b)
			must(t, err)
			return out
		})},
		{"a signature that says it is one", product.ProofBundles, func(t *testing.T, repo name.Repository, r fixture.Release, _ intoto.Withdrawal) {
			payload, err := json.Marshal(statementOf(t, r.Bundle, "index.signature"))
			must(t, err)
			text, err := key.Bundle(t.Context(), payload)
			must(t, err)
			proofs.Attach(t, repo, find(t, r.Bundle, "index"), intoto.WithdrawalType, text)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := releases[c.format]
			repo := fixture.Registry(t, true)
			ref := publish(t, r.Bundle, repo)
			trust := verify.Trust{Key: key.PublicPEM(), Format: c.format}
			check := func(want *intoto.Withdrawal) {
				t.Helper()
				got, err := verify.Withdrawals(t.Context(), ref, trust)
				if err != nil || (got == nil) != (want == nil) || (got != nil && *got != *want) {
					t.Errorf("got %+v (%v), want %+v", got, err, want)
				}
				result, err := verify.Image(t.Context(), ref, trust, expect)
				if err != nil || (result.Report.Withdrawn != nil) != want.Stands() {
					t.Errorf("the report says %+v (%v), want %+v", result.Report.Withdrawn, err, want)
				}
			}
			c.attack(t, repo, r, said(1, true, "no friend"))
			check(nil)
			good := said(1, true, "it loses files")
			say(t, repo, key, c.format, find(t, r.Bundle, "index"), good)
			check(&good)
			c.attack(t, repo, r, said(2, false, ""))
			check(&good)
		})
	}
}

// A statement of the trusted key that cannot be read is not passed over.
func TestUnreadableWithdrawal(t *testing.T) {
	key := newKey(t)
	r := signed(t, key, fixture.Options{})
	repo := fixture.Registry(t, true)
	ref := publish(t, r.Bundle, repo)
	index := find(t, r.Bundle, "index")
	attach(t, repo, key, index, intoto.Statement{
		Type: intoto.StatementType, PredicateType: intoto.WithdrawalType,
		Subject: []intoto.Subject{intoto.SHA256("", index.Digest.Hex)}, Predicate: json.RawMessage(`{"version":"0.4.0","serial":"two"}`),
	})
	_, err := verify.Withdrawals(t.Context(), ref, verify.Trust{Key: key.PublicPEM()})
	_, also := verify.Image(t.Context(), ref, verify.Trust{Key: key.PublicPEM()}, expect)
	for _, err := range []error{err, also} {
		if err == nil || !strings.Contains(err.Error(), "a statement of the trusted key cannot be read, is it from a newer suite? reading the withdrawal") {
			t.Errorf("got %v", err)
		}
	}
}

// Little is read to find out that a release is not withdrawn, and a registry
// that does not answer has not said so.
func TestWithdrawalRequests(t *testing.T) {
	for _, c := range []struct {
		name      string
		format    product.ProofFormat
		referrers bool
		// none is how many requests it takes where there is nothing, one where
		// there is one statement. One more is the client's greeting.
		none, one int
	}{
		{"bundles", product.ProofBundles, true, 1, 3},
		{"bundles, fallback tag", product.ProofBundles, false, 2, 4},
		{"tags", product.ProofTags, false, 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := newKey(t)
			r := signed(t, key, fixture.Options{Proofs: c.format})
			real := fixture.Handler(c.referrers)
			var lock sync.Mutex
			var asked []string
			refuse := false
			repo := fixture.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
				lock.Lock()
				if q.URL.Path != "/v2/" {
					asked = append(asked, q.Method+" "+q.URL.Path)
				}
				no := refuse && q.URL.Path != "/v2/"
				lock.Unlock()
				if no {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				real.ServeHTTP(w, q)
			}))
			ref := publish(t, r.Bundle, repo)
			trust := verify.Trust{Key: key.PublicPEM(), Format: c.format}
			count := func(want int) {
				t.Helper()
				asked = nil
				_, err := verify.Withdrawals(t.Context(), ref, trust)
				must(t, err)
				if len(asked) != want {
					t.Errorf("%d requests, want %d:\n%s", len(asked), want, strings.Join(asked, "\n"))
				}
			}
			count(c.none)
			say(t, repo, key, c.format, find(t, r.Bundle, "index"), said(1, true, "it loses files"))
			count(c.one)
			refuse = true
			_, err := verify.Withdrawals(t.Context(), ref, trust, remote.WithRetryBackoff(remote.Backoff{Steps: 1}))
			if err == nil || !strings.Contains(err.Error(), "looking whether "+ref.Name()+" is withdrawn: ") || !strings.Contains(err.Error(), "403") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Registries were seen to list referrers without their annotations.
func TestWithdrawalWithoutAnnotations(t *testing.T) {
	key := newKey(t)
	r := signed(t, key, fixture.Options{})
	real := fixture.Handler(false)
	index := find(t, r.Bundle, "index")
	var listed []v1.Descriptor
	repo := fixture.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !strings.HasSuffix(q.URL.Path, "/referrers/"+index.Digest.String()) || len(listed) == 0 {
			real.ServeHTTP(w, q)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		_ = json.NewEncoder(w).Encode(v1.IndexManifest{SchemaVersion: 2, MediaType: "application/vnd.oci.image.index.v1+json", Manifests: listed})
	}))
	ref := publish(t, r.Bundle, repo)
	made, err := attest.Withdrawal(t.Context(), key, product.ProofBundles, index, said(1, true, "it loses files"))
	must(t, err)
	say(t, repo, key, product.ProofBundles, index, said(1, true, "it loses files"))
	h, size, err := v1.SHA256(bytes.NewReader(made.Manifest))
	must(t, err)
	list := []v1.Descriptor{{MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: h, Size: size}}
	for _, d := range r.Bundle.Entries(bundle.Artifact) {
		list = append(list, v1.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size})
	}
	listed = list
	got, err := verify.Withdrawals(t.Context(), ref, verify.Trust{Key: key.PublicPEM()})
	if err != nil || !got.Stands() {
		t.Errorf("got %+v, %v", got, err)
	}
}
