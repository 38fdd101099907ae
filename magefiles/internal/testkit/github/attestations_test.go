package github

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/certified"
)

// The store refuses what GitHub's verifier could not use.
func TestAttestationsRefused(t *testing.T) {
	a := start(t, Options{})
	by := certified.New(t).Signer(certified.Identity{Repository: "https://github.com/" + Owner + "/" + Name, Workflow: "w.yml", Ref: "refs/heads/main", Commit: "c"})
	subject := "sha256:" + strings.Repeat("ab", 32)
	bundle := func(statement string) map[string]any {
		text, err := by.Bundle(t.Context(), []byte(statement))
		testkit.OK(t, err)
		var b map[string]any
		testkit.OK(t, json.Unmarshal(text, &b))
		return b
	}
	good := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"` + strings.Repeat("ab", 32) + `"}}],"predicateType":"x"}`
	post := func(b map[string]any, headers ...string) reply {
		body, err := json.Marshal(map[string]any{"bundle": b})
		testkit.OK(t, err)
		return a.ask("POST", "/attestations", string(body), append([]string{"Content-Type: application/json"}, headers...)...)
	}
	material := func(b map[string]any) map[string]any { return b["verificationMaterial"].(map[string]any) }
	a.SetToken("reads", Access{Permissions: map[string]string{"attestations": "read"}})
	for name, c := range map[string]struct {
		reply
		status int
		says   string
	}{
		"another content type": {post(bundle(good), "Content-Type: application/octet-stream"), 415, "Content-Type"},
		"no right":             {post(bundle(good), "Authorization: Bearer reads"), 403, "not accessible"},
		"nobody":               {post(bundle(good), "Authorization:"), 401, "Requires authentication"},
		"a wrong token":        {post(bundle(good), "Authorization: Bearer wrong"), 401, "Bad credentials"},
		"an older bundle":      {post(with(bundle(good), "mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.2")), 422, "mediaType"},
		"no certificate":       {post(with(bundle(good), "verificationMaterial", map[string]any{"publicKey": map[string]any{"hint": "x"}})), 422, "no certificate"},
		"no timestamp":         {post(with(bundle(good), "verificationMaterial", map[string]any{"certificate": material(bundle(good))["certificate"]})), 422, "neither a log entry nor a timestamp"},
		"no statement":         {post(with(bundle(good), "dsseEnvelope", nil)), 422, "dsseEnvelope"},
		"no subject":           {post(bundle(strings.Replace(good, `{"digest"`, `{"name":"a","x"`, 1))), 422, "subjects"},
		"an old statement":     {post(bundle(strings.Replace(good, "Statement/v1", "Statement/v0.1", 1))), 422, "in-toto"},
		"an unknown key":       {a.ask("POST", "/attestations", `{"bundles":{}}`, "Content-Type: application/json"), 422, "permitted key"},
		"nothing to find":      {a.ask("GET", "/attestations/"+subject, ""), 404, "Not Found"},
		"no digest":            {a.ask("GET", "/attestations/abab", ""), 422, "subject_digest"},
	} {
		if c.reply.status != c.status || !strings.Contains(c.text, c.says) {
			t.Errorf("%s: got %d %s, want %d and %q", name, c.reply.status, c.text, c.status, c.says)
		}
	}
	if n := len(a.Attestations()); n != 0 {
		t.Fatalf("%d were kept", n)
	}
	b := bundle(good)
	if r := post(b); r.status != 201 || r.id(t) == 0 {
		t.Errorf("a good one: %d %s", r.status, r.text)
	}
	if r := a.ask("GET", "/attestations/"+subject+"?per_page=30&predicate_type=x", ""); r.status != 200 || !strings.Contains(r.text, `"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"`) {
		t.Errorf("it is found as %d %.200s", r.status, r.text)
	}
	if r := a.ask("GET", "/attestations/"+subject+"?predicate_type=y", ""); r.status != 404 {
		t.Errorf("another predicate type: %d", r.status)
	}
	post(b)
	if sins := a.Sins(); len(sins) != 1 {
		t.Errorf("posted twice: %q", sins)
	}
}

func with(b map[string]any, key string, value any) map[string]any {
	b[key] = value
	return b
}
