package verify_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/proofs"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// TestRekorV1: a log of version 1 dates its entries, so that it will do without
// a timestamp authority. One that the trusted root does not name dates nothing.
func TestRekorV1(t *testing.T) {
	i := instance(t)
	log, url := proofs.NewRekorV1(t)
	_, elsewhere := proofs.NewRekorV1(t)
	at := func(address string) product.Services {
		return product.Services{Fulcio: i.Services.Fulcio, Logs: []product.Log{{URL: address, Version: 1}}}
	}
	trust := trustIn(i)
	trust.Keyless.Root = rootWith(t, i.TrustedRoot, func(all map[string]any) {
		all["tlogs"] = []any{log.Trusted()}
		delete(all, "timestampAuthorities")
	})
	token := func() (string, error) { return i.Token(sigstorekit.GitHub, stable) }
	statement := []byte(`{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + strings.Repeat("a", 64) + `"}}],"predicateType":"https://sigstore.dev/cosign/sign/v1"}`)
	text, err := proofs.Anyone(t, at(url), token).Bundle(t.Context(), statement)
	must(t, err)
	if _, err := trust.Bundle(text, statement, expect.Ref); err != nil {
		t.Errorf("a statement: %v", err)
	}
	blob, err := proofs.Anyone(t, at(url), token).Blob(t.Context(), []byte("sums"))
	must(t, err)
	if _, err := trust.Bundle(blob, []byte("sums"), expect.Ref); err != nil {
		t.Errorf("a file: %v", err)
	}
	strange, err := proofs.Anyone(t, at(elsewhere), token).Bundle(t.Context(), statement)
	must(t, err)
	if _, err := trust.Bundle(strange, statement, expect.Ref); err == nil || !strings.Contains(err.Error(), "no log that the trusted root names has the signature of") {
		t.Errorf("another log: %v", err)
	}
	// The entry of one signature with another: what the log dates is not this.
	var b, c map[string]any
	must(t, json.Unmarshal(text, &b))
	must(t, json.Unmarshal(blob, &c))
	mine, ok := b["verificationMaterial"].(map[string]any)
	theirs, also := c["verificationMaterial"].(map[string]any)
	if !ok || !also {
		t.Fatal("no verification material")
	}
	mine["tlogEntries"] = theirs["tlogEntries"]
	mixed, err := json.Marshal(b)
	must(t, err)
	if _, err := trust.Bundle(mixed, statement, expect.Ref); err == nil || !strings.Contains(err.Error(), "no log that the trusted root names has the signature of") {
		t.Errorf("another's entry: %v", err)
	}
}
