package attest_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// tufRepository serves a TUF repository (specification 1.0, consistent snapshots)
// with one target, and gives its URL and its root's metadata.
func tufRepository(t testing.TB, target string, content []byte) (url string, root []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := map[string]any{"keytype": "ed25519", "scheme": "ed25519", "keyval": map[string]any{"public": hex.EncodeToString(public)}}
	id := digest(encode(t, key))
	sign := func(kind string, fields map[string]any) []byte {
		fields["_type"], fields["spec_version"], fields["version"] = kind, "1.0.0", 1
		fields["expires"] = time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		signature := ed25519.Sign(private, encode(t, fields))
		return encode(t, map[string]any{"signed": fields, "signatures": []any{map[string]any{"keyid": id, "sig": hex.EncodeToString(signature)}}})
	}
	roles := map[string]any{}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		roles[role] = map[string]any{"keyids": []any{id}, "threshold": 1}
	}
	root = sign("root", map[string]any{"consistent_snapshot": true, "keys": map[string]any{id: key}, "roles": roles})
	targets := sign("targets", map[string]any{"targets": map[string]any{target: described(content)}})
	snapshot := sign("snapshot", map[string]any{"meta": map[string]any{"targets.json": versioned(targets)}})
	timestamp := sign("timestamp", map[string]any{"meta": map[string]any{"snapshot.json": versioned(snapshot)}})
	files := map[string][]byte{
		"/1.root.json": root, "/1.targets.json": targets, "/1.snapshot.json": snapshot, "/timestamp.json": timestamp,
		"/targets/" + digest(content) + "." + target: content,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(text) // the client's loss
	}))
	t.Cleanup(server.Close)
	return server.URL, root
}

// encode gives canonical JSON: json.Marshal sorts the names of a map, and no text
// here has a character that the two write differently.
func encode(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func described(text []byte) map[string]any {
	return map[string]any{"length": len(text), "hashes": map[string]any{"sha256": digest(text)}}
}

func versioned(text []byte) map[string]any {
	out := described(text)
	out["version"] = 1
	return out
}
