package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/sigstore-go/pkg/tuf"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/retry"
	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/verify"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// How CI shows who it is.
const (
	// envIDToken is an OIDC ID token for the audience "sigstore", as cosign knows
	// it.
	envIDToken = "SIGSTORE_ID_TOKEN"
	// envRequestURL and envRequestToken are set by GitHub Actions for a job with
	// `id-token: write`: where such a token is to be had.
	envRequestURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	envRequestToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// trust says whose signatures count: what the checkout pins.
func (s *Suite) trust() (verify.Trust, error) {
	t := verify.Trust{Format: s.Product.Proofs}
	if s.Product.Trust.ReleaseKey != "" {
		var err error
		if t.Key, err = s.pinnedKey(); err != nil {
			return t, err
		}
	}
	if k := s.Product.Trust.Keyless; k != nil {
		t.Keyless = verify.KeylessOf(s.Product, func() ([]byte, error) { return trustedRoot(s.pinnedRoot(*k)) })
	}
	return t, nil
}

// pinnedRoot is the file with the trusted root that the checkout pins; "" for
// the public good instance's own.
func (s *Suite) pinnedRoot(k product.Keyless) string {
	file := s.inCheckout(k.TrustedRoot)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) && k.Services.Fulcio == "" {
		return ""
	}
	return file
}

// inCheckout gives the path of a file of the checkout; "" stays.
func (s *Suite) inCheckout(name string) string {
	if name == "" {
		return ""
	}
	return filepath.Join(s.Dir, filepath.FromSlash(name))
}

// trustedRoot reads a Sigstore trusted root; without a file it is the public
// good instance's, by TUF, which keeps it in the home directory for a day.
func trustedRoot(file string) ([]byte, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is missing: it names the authorities and logs that certificates have to come from (Sigstore's trusted_root.json); commit it", file)
		}
		return text, err
	}
	o := tuf.DefaultOptions()
	o.CacheValidity = 1
	client, err := tuf.New(o)
	if err != nil {
		return nil, fmt.Errorf("%w; without a network name a file with the trusted root", err)
	}
	text, err := client.GetTarget("trusted_root.json")
	if err != nil {
		return nil, fmt.Errorf("%w; without a network name a file with the trusted root", err)
	}
	return text, nil
}

// signer gives who signs a release of a ref, or withdrawals where that is empty:
// the key that the environment names, or else CI's own identity. What a dry run
// signs keyless would stand in a public log for ever: a key that nobody keeps
// signs instead.
func (s *Suite) signer(ctx context.Context, trust verify.Trust, ref string, dry bool) (attest.Signer, error) {
	key, err := s.key()
	if err != nil {
		return nil, err
	}
	if key != nil {
		return key, s.checkKey(key)
	}
	k := s.Product.Trust.Keyless
	switch {
	case k == nil:
		return nil, fmt.Errorf("no key to sign with: %s", howToKey)
	case dry:
		key, err := attest.NewKey()
		return dryKey{key, trust, ref}, err
	case s.Getenv(envIDToken) == "" && s.Getenv(envRequestURL) == "":
		if s.Getenv("GITHUB_ACTIONS") == "true" {
			return nil, fmt.Errorf("this job cannot show who it is, and nothing is published unsigned: give it the permission `id-token: write`%s", orKey(trust))
		}
		return nil, fmt.Errorf("nothing to sign with, and nothing is published unsigned: run this on CI in a job with `id-token: write`, or set %s to an OIDC token for the audience %q%s", envIDToken, sigstorekit.Audience, orKey(trust))
	}
	services := k.At()
	if s.Sigstore.Fulcio != "" {
		services = s.Sigstore
	}
	return attest.NewKeyless(ctx, attest.KeylessOptions{
		Services: services,
		Token:    s.idToken,
		Accept:   func(certificate []byte) error { return trust.Accepts(certificate, ref) },
		Verify:   func(text, content []byte) (string, error) { return trust.Bundle(text, content, ref) },
	})
}

// dryKey signs what nobody will see, and keeps what is signed already by whom is
// trusted.
type dryKey struct {
	*attest.Key
	trust verify.Trust
	ref   string
}

func (d dryKey) Check(bundle, content []byte) bool {
	_, err := d.trust.Bundle(bundle, content, d.ref)
	return err == nil
}

const howToKey = "set " + envKey + " to the text of cosign's private key, or " + envKeyFile + " to its file, and " + envPassword +
	" to its password (`cosign generate-key-pair` makes one)"

func orKey(trust verify.Trust) string {
	if trust.Key == nil {
		return ""
	}
	return ", or " + howToKey
}

// idToken gets an ID token that shows Fulcio who this run is.
func (s *Suite) idToken(ctx context.Context) (string, error) {
	token := s.Getenv(envIDToken)
	if token == "" {
		s.UI.Mask(s.Getenv(envRequestToken))
		var err error
		token, err = retry.Do(ctx, retry.Policy{}, func() (string, error) {
			return requestToken(ctx, s.Getenv(envRequestURL), s.Getenv(envRequestToken))
		})
		if err != nil {
			return "", fmt.Errorf("getting an OIDC token from %s: %w", envRequestURL, err)
		}
	}
	s.UI.Mask(token)
	return token, nil
}

