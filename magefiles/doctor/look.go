package doctor

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/internal/sigstorekit"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// tool is a program that meets a need.
type tool struct {
	purpose string
	// programs are names on the PATH or paths; the first that is there counts.
	programs []string
	// version are the arguments that print a version; nil where there are none.
	version []string
	// min is the oldest version that works, as numbers.
	min      []int
	install  string
	optional bool
}

// composePurpose also says what does without.
const composePurpose = "runs the product's compose files; without it RELEASE_STACK=process tries things"

func look(ctx context.Context, dir string, p product.Product, n Need) []Finding {
	switch n {
	case Git:
		// SSH signatures came with git 2.34.
		return one(ctx, n, tool{purpose: "reads the repository", programs: []string{"git"}, version: []string{"--version"}, min: []int{2, 34}, install: "apt-get install git"})
	case Signer:
		return one(ctx, n, tool{purpose: "makes keys and signed tags", programs: []string{"gpg", "ssh-keygen"}, version: []string{"--version"}, install: "apt-get install gnupg"})
	case SSHKeygen:
		return one(ctx, n, tool{purpose: "verifies SSH signatures of tags", programs: []string{"ssh-keygen"}, install: "apt-get install openssh-client"})
	case Node:
		return one(ctx, n, tool{purpose: "builds the frontend", programs: []string{"node"}, version: []string{"--version"}, min: []int{18}, install: "scripts/setup.sh node"})
	case NPM:
		return one(ctx, n, tool{purpose: "builds the frontend", programs: []string{"npm"}, version: []string{"--version"}, install: "scripts/setup.sh node"})
	case Docker:
		return one(ctx, n, tool{purpose: composePurpose, programs: []string{"docker"}, version: []string{"version", "--format", "{{.Server.Version}}"}, min: []int{20, 10}, install: "scripts/setup.sh docker", optional: true})
	case Compose:
		// The tags that overlays reset lists with came with 2.24.4.
		return one(ctx, n, tool{purpose: composePurpose, programs: []string{"docker"}, version: []string{"compose", "version", "--short"}, min: []int{2, 24, 4}, install: "scripts/setup.sh docker", optional: true})
	case Browser:
		return one(ctx, n, tool{purpose: "looks at the frontend as people do", programs: []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}, version: []string{"--version"}, install: "scripts/setup.sh browser", optional: true})
	case Cosign:
		return one(ctx, n, tool{purpose: "judges our proofs in the tests", programs: built("cosign"), version: []string{"version"}, install: "scripts/setup.sh tools", optional: true})
	case Sigstore:
		f := Finding{Need: n, For: "signs rehearsals keyless; without it a key signs them", State: OK, Found: "Fulcio, timestamp authority and log"}
		if missing := sigstorekit.Missing(sigstorekit.Options{Log: true}); len(missing) > 0 {
			f.State, f.Found, f.Install = Absent, "no "+strings.Join(missing, ", no "), sigstorekit.Install
		}
		return []Finding{f}
	case Trivy:
		return one(ctx, n, tool{purpose: "scans release candidates", programs: built("trivy"), version: []string{"--version"}, install: "scripts/setup.sh trivy", optional: true})
	case Rust:
		return rust(ctx, dir, p)
	case Emulator:
		return emulators(ctx, p)
	}
	return []Finding{{Need: n, For: "unknown to the doctor", State: Missing, Found: "no such need"}}
}

// built are the places of a program that scripts/setup.sh builds: the cache, and
// the PATH.
func built(name string) []string {
	programs := []string{name}
	if cache, err := os.UserCacheDir(); err == nil {
		if found, err := filepath.Glob(filepath.Join(cache, "rustshare-release", "bin", name+"-v*")); err == nil {
			programs = append(found, programs...)
		}
	}
	return programs
}

func one(ctx context.Context, n Need, t tool) []Finding {
	f := Finding{Need: n, For: t.purpose, State: Missing, Install: t.install}
	if t.optional {
		f.State = Absent
	}
	path := ""
	for _, program := range t.programs {
		if found, err := exec.LookPath(program); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		f.Found = "no " + strings.Join(t.programs, " or ") + " on the PATH"
		return []Finding{f}
	}
	version := ""
	// ssh-keygen tells no version: it prints its usage instead.
	if t.version != nil && filepath.Base(path) != "ssh-keygen" {
		var err error
		if version, err = versionOf(ctx, path, t.version); err != nil {
			f.Found = err.Error()
			return []Finding{f}
		}
		if !atLeast(version, t.min) {
			f.Found = path + " is version " + version + ", " + dotted(t.min) + " or later is needed"
			return []Finding{f}
		}
	}
	f.State, f.Install = OK, ""
	f.Found = strings.TrimSpace(version + " " + path)
	return []Finding{f}
}

var number = regexp.MustCompile(`\d+(\.\d+)+`)

func versionOf(ctx context.Context, path string, args []string) (string, error) {
	said, err := run.Text(ctx, run.Cmd{Name: path, Args: args})
	if err != nil {
		return "", err
	}
	version := number.FindString(said)
	if version == "" {
		line, _, _ := strings.Cut(said, "\n")
		return "", errors.New(path + " tells no version: it printed " + strconv.Quote(line))
	}
	return version, nil
}

// atLeast compares versions number by number; what is no number counts as 0.
func atLeast(version string, least []int) bool {
	have := strings.Split(version, ".")
	for i, want := range least {
		n := 0
		if i < len(have) {
			n, _ = strconv.Atoi(have[i])
		}
		if n != want {
			return n > want
		}
	}
	return true
}

func dotted(numbers []int) string {
	parts := make([]string, len(numbers))
	for i, n := range numbers {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ".")
}

// rust asks the package that will build.
func rust(ctx context.Context, dir string, p product.Product) []Finding {
	var triples []string
	for _, t := range p.Cargo.Targets {
		triples = append(triples, t.Triple)
	}
	chosen, err := cargo.Find(ctx, dir, triples)
	f := Finding{Need: Rust, For: "builds " + p.Cargo.Binary}
	var missing *cargo.MissingError
	switch {
	case errors.As(err, &missing):
		f.State, f.Install = Missing, "scripts/setup.sh rust"
		f.Found = "nothing here builds " + strings.Join(missing.Targets, " and ")
		for _, l := range missing.Looked {
			f.Found += "; " + l.String()
		}
		return []Finding{f}
	case err != nil:
		f.State, f.Install, f.Found = Missing, "scripts/setup.sh rust", err.Error()
		return []Finding{f}
	}
	var out []Finding
	for _, t := range chosen {
		f.State, f.Found = OK, t.Version+" "+t.Cargo+" for "+strings.Join(t.Targets, ", ")
		out = append(out, f)
	}
	return out
}

// emulators looks for QEMU's user-mode emulator of every other architecture.
func emulators(ctx context.Context, p product.Product) []Finding {
	var out []Finding
	for _, t := range p.Cargo.Targets {
		if t.OS == runtime.GOOS && t.Arch == runtime.GOARCH {
			continue
		}
		arch, _, _ := strings.Cut(t.Triple, "-")
		programs := []string{"qemu-" + arch + "-static", "qemu-" + arch}
		if path, ok := cargo.Emulator(t.Arch); ok {
			programs = []string{path}
		}
		out = append(out, one(ctx, Emulator, tool{
			purpose:  "tries the " + arch + " binary; without it that binary is not run",
			programs: programs, version: []string{"--version"},
			install: "apt-get install qemu-user-static", optional: true,
		})...)
	}
	return out
}
