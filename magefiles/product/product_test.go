package product

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestRustShare(t *testing.T) {
	p := RustShare()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(p.Platforms(), " "); got != "linux/amd64 linux/arm64" {
		t.Errorf("platforms %q", got)
	}
	// What the users' document names.
	for what, pair := range map[string][2]string{
		"image":         {p.Image.Repository, "ghcr.io/kubedoio/rustshare-backend"},
		"x86_64 asset":  {p.Cargo.Targets[0].Asset, "rustshare-backend-x86_64-linux"},
		"aarch64 asset": {p.Cargo.Targets[1].Asset, "rustshare-backend-aarch64-linux"},
		"binary":        {p.Cargo.Binary, "rustshare-server"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
}

// TestValidate breaks one field at a time: the error names that field, and no
// other.
func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		field, want string
		spoil       func(*Product)
	}{
		{"Name", `"" is not lower-case`, func(p *Product) { p.Name = "" }},
		{"Name", `"Rust Share" is not lower-case`, func(p *Product) { p.Name = "Rust Share" }},
		{"Name", `"../x" is not`, func(p *Product) { p.Name = "../x" }},
		{"Source", "not an https URL", func(p *Product) { p.Source = "git@github.com:kubedoio/rustshare.git" }},
		{"Source", "without trailing slash", func(p *Product) { p.Source += "/" }},
		{"Source", "without trailing slash or .git", func(p *Product) { p.Source += ".git" }},
		{"Source", "not an https URL", func(p *Product) { p.Source = "" }},
		{"Branches.Main", `"" is not a branch name`, func(p *Product) { p.Branches.Main = "" }},
		{"Branches.Main", `"--all" is not a branch name`, func(p *Product) { p.Branches.Main = "--all" }},
		{"Branches.Main", `"a..b" is not a branch name`, func(p *Product) { p.Branches.Main = "a..b" }},
		{"Branches.Hotfix", "does not end in a slash", func(p *Product) { p.Branches.Hotfix = "hotfix" }},
		{"Branches.Hotfix", `"" is not the beginning of a branch name`, func(p *Product) { p.Branches.Hotfix = "/" }},
		{"Paperwork.Changelog", `"" is not a clean path`, func(p *Product) { p.Paperwork.Changelog = "" }},
		{"Paperwork.Upgrading", "not a clean path relative to the checkout", func(p *Product) { p.Paperwork.Upgrading = "/etc/passwd" }},
		{"Paperwork.Records", `"../records" is not`, func(p *Product) { p.Paperwork.Records = "../records" }},
		{"Paperwork.Gates", `"/gates" is not`, func(p *Product) { p.Paperwork.Gates = "/gates" }},
		{"Promotion.Bumps[0]", `"micro" is neither`, func(p *Product) { p.Promotion.Bumps = []string{"micro"} }},
		{"Promotion.Manual[0].Ask", "is empty", func(p *Product) { p.Promotion.Manual = []ManualGate{{Name: "staging"}} }},
		{"Journeys[0]", `"moon" is neither`, func(p *Product) { p.Journeys = []string{"moon"} }},
		{"Forge.Kind", `"gitlab" is none`, func(p *Product) { p.Forge.Kind = "gitlab" }},
		{"Forge.URL", "is not an http(s) URL", func(p *Product) { p.Forge.URL = "git@host:a/b" }},
		{"Paperwork.Paths[1]", `"docs//**" is not`, func(p *Product) { p.Paperwork.Paths[1] = "docs//**" }},
		{"Critical[0]", `"[" is not a pattern`, func(p *Product) { p.Critical[0] = "[" }},
		{"Trust.OpenPGP[0]", `".." is not`, func(p *Product) { p.Trust.OpenPGP[0] = ".." }},
		{"Trust.SSHSigners", `"./x" is not`, func(p *Product) { p.Trust.SSHSigners = "./x" }},
		{"Trust", "no tag could ever be verified", func(p *Product) { p.Trust.OpenPGP, p.Trust.SSHSigners = nil, "" }},
		{"Trust.ReleaseKey", "not a clean path", func(p *Product) { p.Trust.ReleaseKey = "/home/key" }},
		{"Cargo.Package", `"-p" is not a Cargo package name`, func(p *Product) { p.Cargo.Package = "-p" }},
		{"Cargo.Binary", `"a/b" is not a Cargo binary name`, func(p *Product) { p.Cargo.Binary = "a/b" }},
		{"Cargo.Targets", "name at least one target", func(p *Product) { p.Cargo.Targets = nil }},
		{"Cargo.Targets[0].Triple", `"x86_64" is not a Rust target triple`, func(p *Product) { p.Cargo.Targets[0].Triple = "x86_64" }},
		{"Cargo.Targets[1].Triple", "stands at Cargo.Targets[0].Triple already", func(p *Product) { p.Cargo.Targets[1].Triple = p.Cargo.Targets[0].Triple }},
		{"Cargo.Targets[0].OS", `"Linux" is not`, func(p *Product) { p.Cargo.Targets[0].OS = "Linux" }},
		{"Cargo.Targets[0].Arch", `"" is not`, func(p *Product) { p.Cargo.Targets[0].Arch = "" }},
		{"Cargo.Targets[1].Arch", "stands at Cargo.Targets[0].Arch already", func(p *Product) { p.Cargo.Targets[1].Arch = "amd64" }},
		{"Cargo.Targets[0].Asset", `".hidden" is not a file name`, func(p *Product) { p.Cargo.Targets[0].Asset = ".hidden" }},
		{"Cargo.Targets[0].Asset", `"a/b" is not a file name`, func(p *Product) { p.Cargo.Targets[0].Asset = "a/b" }},
		{"Cargo.Targets[1].Asset", "stands at Cargo.Targets[0].Asset already", func(p *Product) { p.Cargo.Targets[1].Asset = p.Cargo.Targets[0].Asset }},
		{"Frontend.Dir", "not a clean path", func(p *Product) { p.Frontend.Dir = "frontend/" }},
		{"Frontend.Output", "not a clean path", func(p *Product) { p.Frontend.Output = "" }},
		{"Frontend.ImageDir", "not a clean absolute path", func(p *Product) { p.Frontend.ImageDir = "/" }},
		{"Image.Repository", "without tag", func(p *Product) { p.Image.Repository += ":latest" }},
		{"Image.Repository", "without tag", func(p *Product) { p.Image.Repository = "ghcr.io/Kubedoio/x" }},
		{"Image.Repository", "a registry host", func(p *Product) { p.Image.Repository = "rustshare" }},
		{"Image.Base", "not an image by digest", func(p *Product) { p.Image.Base = "debian:12" }},
		{"Image.User.Name", `"0day" is not a user name`, func(p *Product) { p.Image.User.Name = "0day" }},
		{"Image.User", "never runs as root", func(p *Product) { p.Image.User.UID = 0 }},
		{"Image.User", "never runs as root", func(p *Product) { p.Image.User.GID = 0 }},
		{"Image.BinaryPath", "not a clean absolute path", func(p *Product) { p.Image.BinaryPath = "server" }},
		{"Image.Dirs[0]", "not a clean absolute path", func(p *Product) { p.Image.Dirs[0] = "/data/" }},
		{"Image.Ports[0]", "0 is not a TCP port", func(p *Product) { p.Image.Ports[0] = 0 }},
		{"Image.Ports[0]", "65536 is not a TCP port", func(p *Product) { p.Image.Ports[0] = 65536 }},
		{"Image.Env", `"A=B" is not an environment variable's name`, func(p *Product) { p.Image.Env = map[string]string{"A=B": ""} }},
		{"Image.Health.Command[0]", "not a clean absolute path", func(p *Product) { p.Image.Health.Command[0] = "curl" }},
		{"Image.Health", "cannot be negative", func(p *Product) { p.Image.Health.Interval = -1 }},
		{"Proofs", `"" is neither "bundles" nor "tags"`, func(p *Product) { p.Proofs = "" }},
		{"Extra[0]", "not a clean path", func(p *Product) { p.Extra = []string{"/x"} }},
		{"Extra[0]", "another asset is named", func(p *Product) { p.Extra = []string{"dist/rustshare-backend-x86_64-linux"} }},
		{"Extra[1]", "another asset is named", func(p *Product) { p.Extra = []string{"a/x", "b/x"} }},
		{"Extra[0]", `another asset is named "SHA256SUMS" already`, func(p *Product) { p.Extra = []string{"SHA256SUMS"} }},
	} {
		p := RustShare()
		tt.spoil(&p)
		err := p.Validate()
		if err == nil {
			t.Errorf("%s: %q was expected, but nothing was found", tt.field, tt.want)
			continue
		}
		head, fault, _ := strings.Cut(err.Error(), "\n")
		if !strings.HasPrefix(head, "product ") || !strings.HasPrefix(fault, tt.field+": ") || !strings.Contains(fault, tt.want) || strings.Contains(fault, "\n") {
			t.Errorf("%s: want that field alone with %q, got:\n%v", tt.field, tt.want, err)
		}
	}
}