// requestToken speaks GitHub's protocol for OIDC tokens. No error shows what was
// sent or received: both are secrets.
func requestToken(ctx context.Context, at, bearer string) (string, error) {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" {
		return "", &retry.Permanent{Err: errors.New("it is no URL")}
	}
	query := u.Query()
	query.Set("audience", sigstorekit.Audience)
	u.RawQuery = query.Encode()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", &retry.Permanent{Err: errors.New("it is no URL")}
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Accept", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) { // the URL may be a secret
			err = of.Err
		}
		return "", &retry.Passing{Err: err}
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", &retry.Passing{Err: err}
	}
	if res.StatusCode != http.StatusOK {
		err := fmt.Errorf("it answered %s: is %s that of this job?", res.Status, envRequestToken)
		if retry.Status(res.StatusCode) {
			return "", &retry.Passing{Err: err}
		}
		return "", &retry.Permanent{Err: err}
	}
	var answer struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(text, &answer) != nil || answer.Value == "" {
		return "", &retry.Permanent{Err: errors.New("its answer holds no token")}
	}
	return answer.Value, nil
}

// publishedProofs reads the proofs that are attached already to what the bundle
// holds: with certificates no signature is like the one before, so that a run
// on another machine takes over what is there.
func publishedProofs(ctx context.Context, b *bundle.Bundle, reg *registry.Registry) ([][]byte, error) {
	d, index, ok, err := b.ImageIndex()
	if err != nil || !ok {
		return nil, err
	}
	if _, there, err := reg.Head(ctx, d.Digest.String()); err != nil || !there {
		return nil, err
	}
	digests := []v1.Hash{d.Digest}
	for _, m := range index.Manifests {
		digests = append(digests, m.Digest)
	}
	for _, e := range b.Entries(bundle.Artifact) {
		if e.ArtifactType == bundle.BinaryArtifact {
			digests = append(digests, e.Digest)
		}
	}
	var options []remote.Option
	if options, err = reg.Remote(ctx); err != nil {
		return nil, err
	}
	return verify.Bundles(ctx, reg.Repository(), digests, options...)
}

// trustedBy says whose signatures count for somebody who verifies: whom the
// query names, or else what the checkout pins.
func (s *Suite) trustedBy(q VerifyQuery) (verify.Trust, error) {
	if q.Key == "" && q.Identity == "" {
		if q.Issuer != "" {
			return verify.Trust{}, errors.New("-issuer needs -identity: name the certificate's subject")
		}
		t, err := s.trust()
		if err != nil {
			return t, fmt.Errorf("no key to verify with: pass -key=FILE with the product's cosign.pub or -identity=… and -issuer=…, or run this in the product's checkout (%w)", err)
		}
		if q.TrustedRoot != "" && t.Keyless != nil {
			t.Keyless.Root = func() ([]byte, error) { return trustedRoot(q.TrustedRoot) }
		}
		t.Format = ""
		return t, nil
	}
	var t verify.Trust
	if q.Key != "" {
		var err error
		if t.Key, err = os.ReadFile(q.Key); err != nil {
			return t, fmt.Errorf("reading the key to verify with: %w", err)
		}
	}
	if q.Identity != "" {
		if q.Issuer == "" {
			return t, errors.New("-identity needs -issuer: who vouches for it, such as https://token.actions.githubusercontent.com")
		}
		t.Keyless = &verify.Keyless{
			Root:   func() ([]byte, error) { return trustedRoot(q.TrustedRoot) },
			Source: s.Product.Source, Main: s.Product.Branches.Main, Issuer: q.Issuer, Exact: q.Identity,
		}
	}
	return t, nil
}

// pinnedKey reads the public key that the checkout pins, as PEM.
func (s *Suite) pinnedKey() ([]byte, error) {
	name := s.Product.Trust.ReleaseKey
	text, err := os.ReadFile(s.inCheckout(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: it pins the public key that releases verify against (cosign.pub); commit it to %s", name, s.Product.Branches.Main)
	}
	return text, err
}

// checkKey holds the signer against the pinned key: what it signs could not be
// verified otherwise.
func (s *Suite) checkKey(key *attest.Key) error {
	name := s.Product.Trust.ReleaseKey
	if name == "" {
		return fmt.Errorf("there is a key to sign with (%s), and the product pins none (Trust.ReleaseKey): take it out of the environment, where CI's own identity signs", key.Fingerprint())
	}
	text, err := s.pinnedKey()
	if err != nil {
		return err
	}
	pinned, _ := pem.Decode(text)
	own, _ := pem.Decode(key.PublicPEM())
	if pinned == nil || own == nil || !bytes.Equal(pinned.Bytes, own.Bytes) {
		return fmt.Errorf("the signing key (%s) is not the private half of %s; sign with that one, or commit the new public key to %s first", key.Fingerprint(), name, s.Product.Branches.Main)
	}
	return nil
}
