package attest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
)

var bad = intoto.Withdrawal{
	Version: "0.4.0", Withdrawn: true, Serial: 1, Reason: "it loses files", Use: "0.3.2",
	When: time.Date(2026, 3, 4, 13, 6, 7, 999, time.FixedZone("", 3600)),
}

// index gives the release's index as a subject, with what a subject has not.
func index(t *testing.T, r fixture.Release) v1.Descriptor {
	t.Helper()
	d, _, _, err := r.Bundle.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestWithdrawal compares the form with that of the other proofs.
func TestWithdrawal(t *testing.T) {
	key := newKey(t)
	r := release(t, fixture.Options{})
	write(t, r, key)
	like, _ := statement(t, r.Bundle, "index.signature")
	made, err := attest.Withdrawal(t.Context(), key, product.ProofBundles, index(t, r), bad)
	if err != nil {
		t.Fatal(err)
	}
	again, err := attest.Withdrawal(t.Context(), key, product.ProofBundles, index(t, r), bad)
	if err != nil || !bytes.Equal(made.Manifest, again.Manifest) {
		t.Errorf("the same twice gives %s and %s, %v", made.Manifest, again.Manifest, err)
	}
	var m v1.Manifest
	if err := json.Unmarshal(made.Manifest, &m); err != nil {
		t.Fatal(err)
	}
	for i, d := range []v1.Descriptor{m.Config, m.Layers[0]} {
		if h, size, _ := v1.SHA256(bytes.NewReader(made.Blobs[i])); d.Digest != h || d.Size != size {
			t.Errorf("the manifest names %v, the blob is %s with %d bytes", d, h, size)
		}
	}
	if made.Tag != "" || len(made.Blobs) != 2 || len(m.Layers) != 1 ||
		m.Annotations["dev.sigstore.bundle.predicateType"] != intoto.WithdrawalType ||
		m.Annotations["org.opencontainers.image.created"] != "2026-03-04T12:06:07Z" {
		t.Errorf("got %+v", m)
	}
	m.Annotations, m.Layers = like.Annotations, like.Layers
	got, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(like)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got the manifest\n%s\nthe release's signature has\n%s", got, want)
	}
	var text struct{ DSSEEnvelope struct{ Payload []byte } }
	if err := json.Unmarshal(made.Blobs[1], &text); err != nil {
		t.Fatal(err)
	}
	s, err := intoto.Decode(text.DSSEEnvelope.Payload)
	if err != nil {
		t.Fatal(err)
	}
	said := bad
	said.When = time.Date(2026, 3, 4, 12, 6, 7, 0, time.UTC)
	if w, err := intoto.DecodeWithdrawal(s); err != nil || w != said || !s.Names(index(t, r).Digest.Hex) || len(s.Subject) != 1 {
		t.Errorf("it says %+v about %v, %v", w, s.Subject, err)
	}
}

type noSigner struct{ attest.Signer }

func (noSigner) Bundle(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("no smart card")
}

func TestWithdrawalRefused(t *testing.T) {
	key := newKey(t)
	subject := v1.Descriptor{MediaType: types.OCIImageIndex, Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}, Size: 8}
	unsaid := bad
	unsaid.Reason = ""
	for _, c := range []struct {
		signer attest.Signer
		format product.ProofFormat
		w      intoto.Withdrawal
		want   string
	}{
		{key, product.ProofBundles, unsaid, "the withdrawal of 0.4.0 has no reason"},
		{key, "paper", bad, `the product's proofs are "paper", want "`},
		{noSigner{}, product.ProofBundles, bad, "signing the withdrawal of 0.4.0: no smart card"},
	} {
		if _, err := attest.Withdrawal(t.Context(), c.signer, c.format, subject, c.w); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want an error that says %q", err, c.want)
		}
	}
}

// attach brings a proof to a repository.
func attach(t *testing.T, repo name.Repository, made attest.Attached) {
	t.Helper()
	for _, text := range made.Blobs {
		if err := remote.WriteLayer(repo, static.NewLayer(text, types.OCILayer)); err != nil {
			t.Fatal(err)
		}
	}
	h, _, err := v1.SHA256(bytes.NewReader(made.Manifest))
	if err != nil {
		t.Fatal(err)
	}
	var ref name.Reference = repo.Digest(h.String())
	if made.Tag != "" {
		ref = repo.Tag(made.Tag)
	}
	if err := remote.Put(ref, fixture.Manifest{Raw: made.Manifest, Type: types.OCIManifestSchema1}); err != nil {
		t.Fatal(err)
	}
}

// TestCosignWithdrawal: docs/withdrawal.md tells people to read a withdrawal
// with cosign's own command line.
func TestCosignWithdrawal(t *testing.T) {
	for _, c := range []struct {
		format product.ProofFormat
		flags  []string
	}{{product.ProofBundles, bundleFlags}, {product.ProofTags, nil}} {
		t.Run(string(c.format), func(t *testing.T) {
			t.Parallel()
			dir, other := t.TempDir(), t.TempDir()
			key := newKey(t)
			for d, k := range map[string]*attest.Key{dir: key, other: newKey(t)} {
				if err := k.Save(d, []byte("s3cret")); err != nil {
					t.Fatal(err)
				}
				emptyRoot(t, d)
			}
			r := release(t, fixture.Options{Proofs: c.format})
			if c.format == product.ProofBundles { // the tag is one manifest: here it has the withdrawal alone
				write(t, r, key)
			}
			repo := fixture.Registry(t, true)
			ref := fixture.Push(t, r.Bundle, repo)
			args := append([]string{"verify-attestation"}, c.flags...)
			args = append(args, "--key", "cosign.pub", "--insecure-ignore-tlog", "--type", intoto.WithdrawalType, ref.Name())
			if out, err := cosign(t, dir, args...); err == nil {
				t.Errorf("cosign finds a withdrawal where there is none:\n%s", out)
			}
			said := []intoto.Withdrawal{bad}
			if c.format == product.ProofBundles {
				said = append(said, intoto.Withdrawal{Version: "0.4.0", Serial: 2, When: bad.When})
			}
			for _, w := range said {
				made, err := attest.Withdrawal(t.Context(), key, c.format, index(t, r), w)
				if err != nil {
					t.Fatal(err)
				}
				attach(t, repo, made)
			}
			out, err := cosign(t, dir, args...)
			if err != nil {
				t.Fatalf("cosign %s: %v\n%s", strings.Join(args, " "), err, out)
			}
			read := map[int]intoto.Withdrawal{}
			for line := range strings.Lines(out) {
				var envelope struct{ Payload []byte }
				if json.Unmarshal([]byte(line), &envelope) != nil {
					continue
				}
				s, err := intoto.Decode(envelope.Payload)
				if err != nil {
					t.Fatal(err)
				}
				w, err := intoto.DecodeWithdrawal(s)
				if err != nil {
					t.Fatal(err)
				}
				read[w.Serial] = w
			}
			if len(read) != len(said) || read[1].Reason != bad.Reason || read[len(said)].Withdrawn != (len(said) == 1) {
				t.Errorf("cosign reads %+v in:\n%s", read, out)
			}
			if out, err := cosign(t, other, args...); err == nil {
				t.Errorf("cosign is content with the wrong key:\n%s", out)
			}
		})
	}
}
