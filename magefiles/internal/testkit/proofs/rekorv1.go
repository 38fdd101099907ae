package proofs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-openapi/runtime"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/types"
	"github.com/sigstore/rekor/pkg/util"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
)

// RekorV1 answers as a Rekor of version 1 whose tree has the one entry: no
// server of that version runs without a database.
type RekorV1 struct {
	t   testing.TB
	key *ecdsa.PrivateKey
	// id is the SHA-256 of the key.
	id  [32]byte
	der []byte
}

// NewRekorV1 serves one on loopback and gives its URL.
func NewRekorV1(t testing.TB) (*RekorV1, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	testkit.OK(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	testkit.OK(t, err)
	r := &RekorV1{t, key, sha256.Sum256(der), der}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL
}

// ServeHTTP takes entries, and nothing else.
func (r *RekorV1) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost || req.URL.Path != "/api/v1/log/entries" {
		http.Error(w, "no such thing", http.StatusNotFound)
		return
	}
	made, err := r.enter(req)
	if err != nil {
		r.t.Errorf("a log entry: %v", err)
		http.Error(w, `{"code":400,"message":"refused"}`, http.StatusBadRequest)
		return
	}
	const uuid = "24296fb24b8ad77a0000000000000000000000000000000000000000000000000000000000000000"
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", uuid)
	w.Header().Set("Location", "/api/v1/log/entries/"+uuid)
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{uuid: made})
}

// enter verifies and canonicalizes the entry as Rekor does, and promises and
// proves its inclusion.
func (r *RekorV1) enter(req *http.Request) (map[string]any, error) {
	proposed, err := models.UnmarshalProposedEntry(io.LimitReader(req.Body, 1<<20), runtime.JSONConsumer())
	if err != nil {
		return nil, err
	}
	entry, err := types.CreateVersionedEntry(proposed)
	if err != nil {
		return nil, err
	}
	body, err := types.CanonicalizeEntry(req.Context(), entry)
	if err != nil {
		return nil, err
	}
	now, id := time.Now().Unix(), hex.EncodeToString(r.id[:])
	promised, err := json.Marshal(map[string]any{"body": body, "integratedTime": now, "logID": id, "logIndex": 0})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(promised)
	set, err := ecdsa.SignASN1(rand.Reader, r.key, sum[:])
	if err != nil {
		return nil, err
	}
	root := sha256.Sum256(append([]byte{0}, body...)) // RFC 6962: the hash of the one leaf
	signer, err := signature.LoadECDSASigner(r.key, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	checkpoint, err := util.CreateAndSignCheckpoint(req.Context(), "rekor.invalid", 1, 1, root[:], signer)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"body": base64.StdEncoding.EncodeToString(body), "integratedTime": now, "logID": id, "logIndex": 0,
		"verification": map[string]any{
			"signedEntryTimestamp": base64.StdEncoding.EncodeToString(set),
			"inclusionProof": map[string]any{
				"logIndex": 0, "treeSize": 1, "rootHash": hex.EncodeToString(root[:]), "hashes": []string{}, "checkpoint": string(checkpoint),
			},
		},
	}, nil
}

// Trusted is the log as a trusted root names it.
func (r *RekorV1) Trusted() map[string]any {
	return map[string]any{
		"baseUrl": "https://rekor.invalid", "hashAlgorithm": "SHA2_256", "logId": map[string]any{"keyId": r.id[:]},
		"publicKey": map[string]any{
			"rawBytes": r.der, "keyDetails": "PKIX_ECDSA_P256_SHA_256",
			"validFor": map[string]any{"start": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)},
		},
	}
}
