// Package doctor says what the targets need on this machine, what is there,
// what is missing and how to get it. Slow targets ask it before they start. It
// knows product and make/cargo.
package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// Need is something that a target wants from the machine.
type Need string

// The needs. Those that a product has no use for (Node without a frontend,
// Docker without compose files, ssh-keygen without pinned SSH keys) are left out by [Check].
const (
	// Git reads the product's repository.
	Git Need = "git"
	// Signer makes keys and signed tags: gpg or ssh-keygen.
	Signer Need = "signer"
	// SSHKeygen verifies SSH signatures of tags.
	SSHKeygen Need = "ssh-keygen"
	// Rust is cargo, rustc, standard library and linker for every target.
	Rust Need = "rust"
	// Node and NPM build the frontend.
	Node Need = "node"
	NPM  Need = "npm"
	// Emulator tries binaries of other architectures. It may be missing.
	Emulator Need = "emulator"
	// Docker is an Engine that answers, Compose its plugin: they run the product's
	// compose files. They may be missing: RELEASE_STACK=process does without.
	Docker  Need = "docker"
	Compose Need = "compose"
	// Browser looks at the frontend as people do. It may be missing.
	Browser Need = "browser"
	// Cosign is cosign's own command line, an outside judge for the tests. It
	// may be missing.
	Cosign Need = "cosign"
	// Sigstore are Fulcio, a timestamp authority and a Rekor log, by which a
	// rehearsal is signed keyless. They may be missing.
	Sigstore Need = "sigstore"
	// Trivy scans where the product asks for it. It may be missing: then a
	// release that has to pass it stops before anything is built.
	Trivy Need = "trivy"
)

// Target is a target with its needs.
type Target struct {
	Name  string `json:"name"`
	Needs []Need `json:"needs"`
}

// Targets lists what each target needs, in the order of a release.
func Targets() []Target {
	release := []Need{Git, SSHKeygen, Rust, Node, NPM, Emulator, Docker, Compose}
	// What is tried is built of the checkout, unless a bundle of dist is named.
	try := []Need{Git, Rust, Node, NPM, Docker, Compose}
	candidate := append(slices.Clone(release), Trivy)
	return []Target{
		{"release:tags", nil},
		{"release:plan", []Need{Git, SSHKeygen}},
		{"build:binaries", []Need{Git, SSHKeygen, Rust, Emulator}},
		{"build:packages", []Need{Git, Rust, Node, NPM, Emulator}},
		{"build:bundle", []Need{Git, SSHKeygen, Rust, Node, NPM, Emulator}},
		{"release:edge", release},
		{"release:rc", candidate},
		{"release:stable", release},
		{"release:publish", candidate},
		{"release:verify", nil},
		{"verify:files", nil},
		{"verify:reproducible", []Need{Git, SSHKeygen, Rust, Node, NPM, Emulator}},
		{"release:prepare", []Need{Git}},
		{"release:tag", []Need{Git, Signer, SSHKeygen}},
		{"release:notes", []Need{Git, SSHKeygen}},
		{"release:status", nil},
		{"release:rollback", []Need{Git}},
		{"release:restore", []Need{Git}},
		{"release:announce", []Need{Git}},
		{"hotfix:start", []Need{Git}},
		{"hotfix:run", release},
		{"hotfix:finish", []Need{Git}},
		{"test:backend", []Need{Git, Rust}},
		{"test:frontend", []Need{Git, Node, NPM}},
		{"test:run", []Need{Git, Rust, Node, NPM}},
		{"smoke:launch", try},
		{"smoke:beta", try},
		{"smoke:pilot", try},
		{"smoke:postRestore", nil},
		{"drill:backup", try},
		{"drill:verify", nil},
		{"drill:restore", try},
		{"drill:upgrade", try},
		{"drill:failure", try},
		{"scan:bundle", []Need{Trivy}},
		{"scan:image", []Need{Trivy}},
		{"scan:database", nil},
		{"test:peers", []Need{Trivy, Cosign}},
		{"report:validation", []Need{Git}},
		{"registry:serve", nil},
		{"rehearse", []Need{Git, Signer, Rust, Node, NPM, Emulator, Docker, Compose, Sigstore}},
		{"bench", nil},
		{"scripts/test.sh", []Need{Git, Signer, SSHKeygen, Rust, Node, NPM, Emulator, Docker, Compose, Browser, Cosign, Sigstore, Trivy}},
	}
}

