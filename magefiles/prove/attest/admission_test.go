package attest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/internal/intoto"
	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/prove/attest"
	"github.com/kubedoio/rustshare-release/magefiles/prove/internal/fixture"
)

var admission = filepath.Join("..", "..", "..", "docs", "admission")

// without leaves out the proofs of a kind.
func without(b *bundle.Bundle, predicate string) func(v1.Descriptor) bool {
	return func(d v1.Descriptor) bool {
		var m v1.Manifest
		if d.ArtifactType == bundle.BinaryArtifact || b.ReadJSON(d.Digest, &m) != nil {
			return false
		}
		return predicate == "" || m.Annotations["dev.sigstore.bundle.predicateType"] == predicate
	}
}

// Kyverno, with the policy for a key, admits what we publish and refuses the rest.
func TestAdmission(t *testing.T) {
	kyverno := testkit.Kyverno(t)
	key := newKey(t)
	for _, c := range []struct {
		name string
		// by signs; fork has another repository in the provenance.
		by   *attest.Key
		fork bool
		// skip leaves proofs out.
		skip func(b *bundle.Bundle) func(v1.Descriptor) bool
		says string
		// tag names the image by it, fallback has a registry without the referrers
		// API, and initial has the image in an init container.
		tag, fallback, initial bool
	}{
		{name: "ours", by: key},
		{name: "a tag that was not made a digest", by: key, tag: true, says: "does not have a digest"},
		{name: "ours from a registry without referrers", by: key, fallback: true},
		{name: "ours at the start", by: key, initial: true},
		{name: "another key at the start", by: newKey(t), initial: true, says: "not signed by RustShare's release key"},
		{name: "unsigned", by: key, skip: func(b *bundle.Bundle) func(v1.Descriptor) bool { return without(b, "") }, says: "not signed by RustShare's release key"},
		{name: "another key", by: newKey(t), says: "not signed by RustShare's release key"},
		{name: "no signature", by: key, skip: func(b *bundle.Bundle) func(v1.Descriptor) bool { return without(b, intoto.Signature) }, says: "not signed by RustShare's release key"},
		{name: "no provenance", by: key, skip: func(b *bundle.Bundle) func(v1.Descriptor) bool { return without(b, intoto.Provenance) }, says: "no provenance by RustShare's release key"},
		{name: "another repository", by: key, fork: true, says: "not built from RustShare's repository"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := release(t, fixture.Options{})
			if c.fork {
				r.Product.Source = "https://github.com/somebody/rustshare"
			}
			write(t, r, c.by)
			repo := fixture.Registry(t, !c.fallback)
			var skip []func(v1.Descriptor) bool
			if c.skip != nil {
				skip = append(skip, c.skip(r.Bundle))
			}
			index := fixture.Push(t, r.Bundle, repo, skip...)
			image := index.Name()
			if c.tag {
				d, err := remote.Get(index)
				if err == nil {
					err = remote.Tag(repo.Tag("0.4.0"), d)
				}
				if err != nil {
					t.Fatal(err)
				}
				image = repo.Tag("0.4.0").Name()
			}
			containers := "  containers:\n    - {name: backend, image: \"" + image + "\"}\n"
			if c.initial {
				containers = "  containers:\n    - {name: other, image: other.example.org/other:1}\n  initContainers:\n    - {name: backend, image: \"" + image + "\"}\n"
			}
			policy := withKey(t, policyFor(t, "kyverno-key.yaml", repo), key)
			applied(t, kyverno, t.TempDir(), policy, containers).want(t, c.says)
		})
	}
}

// verdict is what an engine makes of an image.
type verdict struct {
	admitted bool
	text     string
}

// want wants an image admitted, or refused with a sentence.
func (v verdict) want(t testing.TB, refusal string) {
	t.Helper()
	if v.admitted != (refusal == "") || !strings.Contains(v.text, refusal) {
		t.Errorf("admitted: %t, want it refused with %q\n%s", v.admitted, refusal, v.text)
	}
}

// policyFor gives a policy of the documents for images of a repository, with
// what a user would replace: pairs of a text that is there once and another.
func policyFor(t testing.TB, file string, repo name.Repository, replaced ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(admission, file))
	if err != nil {
		t.Fatal(err)
	}
	policy := string(text)
	for i, pairs := 0, append([]string{"ghcr.io/kubedoio/rustshare-backend", repo.Name()}, replaced...); i < len(pairs); i += 2 {
		if n := strings.Count(policy, pairs[i]); n != 1 {
			t.Fatalf("%s has %q %d times, want it once", file, pairs[i], n)
		}
		policy = strings.Replace(policy, pairs[i], pairs[i+1], 1)
	}
	return policy
}

// applied has Kyverno judge a pod with some containers by a policy. A directory
// is its home.
func applied(t testing.TB, kyverno, home, policy, containers string) verdict {
	t.Helper()
	args := []string{
		"apply", put(t, home, "policy.yaml", policy), "--registry", "--remove-color", "--detailed-results", "--table", "--resource",
		put(t, home, "pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: rustshare, namespace: default}\nspec:\n"+containers),
	}
	got := ran(t, home, kyverno, args...)
	if verdict := map[bool]string{true: "│ Pass ", false: "│ Fail "}[got.admitted]; !strings.Contains(got.text, verdict) {
		t.Errorf("the verdict is not %q:\n%s", verdict, got.text)
	}
	return got
}

