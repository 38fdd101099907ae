package converge

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/certified"
	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/github"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge"
	"github.com/kubedoio/rustshare-release/magefiles/publish/forge/github"
)

// bundler signs a statement.
type bundler interface {
	Bundle(ctx context.Context, statement []byte) ([]byte, error)
}

// stated is a bundle with a signed provenance and a signed signature statement
// among its files.
func stated(t *testing.T, s source, by bundler) made {
	t.Helper()
	m := build(t, s)
	for title, predicate := range map[string]string{"test.provenance.sigstore.json": intoto.Provenance, "test.signature.sigstore.json": intoto.Signature} {
		statement, err := intoto.Encode(predicate, struct{}{}, intoto.SHA256("image", m.want.Image.Hex))
		ok(t, err)
		text, err := by.Bundle(t.Context(), statement)
		ok(t, err)
		blob, err := m.Ingest(strings.NewReader(string(text)))
		ok(t, err)
		ok(t, m.Add(bundle.File, blob.Descriptor(forge.BundleMedia, title)))
	}
	ok(t, m.WriteSums())
	var tags []decide.Tag
	for _, name := range m.want.Immutable {
		tags = append(tags, decide.Tag{Name: name})
	}
	want, err := Want(m.Bundle, tags, Extras{Name: "Test " + s.ref, Notes: "notes", Statements: true})
	ok(t, err)
	return made{m.Bundle, want}
}

// hub is a registry and the stand-in for GitHub.
func hub(t *testing.T, token string) (*kit.Server, *world, func() *Publisher) {
	t.Helper()
	server, err := kit.New(kit.Options{})
	ok(t, err)
	t.Cleanup(server.Close)
	server.SetTag("v0.1.0", commit("a"))
	w := newWorld(t, registries.All()["embedded"](t))
	return server, w, func() *Publisher {
		p := w.publisher()
		p.Forge, err = github.Open(github.Options{URL: server.URL(), API: server.API(), Uploads: server.Uploads(), Token: token})
		ok(t, err)
		return p
	}
}

func workflow(t *testing.T) bundler {
	return certified.New(t).Signer(certified.Identity{
		Repository: "https://github.com/kubedoio/sample", Workflow: ".github/workflows/release.yml", Ref: "refs/tags/v0.1.0", Commit: commit("a"),
	})
}

// Statements are posted once, when the registry's proofs are verified and before
// anything has a name.
func TestStatements(t *testing.T) {
	server, _, publisher := hub(t, kit.Token)
	m := stated(t, source{ref: "v0.1.0", commit: commit("a")}, workflow(t))
	if len(m.want.Statements) != 1 || m.want.Statements[0].Predicate != intoto.Provenance || len(m.want.Keyed) != 0 {
		t.Fatalf("for the forge are %+v, want the provenance alone", m.want.Statements)
	}
	p := publisher()
	have, err := p.Observe(t.Context(), m.want)
	ok(t, err)
	dry, err := Diff(m.want, have)
	ok(t, err)
	out, err := p.Converge(t.Context(), m.want)
	ok(t, err)
	if !slices.Equal(lines(out.Done), lines(dry)) {
		t.Errorf("the run did\n%s\nand the dry run said\n%s", strings.Join(lines(out.Done), "\n"), strings.Join(lines(dry), "\n"))
	}
	at := func(begin string) int {
		return slices.IndexFunc(lines(dry), func(l string) bool { return strings.HasPrefix(l, begin) })
	}
	post := at("post statement test.provenance.sigstore.json about sha256:" + m.want.Image.Hex[:12])
	if post < 0 || post < at("verify") || post > at("create tag") || post > at("make draft") && at("make draft") >= 0 {
		t.Errorf("the statement is posted at the wrong moment:\n%s", strings.Join(lines(dry), "\n"))
	}
	if !strings.Contains(lines(dry)[post], `the token needs "attestations: write"`) {
		t.Errorf("the dry run does not say what the token needs: %s", lines(dry)[post])
	}
	if kept := server.Attestations(); len(kept) != 1 || kept[0].Predicate != intoto.Provenance || !slices.Contains(kept[0].Subjects, m.want.Image.String()) {
		t.Errorf("the forge keeps %+v", kept)
	}
	out, err = publisher().Converge(t.Context(), m.want)
	ok(t, err)
	if Pending(out.Done) {
		t.Errorf("a finished release did %q", lines(out.Done))
	}
	for _, sin := range server.Sins() {
		t.Errorf("never: %s", sin)
	}
}

// Without the right to post nothing gets a name; with it the release is
// finished.
func TestStatementsRefused(t *testing.T) {
	const token = "may-not-attest"
	server, w, publisher := hub(t, token)
	rights := map[string]string{"contents": "write", "actions": "read"}
	server.SetToken(token, kit.Access{Permissions: maps.Clone(rights)})
	m := stated(t, source{ref: "v0.1.0", commit: commit("a")}, workflow(t))
	_, err := publisher().Converge(t.Context(), m.want)
	var lacks *forge.PermissionError
	if !errors.As(err, &lacks) || lacks.Needs != "attestations: write" {
		t.Fatalf("got %v, want the permission that is lacking", err)
	}
	says(t, err, `grant it and run this again`, "attestations=write")
	for tag := range w.tags() {
		if !strings.HasPrefix(tag, "sha256-") {
			t.Errorf("tag %s was made although the forge refused the statement", tag)
		}
	}
	if n := len(server.Releases()); n != 0 {
		t.Errorf("%d releases were made", n)
	}
	rights["attestations"] = "write"
	server.SetToken(token, kit.Access{Permissions: rights})
	_, err = publisher().Converge(t.Context(), m.want)
	ok(t, err)
	if len(server.Attestations()) != 1 || len(w.tags()) == 0 {
		t.Error("the release was not finished")
	}
}

// What a key signs, and what the forge does not keep, is left out and said.
func TestStatementsLeftOut(t *testing.T) {
	key, err := attest.NewKey()
	ok(t, err)
	server, _, publisher := hub(t, kit.Token)
	m := stated(t, source{ref: "v0.1.0", commit: commit("a")}, key)
	out, err := publisher().Converge(t.Context(), m.want)
	ok(t, err)
	if !slices.Contains(lines(out.Done), "1 statements are not posted to the forge: they are signed with a key, and its verifier wants to see a certificate") || len(server.Attestations()) != 0 {
		t.Errorf("the run did\n%s", strings.Join(lines(out.Done), "\n"))
	}
	w := newWorld(t, registries.All()["embedded"](t))
	m = stated(t, source{ref: "v0.1.0", commit: commit("a")}, workflow(t))
	done, _ := w.publish(m.want)
	if strings.Contains(strings.Join(done, "\n"), "statement") {
		t.Errorf("a forge that keeps none makes the run do\n%s", strings.Join(done, "\n"))
	}
	// A bundle that is none stops the release, before anything is done.
	blob, err := m.Ingest(strings.NewReader(`{"mediaType":"application/vnd.dev.sigstore.bundle+json;version=0.2"}`))
	ok(t, err)
	ok(t, m.Add(bundle.File, blob.Descriptor(forge.BundleMedia, "old.sigstore.json")))
	_, err = Want(m.Bundle, nil, Extras{Statements: true})
	says(t, err, "old.sigstore.json", `is of type "application/vnd.dev.sigstore.bundle+json;version=0.2"`)
}