// For gives the needs of the named targets, each once. A name that is not in
// [Targets] is an error.
func For(targets ...string) ([]Need, error) {
	var needs []Need
	all := Targets()
	for _, name := range targets {
		i := slices.IndexFunc(all, func(t Target) bool { return t.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("the doctor knows no target %q", name)
		}
		for _, n := range all[i].Needs {
			if !slices.Contains(needs, n) {
				needs = append(needs, n)
			}
		}
	}
	return needs, nil
}

// State says whether a need is met.
type State string

const (
	// OK is there.
	OK State = "ok"
	// Missing stops the targets that need it.
	Missing State = "missing"
	// Absent is not there, and may be: the targets do less without it.
	Absent State = "absent"
)

// Finding is one thing that was looked for.
type Finding struct {
	Need Need `json:"need"`
	// For says what it is good for, in a few words.
	For   string `json:"for"`
	State State  `json:"state"`
	// Found is the version and path, or what stands in the way.
	Found string `json:"found"`
	// Install is a command that gets it; empty for OK.
	Install string `json:"install,omitempty"`
	// Targets are the targets that need it.
	Targets []string `json:"targets,omitempty"`
}

// Check looks for the needs of a product in a checkout, in the order given and
// without those that the product has no use for. No needs means all of them.
// It changes nothing and downloads nothing.
func Check(ctx context.Context, dir string, p product.Product, needs ...Need) []Finding {
	if len(needs) == 0 {
		needs = []Need{Git, Signer, SSHKeygen, Rust, Node, NPM, Emulator, Docker, Compose, Browser, Cosign, Sigstore, Trivy}
	}
	var out []Finding
	for _, n := range needs {
		if !wanted(dir, p, n) {
			continue
		}
		for _, f := range look(ctx, dir, p, n) {
			for _, t := range Targets() {
				if slices.Contains(t.Needs, n) {
					f.Targets = append(f.Targets, t.Name)
				}
			}
			out = append(out, f)
		}
	}
	return out
}

// wanted tells whether the product has a use for a need.
func wanted(dir string, p product.Product, n Need) bool {
	switch n {
	case Node, NPM, Browser:
		return p.Frontend != nil
	case Docker, Compose:
		return p.Compose != nil
	case Sigstore:
		return p.Trust.Keyless != nil
	case Trivy:
		return p.Scan != nil && slices.Contains(slices.Concat(p.Scan.Scanners, p.Scan.Candidate), product.Trivy)
	case SSHKeygen:
		if p.Trust.SSHSigners == "" {
			return false
		}
		_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(p.Trust.SSHSigners)))
		return err == nil
	}
	return true
}

// MissingError lists what a target cannot do without, all of it at once.
type MissingError struct {
	// Findings are in state Missing, at least one.
	Findings []Finding
}

func (e *MissingError) Error() string {
	var b strings.Builder
	b.WriteString("this machine lacks what is needed here:")
	var commands []string
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n  %s (%s): %s", f.Need, f.For, f.Found)
		if !slices.Contains(commands, f.Install) {
			commands = append(commands, f.Install)
		}
	}
	b.WriteString("\ninstall it with `" + strings.Join(commands, "`, then `") + "`")
	return b.String()
}

// Require is [Check] for a target that is about to start: everything missing
// is one [*MissingError].
func Require(ctx context.Context, dir string, p product.Product, needs ...Need) error {
	if len(needs) == 0 {
		return nil
	}
	var missing []Finding
	for _, f := range Check(ctx, dir, p, needs...) {
		if f.State == Missing {
			missing = append(missing, f)
		}
	}
	if err := ctx.Err(); err != nil { // a probe that was stopped found nothing
		return err
	}
	if len(missing) > 0 {
		return &MissingError{missing}
	}
	return nil
}