// ran runs an engine, with no network but loopback.
func ran(t testing.TB, home, program string, args ...string) verdict {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "HTTPS_PROXY=http://127.0.0.1:9"}
	out, err := cmd.CombinedOutput()
	return verdict{err == nil, string(out)}
}

// put writes a file and gives its path.
func put(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// withKey puts a key in place of the one that a policy shows.
func withKey(t testing.TB, policy string, key *attest.Key) string {
	t.Helper()
	const begin, end = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----\n"
	before, rest, ok := strings.Cut(policy, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the policy has no key")
	}
	indent := before[strings.LastIndex(before, "\n")+1:]
	pem := strings.TrimSuffix(string(key.PublicPEM()), "\n")
	return before + strings.ReplaceAll(pem, "\n", "\n"+indent) + "\n" + after
}

// crdVersion is what is read of a CustomResourceDefinition.
type crdVersion struct {
	Name   string
	Schema struct {
		OpenAPIV3Schema map[string]any `yaml:"openAPIV3Schema"`
	}
}

// Each policy holds what its kind's definition knows, and nothing else.
func TestAdmissionSchemas(t *testing.T) {
	if testing.Short() {
		t.Skip("the definitions are in Go modules that are downloaded: leave -short out")
	}
	for module, d := range map[string]struct{ file, pattern string }{
		"github.com/kyverno/kyverno@" + testkit.KyvernoVersion: {"config/crds/policies.kyverno.io/policies.kyverno.io_imagevalidatingpolicies.yaml", "kyverno-*.yaml"},
		"github.com/sigstore/policy-controller@v0.15.1":        {"config/300-clusterimagepolicy.yaml", "policy-controller-*.yaml"},
	} {
		cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", module)
		cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "GOFLAGS=", "GOWORK=off")
		out, err := cmd.Output()
		var got struct{ Dir string }
		if err == nil {
			err = json.Unmarshal(out, &got)
		}
		if err != nil {
			t.Fatalf("downloading %s: %v\n%s", module, err, out)
		}
		var crd struct {
			Spec struct{ Versions []crdVersion }
		}
		read(t, filepath.Join(got.Dir, d.file), &crd)
		files, err := filepath.Glob(filepath.Join(admission, d.pattern))
		if err != nil || len(files) != 2 {
			t.Fatalf("found the policies %q, %v", files, err)
		}
		for _, file := range files {
			var policy map[string]any
			read(t, file, &policy)
			_, version, _ := strings.Cut(fmt.Sprint(policy["apiVersion"]), "/")
			i := slices.IndexFunc(crd.Spec.Versions, func(v crdVersion) bool { return v.Name == version })
			if i < 0 {
				t.Fatalf("%s is of version %s, which %s does not know", file, version, module)
			}
			// Only this part is the kind's own.
			properties, _ := crd.Spec.Versions[i].Schema.OpenAPIV3Schema["properties"].(map[string]any)
			spec, _ := properties["spec"].(map[string]any)
			for _, fault := range faults(".spec", policy["spec"], spec) {
				t.Errorf("%s:%s", file, fault)
			}
			// The check can fail.
			policy["spec"].(map[string]any)["nonsense"] = 1
			if got := faults(".spec", policy["spec"], spec); !slices.Equal(got, []string{".spec.nonsense is not known"}) {
				t.Errorf("a field that is not known gives %q", got)
			}
		}
	}
}

func read(t testing.TB, file string, v any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// faults holds a value against a structural schema: fields, types, enumerations.
func faults(at string, v any, schema map[string]any) (out []string) {
	if allowed, ok := schema["enum"].([]any); ok && !slices.ContainsFunc(allowed, func(a any) bool { return fmt.Sprint(a) == fmt.Sprint(v) }) {
		out = append(out, fmt.Sprintf("%s is %v, want one of %v", at, v, allowed))
	}
	switch v := v.(type) {
	case map[string]any:
		if schema["type"] != "object" {
			return append(out, at+" is no object")
		}
		properties, closed := schema["properties"].(map[string]any)
		for name, value := range v {
			if p, known := properties[name].(map[string]any); known {
				out = append(out, faults(at+"."+name, value, p)...)
			} else if closed && schema["x-kubernetes-preserve-unknown-fields"] != true {
				out = append(out, at+"."+name+" is not known")
			}
		}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[fmt.Sprint(name)]; !ok {
				out = append(out, fmt.Sprintf("%s.%v is missing", at, name))
			}
		}
	case []any:
		items, ok := schema["items"].(map[string]any)
		if !ok {
			return append(out, at+" is no list")
		}
		for i, value := range v {
			out = append(out, faults(fmt.Sprintf("%s[%d]", at, i), value, items)...)
		}
	case string:
		if schema["type"] != "string" {
			out = append(out, at+" is text")
		}
	case bool:
		if schema["type"] != "boolean" {
			out = append(out, at+" is a boolean")
		}
	}
	return out
}