func TestValidateGivesAllFaults(t *testing.T) {
	err := Product{}.Validate()
	if err == nil {
		t.Fatal("the empty product passed")
	}
	for _, field := range []string{"Name", "Source", "Branches.Main", "Trust", "Cargo.Package", "Cargo.Targets", "Image.Repository", "Image.User", "Proofs"} {
		if !strings.Contains(err.Error(), "\n"+field+": ") {
			t.Errorf("%s is not named in:\n%v", field, err)
		}
	}
}

func TestValidateAccepts(t *testing.T) {
	for what, change := range map[string]func(*Product){
		"no frontend":     func(p *Product) { p.Frontend = nil },
		"one target":      func(p *Product) { p.Cargo.Targets = p.Cargo.Targets[:1] },
		"keys of one way": func(p *Product) { p.Trust.OpenPGP = nil },
		"a local registry": func(p *Product) {
			p.Image.Repository = "localhost:5000/a/b_c"
		},
		"a base image":  func(p *Product) { p.Image.Base = "debian@sha256:" + strings.Repeat("a", 64) },
		"another trunk": func(p *Product) { p.Branches = Branches{"release/v1.x", "fix/urgent/"} },
		"old proofs":    func(p *Product) { p.Proofs = ProofTags },
		"extra files":   func(p *Product) { p.Extra = []string{"docs/guide.pdf"} },
		"no health":     func(p *Product) { p.Image.Health = Health{} },
	} {
		p := RustShare()
		change(&p)
		if err := p.Validate(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestDigest(t *testing.T) {
	a, b := RustShare(), RustShare()
	if a.Digest() != b.Digest() {
		t.Error("two equal definitions have two digests")
	}
	if len(a.Digest()) != 64 || strings.Trim(a.Digest(), "0123456789abcdef") != "" {
		t.Errorf("%q is no sha256 in hex", a.Digest())
	}
	b.Image.Env["MORE"] = "1"
	if a.Digest() == b.Digest() {
		t.Error("another environment has the same digest")
	}
	b = RustShare()
	b.Frontend = nil
	if a.Digest() == b.Digest() {
		t.Error("no frontend has the same digest")
	}
}

// FuzzValidate feeds any definition: it never panics, and what passes keeps its
// digest through JSON.
func FuzzValidate(f *testing.F) {
	for _, p := range []Product{RustShare(), {}} {
		text, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p, q Product
		if json.Unmarshal([]byte(text), &p) != nil || p.Validate() != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &q); err != nil {
			t.Fatal(err)
		}
		if p.Digest() != q.Digest() {
			t.Errorf("the digest changed:\n%+v\n%+v", p, q)
		}
		if reflect.DeepEqual(p, Product{}) {
			t.Error("the empty product passed")
		}
	})
}
