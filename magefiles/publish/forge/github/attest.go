package github

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/klauspost/compress/snappy"

	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
)

const (
	attestations     = "attestations: write"
	attestationsRead = "attestations: read"
)

// maxBundle bounds a Sigstore bundle, in bytes.
const maxBundle = 32 << 20

// Attested implements [forge.Attestations].
func (g *GitHub) Attested(ctx context.Context, subject string) ([]string, error) {
	ids, err := g.attested(ctx, subject)
	return ids, g.explain("listing the attestations of "+subject, attestationsRead, err)
}

func (g *GitHub) attested(ctx context.Context, subject string) ([]string, error) {
	var out []string
	for after := ""; ; {
		path := g.path("attestations/%s?per_page=%d", subject, perPage)
		if after != "" {
			path += "&after=" + url.QueryEscape(after)
		}
		var list struct {
			Attestations []struct {
				Bundle json.RawMessage `json:"bundle"`
				URL    string          `json:"bundle_url"`
			} `json:"attestations"`
		}
		res, err := g.get(ctx, path, &list)
		if status(err) == http.StatusNotFound { // as GitHub says that there are none
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, found := range list.Attestations {
			text := []byte(found.Bundle)
			if (len(text) == 0 || string(text) == "null") && found.URL != "" {
				if text, err = g.stored(ctx, found.URL); err != nil {
					return nil, err
				}
			}
			// What others put there may be of any form, and is none of ours then.
			if a, err := forge.ReadAttestation(text); err == nil {
				out = append(out, a.ID)
			}
		}
		if after = res.After; after == "" {
			return out, nil
		}
	}
}

// stored fetches a bundle from GitHub's storage, where it lies compressed with
// Snappy.
func (g *GitHub) stored(ctx context.Context, address string) ([]byte, error) {
	req, err := g.client.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	if _, err := g.client.Do(ctx, req, &packed); err != nil {
		return nil, err
	}
	n, err := snappy.DecodedLen(packed.Bytes())
	if err == nil && n > maxBundle {
		err = fmt.Errorf("it would have %d bytes, want at most %d", n, maxBundle)
	}
	if err != nil {
		return nil, fmt.Errorf("unpacking an attestation from GitHub's storage: %w", err)
	}
	return snappy.Decode(nil, packed.Bytes())
}

// Attest implements [forge.Attestations].
func (g *GitHub) Attest(ctx context.Context, a forge.Attestation) error {
	doing := "posting the statement " + a.Predicate + " about " + a.Subject
	if !a.Certified {
		return fmt.Errorf("%s: it is signed with a key, and GitHub keeps only what a certificate signs", doing)
	}
	body := struct {
		Bundle json.RawMessage `json:"bundle"`
	}{a.Bundle}
	_, err := again(ctx, g, func() (struct{}, error) {
		// Where an earlier round's answer was lost this finds what it made.
		there, err := g.attested(ctx, a.Subject)
		if err != nil || slices.Contains(there, a.ID) {
			return struct{}{}, err
		}
		req, err := g.client.NewRequest(http.MethodPost, g.path("attestations"), body)
		if err != nil {
			return struct{}{}, err
		}
		_, err = g.client.Do(ctx, req, nil)
		return struct{}{}, unsure(err)
	})
	return g.explain(doing, attestations, err)
}
