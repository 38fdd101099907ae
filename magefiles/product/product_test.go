package product

import (
	"encoding/json"
	"reflect"
	"slices"
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
		{"Forge.Attestations", "only GitHub keeps attestations", func(p *Product) { p.Forge.Kind, p.Forge.Attestations = ForgeGitea, true }},
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
		{"Extra[0]", `another asset is named "install.sh" already`, func(p *Product) { p.Extra = []string{"scripts/install.sh"} }},
		{"Install.Command", `"a b" is not a file name`, func(p *Product) { p.Install.Command = "a b" }},
		{"Install", "needs a target for linux/amd64", func(p *Product) { p.Cargo.Targets[0].Arch, p.Cargo.Targets[1].Arch = "riscv64", "s390x" }},
		{"Compose.Files", "is empty: name at least one file, or leave Compose out", func(p *Product) { p.Compose.Files = nil }},
		{"Compose.Files[1]", `"../x.yml" is not a clean path`, func(p *Product) { p.Compose.Files[1] = "../x.yml" }},
		{"Compose.Production[0]", `"/etc/x.yml" is not a clean path`, func(p *Product) { p.Compose.Production[0] = "/etc/x.yml" }},
		{"Compose.Drill", "is empty", func(p *Product) { p.Compose.Drill = []string{} }},
		{"Compose.Config[1]", `"docker//**" is not`, func(p *Product) { p.Compose.Config[1] = "docker//**" }},
		{"Compose.Config[0]", `"[" is not a pattern`, func(p *Product) { p.Compose.Config[0] = "[" }},
		{"Compose.DrillProject", `"Drill" is not a project name`, func(p *Product) { p.Compose.DrillProject = "Drill" }},
		{"Compose.Backend", `"" is not a service's name`, func(p *Product) { p.Compose.Backend = "" }},
		{"Compose.Database", `"-x" is not a service's name`, func(p *Product) { p.Compose.Database = "-x" }},
		{"Compose.ObjectStore", `"postgres" stands at Compose.Database already`, func(p *Product) { p.Compose.ObjectStore = "postgres" }},
		{"Compose.Proxy", `"a b" is not a service's name`, func(p *Product) { p.Compose.Proxy = "a b" }},
		{"Compose.BackendPort", "0 is not a TCP port", func(p *Product) { p.Compose.BackendPort = 0 }},
		{"Compose.ProxyPort", "70000 is not a TCP port", func(p *Product) { p.Compose.ProxyPort = 70000 }},
		{"Compose.DatabaseVolume", `"a/b" is not a volume's name`, func(p *Product) { p.Compose.DatabaseVolume = "a/b" }},
		{"Compose.ObjectVolume", "stands at Compose.DatabaseVolume already", func(p *Product) { p.Compose.ObjectVolume = p.Compose.DatabaseVolume }},
		{"Compose.ObjectPath", `"data" is not a clean absolute path`, func(p *Product) { p.Compose.ObjectPath = "data" }},
		{"Compose.DatabaseName", `"a;b" is not a database's name`, func(p *Product) { p.Compose.DatabaseName = "a;b" }},
		{"Compose.DatabaseUser", `"" is not a database user`, func(p *Product) { p.Compose.DatabaseUser = "" }},
		{"Compose.ImageEnv", `"image" is not a variable's name`, func(p *Product) { p.Compose.ImageEnv = "image" }},
		{"Compose.PullEnv", `"A=B" is not a variable's name`, func(p *Product) { p.Compose.PullEnv = "A=B" }},
		{"Compose.PullEnv", "stands at Compose.ImageEnv already", func(p *Product) { p.Compose.PullEnv = p.Compose.ImageEnv }},
		{"Compose.DatabaseURLEnv", `"" is not a variable's name`, func(p *Product) { p.Compose.DatabaseURLEnv = "" }},
		{"Compose.ObjectUserEnv", "stands at Compose.DatabasePasswordEnv already", func(p *Product) { p.Compose.ObjectUserEnv = p.Compose.DatabasePasswordEnv }},
		{"Compose.ObjectPasswordEnv", `"$X" is not a variable's name`, func(p *Product) { p.Compose.ObjectPasswordEnv = "$X" }},
		{"Run", "is nil: say how the product is run, or leave Compose out", func(p *Product) { p.Run, p.Tries = nil, Tries{} }},
		{"Run.Alive", `"health" is not a path as in /health`, func(p *Product) { p.Run.Alive = "health" }},
		{"Run.Ready", `"/health?x" is not a path as in /health/ready`, func(p *Product) { p.Run.Ready = "/health?x" }},
		{"Run.Secrets", "is empty: name the variables", func(p *Product) { p.Run.Secrets = nil }},
		{"Run.Secrets[1]", `"secret" is not a variable's name`, func(p *Product) { p.Run.Secrets[1] = "secret" }},
		{"Run.Secrets[2]", `"JWT_SECRET" stands at Run.Secrets[0] already`, func(p *Product) { p.Run.Secrets[2] = "JWT_SECRET" }},
		{"Run.Process.Address", `"" is not a variable's name`, func(p *Product) { p.Run.Process.Address = "" }},
		{"Run.Process.Database", `"JWT_SECRET" stands at Run.Secrets[0] already`, func(p *Product) { p.Run.Process.Database = "JWT_SECRET" }},
		{"Run.Process.Storage", `"STORAGE DIR" is not`, func(p *Product) { p.Run.Process.Storage = "STORAGE DIR" }},
		{"Run.Process.Frontend", `"x" is not`, func(p *Product) { p.Run.Process.Frontend = "x" }},
		{"Scan.Scanners[0]", `"clam" is none of ["grype" "trivy"]`, func(p *Product) { p.Scan.Scanners[0] = "clam" }},
		{"Scan.Candidate[0]", `"grype" stands at Scan.Scanners[0] already`, func(p *Product) { p.Scan.Candidate[0] = Grype }},
		{"Scan.Scanners", "is empty", func(p *Product) { p.Scan = &Scan{} }},
		{"Scan.Stop", `"bad" is none of ["critical"`, func(p *Product) { p.Scan.Stop = "bad" }},
		{"Scan.MaxAge", "less than none", func(p *Product) { p.Scan.MaxAge = -1 }},
		{"Scan.Believed", "less than none", func(p *Product) { p.Scan.Believed = -1 }},
		{"Scan.Databases", `"clam": "x" is no database`, func(p *Product) { p.Scan.Databases = map[string]string{"clam": "x"} }},
		{"Scan.Exceptions", "not a clean path relative to the checkout", func(p *Product) { p.Scan.Exceptions = "/etc/passwd" }},
		{"Scan.VEX[0]", "not a clean path relative to the checkout", func(p *Product) { p.Scan.VEX[0] = "../vex" }},
		{"Tries.Edge[0]", `"smoke:moon" is none of ["test:backend"`, func(p *Product) { p.Tries.Edge[0] = "smoke:moon" }},
		{"Tries.Candidate[1]", `"" is none of`, func(p *Product) { p.Tries.Candidate = append(p.Tries.Candidate, "") }},
		{"Tries.Stable[1]", `"smoke:launch" stands at Tries.Stable[0] already`, func(p *Product) { p.Tries.Stable = append(p.Tries.Stable, "smoke:launch") }},
		{"Tries.Uncovered[0]", `"rehearse" is none of`, func(p *Product) { p.Tries.Uncovered[0] = "rehearse" }},
		{"Tries.Stable[0]", `"smoke:launch" has nothing to run: Run is nil`, func(p *Product) {
			p.Run, p.Compose, p.Tries = nil, nil, Tries{Stable: []string{"smoke:launch"}}
		}},
		{"Tries.Critical[0]", `"test:frontend" has nothing to test: Frontend is nil`, func(p *Product) {
			p.Frontend, p.Tries.Critical = nil, []string{"test:frontend"}
		}},
		{"Trust.Keyless", `needs Proofs "bundles"`, func(p *Product) { p.Proofs = ProofTags }},
		{"Trust.ReleaseKey", `"" is not a clean path`, func(p *Product) { p.Trust.ReleaseKey, p.Trust.Keyless = "", nil }},
		{"Trust.Keyless.Issuer", `"token.actions" is not a URL with https`, func(p *Product) { p.Trust.Keyless.Issuer = "token.actions" }},
		{"Trust.Keyless.TrustedRoot", "is not a clean path relative to the checkout", func(p *Product) { p.Trust.Keyless.TrustedRoot = "/etc/root.json" }},
		{"Trust.Keyless.TrustedRoot", "is empty: the public good instance's root does not name", func(p *Product) { p.Trust.Keyless.TrustedRoot, p.Trust.Keyless.Services = "", PublicGood() }},
		{"Trust.Keyless.Services", "nothing would say when a certificate was used", func(p *Product) {
			p.Trust.Keyless.TrustedRoot, p.Trust.Keyless.Services = "root.json", Services{Fulcio: "https://fulcio.example", Logs: []Log{{"https://rekor.example", 2}}}
		}},
		{"Trust.Keyless.Services.Fulcio", `"" is not a URL`, func(p *Product) {
			p.Trust.Keyless.TrustedRoot, p.Trust.Keyless.Services = "root.json", Services{Timestamps: []string{"http://tsa.example/api/v1/timestamp"}}
		}},
		{"Trust.Keyless.Services.Logs[0].Version", "3 is neither 1 nor 2", func(p *Product) {
			p.Trust.Keyless.TrustedRoot, p.Trust.Keyless.Services = "root.json", PublicGood()
			p.Trust.Keyless.Services.Logs[0].Version = 3
		}},
		{"Trust.Keyless.Identities", "is empty: nobody could sign", func(p *Product) { p.Trust.Keyless.Identities = nil }},
		{"Trust.Keyless.Identities[0].For", "is empty: name what", func(p *Product) { p.Trust.Keyless.Identities[0].For = nil }},
		{"Trust.Keyless.Identities[0].For[0]", `"beta" is none of ["edge"`, func(p *Product) { p.Trust.Keyless.Identities[0].For = []string{"beta"} }},
		{"Trust.Keyless.Identities[1]", "either a workflow or a person", func(p *Product) { p.Trust.Keyless.Identities[1].Workflow = "" }},
		{"Trust.Keyless.Identities[1].Workflow", "is not a workflow's path", func(p *Product) { p.Trust.Keyless.Identities[1].Workflow = ".github/workflows/*.yml" }},
		{"Trust.Keyless.Identities[0].For[0]", "cannot be signed by a person", func(p *Product) {
			p.Trust.Keyless.Identities[0] = Identity{For: []string{"stable"}, Person: "a@example.org", Issuer: "https://accounts.example"}
		}},
		{"Trust.Keyless.Identities[0].Issuer", "is empty: name who vouches for a@example.org", func(p *Product) {
			p.Trust.Keyless.Identities[0] = Identity{For: []string{Withdrawal}, Person: "a@example.org"}
		}},
		{"Trust.Keyless.Identities[0].Person", "is not an e-mail address", func(p *Product) {
			p.Trust.Keyless.Identities[0] = Identity{For: []string{Withdrawal}, Person: "*@example.org", Issuer: "https://accounts.example"}
		}},
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

func TestSecretNames(t *testing.T) {
	p := RustShare()
	want := []string{
		"JWT_SECRET", "RUSTSHARE_SECRET_ENCRYPTION_KEY", "RUSTSHARE_CHAT_WEBHOOK_SECRET", "RUSTSHARE_ADMIN_PASSWORD", "RUSTSHARE_DEMO_VIEWER_PASSWORD",
		"POSTGRES_PASSWORD", "RUSTFS_ROOT_USER", "RUSTFS_ROOT_PASSWORD",
	}
	if got := p.SecretNames(); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	p.Compose = nil
	if got := p.SecretNames(); !slices.Equal(got, want[:5]) {
		t.Errorf("without Docker: got %v", got)
	}
	p.Run = nil
	if got := p.SecretNames(); len(got) > 0 {
		t.Errorf("not run: got %v", got)
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
		"old proofs":    func(p *Product) { p.Proofs, p.Trust.Keyless = ProofTags, nil },
		"extra files":   func(p *Product) { p.Extra = []string{"docs/guide.pdf"} },
		"no Docker":     func(p *Product) { p.Compose = nil },
		"no tries":      func(p *Product) { p.Tries = Tries{} },
		"no scan":       func(p *Product) { p.Scan = nil },
		"one scanner":   func(p *Product) { p.Scan = &Scan{Scanners: []string{Trivy}} },
		"not run":       func(p *Product) { p.Run, p.Compose, p.Tries = nil, nil, Tries{Stable: []string{"test:backend"}} },
		"no process":    func(p *Product) { p.Run.Process = nil },
		"no page":       func(p *Product) { p.Run.Process.Frontend = "" },
		"all tries":     func(p *Product) { p.Tries.Candidate = triable },
		"a key alone":   func(p *Product) { p.Trust.Keyless = nil },
		"no key":        func(p *Product) { p.Trust.ReleaseKey = "" },
		"a private Sigstore": func(p *Product) {
			p.Trust.Keyless.TrustedRoot = ".release/trusted_root.json"
			p.Trust.Keyless.Services = Services{Fulcio: "http://fulcio.internal", Timestamps: []string{"http://tsa.internal/api/v1/timestamp"}}
		},
		"no health": func(p *Product) { p.Image.Health = Health{} },
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
