package doctor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/doctor"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// machine makes a PATH with nothing but the given programs, each a shell
// script.
func machine(t *testing.T, programs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	return dir
}

func TestCheck(t *testing.T) {
	p := product.RustShare()
	for _, tt := range []struct {
		name     string
		programs map[string]string
		need     doctor.Need
		state    doctor.State
		found    string
		install  string
	}{
		{"git", map[string]string{"git": "echo git version 2.39.5"}, doctor.Git, doctor.OK, "2.39.5 ", ""},
		{"git of a vendor", map[string]string{"git": "echo 'git version 2.50.1 (Apple Git-155)'"}, doctor.Git, doctor.OK, "2.50.1 ", ""},
		{"old git", map[string]string{"git": "echo git version 2.30.2"}, doctor.Git, doctor.Missing, "version 2.30.2, 2.34 or later is needed", "apt-get install git"},
		{"no git", nil, doctor.Git, doctor.Missing, "no git on the PATH", "apt-get install git"},
		{"broken git", map[string]string{"git": "echo no libraries >&2; exit 127"}, doctor.Git, doctor.Missing, "no libraries", "apt-get install git"},
		{"silent git", map[string]string{"git": "echo hello"}, doctor.Git, doctor.Missing, `printed "hello"`, "apt-get install git"},
		{"gpg signs", map[string]string{"gpg": "echo 'gpg (GnuPG) 2.2.40'", "ssh-keygen": ""}, doctor.Signer, doctor.OK, "2.2.40 ", ""},
		{"ssh-keygen signs", map[string]string{"ssh-keygen": "exit 1"}, doctor.Signer, doctor.OK, "/ssh-keygen", ""},
		{"nothing signs", nil, doctor.Signer, doctor.Missing, "no gpg or ssh-keygen on the PATH", "apt-get install gnupg"},
		{"ssh-keygen verifies", map[string]string{"ssh-keygen": "exit 1"}, doctor.SSHKeygen, doctor.OK, "/ssh-keygen", ""},
		{"node", map[string]string{"node": "echo v18.20.4"}, doctor.Node, doctor.OK, "18.20.4 ", ""},
		{"old node", map[string]string{"node": "echo v16.20.2"}, doctor.Node, doctor.Missing, "version 16.20.2, 18 or later", "scripts/setup.sh node"},
		{"npm", map[string]string{"npm": "echo 10.8.2"}, doctor.NPM, doctor.OK, "10.8.2 ", ""},
		{"no emulator", nil, doctor.Emulator, doctor.Absent, "no qemu-", "apt-get install qemu-user-static"},
		{"no cosign", nil, doctor.Cosign, doctor.Absent, "no cosign on the PATH", "scripts/setup.sh tools"},
		{"cosign", map[string]string{"cosign": "echo 'GitVersion:    v2.6.5'"}, doctor.Cosign, doctor.OK, "2.6.5 ", ""},
		{"no trivy", nil, doctor.Trivy, doctor.Absent, "no trivy on the PATH", "scripts/setup.sh trivy"},
		{"trivy", map[string]string{"trivy": "echo 'Version: 0.72.0'"}, doctor.Trivy, doctor.OK, "0.72.0 ", ""},
		{"docker", map[string]string{"docker": "echo 20.10.24+dfsg1"}, doctor.Docker, doctor.OK, "20.10.24 ", ""},
		{"old docker", map[string]string{"docker": "echo 19.03.15"}, doctor.Docker, doctor.Absent, "version 19.03.15, 20.10 or later", "scripts/setup.sh docker"},
		{"docker without an Engine", map[string]string{"docker": "echo; echo 'Cannot connect to the Docker daemon' >&2; exit 1"}, doctor.Docker, doctor.Absent, "Cannot connect to the Docker daemon", "scripts/setup.sh docker"},
		{"no docker", nil, doctor.Docker, doctor.Absent, "no docker on the PATH", "scripts/setup.sh docker"},
		{"compose", map[string]string{"docker": `[ "$1" = compose ] && echo 2.40.3`}, doctor.Compose, doctor.OK, "2.40.3 ", ""},
		{"old compose", map[string]string{"docker": "echo 2.20.0"}, doctor.Compose, doctor.Absent, "version 2.20.0, 2.24.4 or later", "scripts/setup.sh docker"},
		{"no compose", map[string]string{"docker": `echo "docker: 'compose' is not a docker command." >&2; exit 1`}, doctor.Compose, doctor.Absent, "'compose' is not a docker command", "scripts/setup.sh docker"},
		{"browser", map[string]string{"google-chrome": "echo 'Google Chrome 142.0.7444.59'"}, doctor.Browser, doctor.OK, "142.0.7444.59 ", ""},
		{"no browser", nil, doctor.Browser, doctor.Absent, "no chromium or ", "scripts/setup.sh browser"},
		{"no such need", nil, doctor.Need("luck"), doctor.Missing, "no such need", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := machine(t, tt.programs)
			if err := os.Mkdir(filepath.Join(dir, ".release"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, p.Trust.SSHSigners), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			got := doctor.Check(context.Background(), dir, p, tt.need)
			if len(got) != 1 {
				t.Fatalf("got %d findings, want 1: %+v", len(got), got)
			}
			f := got[0]
			if f.Need != tt.need || f.State != tt.state || f.Install != tt.install || !strings.Contains(f.Found, tt.found) {
				t.Errorf("got %+v, want state %q, %q found, %q to install", f, tt.state, tt.found, tt.install)
			}
		})
	}
}

// rustc is a compiler with a standard library for the triples.
func rustc(t *testing.T, triples ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, triple := range triples {
		lib := filepath.Join(root, triple)
		if err := os.MkdirAll(lib, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(lib, "libstd-1.rlib"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return `case "$*" in
--version*) echo 'rustc 1.96.0 (test)'; echo 'host: x86_64-unknown-linux-gnu' ;;
*sysroot*) echo ` + root + ` ;;
*target-libdir*) for last; do :; done; echo ` + root + `/$last ;;
esac`
}

func TestRust(t *testing.T) {
	p := product.RustShare()
	x86, arm := p.Cargo.Targets[0].Triple, p.Cargo.Targets[1].Triple
	t.Run("both targets", func(t *testing.T) {
		dir := machine(t, map[string]string{"cargo": "", "rustc": rustc(t, x86, arm), "cc": "", "aarch64-linux-gnu-gcc": ""})
		got := doctor.Check(context.Background(), dir, p, doctor.Rust)
		if len(got) != 1 || got[0].State != doctor.OK || !strings.Contains(got[0].Found, "1.96.0") || !strings.Contains(got[0].Found, arm) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("a target that nothing has", func(t *testing.T) {
		// An architecture of its own: the machine's real compilers are seen too.
		p := product.RustShare()
		p.Cargo.Targets = []product.Target{{Triple: "mips-unknown-linux-gnu", OS: "linux", Arch: "mips", Asset: "x"}}
		dir := machine(t, map[string]string{"cargo": "", "rustc": rustc(t), "cc": ""})
		got := doctor.Check(context.Background(), dir, p, doctor.Rust)
		if len(got) != 1 || got[0].State != doctor.Missing || got[0].Install != "scripts/setup.sh rust" ||
			!strings.Contains(got[0].Found, "nothing here builds mips-unknown-linux-gnu") || !strings.Contains(got[0].Found, dir+"/cargo") {
			t.Errorf("got %+v", got)
		}
	})
}

func TestRequire(t *testing.T) {
	p := product.RustShare()
	dir := machine(t, map[string]string{"git": "echo git version 2.30.2", "npm": "echo 10.8.2"})
	err := doctor.Require(context.Background(), dir, p, doctor.Git, doctor.Node, doctor.NPM, doctor.Emulator, doctor.Cosign)
	var missing *doctor.MissingError
	if !errors.As(err, &missing) || len(missing.Findings) != 2 {
		t.Fatalf("got %v, want a MissingError of git and node", err)
	}
	for _, want := range []string{"git (reads the repository)", "2.34 or later", "node (builds the frontend): no node on the PATH", "`apt-get install git`, then `scripts/setup.sh node`"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "npm") || strings.Contains(err.Error(), "qemu") {
		t.Errorf("the error names what is there, or may be absent:\n%v", err)
	}
	if err := doctor.Require(context.Background(), dir, p, doctor.NPM, doctor.Emulator); err != nil {
		t.Errorf("nothing that is needed is missing, but: %v", err)
	}
	if err := doctor.Require(context.Background(), dir, p); err != nil {
		t.Errorf("nothing is needed, but: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := doctor.Require(ctx, dir, p, doctor.NPM); !errors.Is(err, context.Canceled) {
		t.Errorf("a stopped check gave %v, want context.Canceled", err)
	}
}

func TestNotNeeded(t *testing.T) {
	p := product.RustShare()
	p.Frontend, p.Compose = nil, nil // and no SSH keys are pinned in the checkout
	dir := machine(t, nil)
	for _, f := range doctor.Check(context.Background(), dir, p) {
		if slices.Contains([]doctor.Need{doctor.Node, doctor.NPM, doctor.SSHKeygen, doctor.Docker, doctor.Compose}, f.Need) {
			t.Errorf("%s is asked of a product without a frontend, compose files and SSH signers", f.Need)
		}
	}
}

// TestWithoutDocker: releases are tried on it, and what does without is said.
func TestWithoutDocker(t *testing.T) {
	p := product.RustShare()
	dir := machine(t, nil)
	for _, f := range doctor.Check(context.Background(), dir, p, doctor.Docker, doctor.Compose) {
		if f.State != doctor.Absent || !strings.Contains(f.For, "RELEASE_STACK=process") {
			t.Errorf("got %+v", f)
		}
		for _, target := range []string{"release:edge", "release:rc", "release:stable", "release:publish", "hotfix:run", "smoke:pilot", "drill:restore"} {
			if !slices.Contains(f.Targets, target) {
				t.Errorf("%s does not name %s, only %q", f.Need, target, f.Targets)
			}
		}
	}
}

func TestFor(t *testing.T) {
	needs, err := doctor.For("release:plan", "release:stable")
	if err != nil {
		t.Fatal(err)
	}
	if needs[0] != doctor.Git || !slices.Contains(needs, doctor.Rust) {
		t.Errorf("got %v", needs)
	}
	for i, n := range needs {
		if slices.Contains(needs[i+1:], n) {
			t.Errorf("%s stands there twice: %v", n, needs)
		}
	}
	if _, err := doctor.For("release:moon"); err == nil || !strings.Contains(err.Error(), `"release:moon"`) {
		t.Errorf("got %v", err)
	}
}

func TestCheckout(t *testing.T) {
	p := product.RustShare()
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	err := doctor.Checkout(dir, p)
	if !errors.Is(err, doctor.ErrNoCheckout) || !strings.Contains(err.Error(), "no Cargo.toml") || !strings.Contains(err.Error(), "-w DIR") {
		t.Errorf("an empty directory gave %v", err)
	}
	if err := doctor.Checkout(filepath.Join(dir, "absent"), p); !errors.Is(err, doctor.ErrNoCheckout) {
		t.Errorf("a directory that is not there gave %v", err)
	}
	write("Cargo.toml")
	write("frontend/package.json")
	err = doctor.Checkout(dir, p)
	if err == nil || errors.Is(err, doctor.ErrNoCheckout) || !strings.Contains(err.Error(), "not Cargo.lock, frontend/package-lock.json") {
		t.Errorf("half a product gave %v", err)
	}
	write("Cargo.lock")
	write("frontend/package-lock.json")
	if err := doctor.Checkout(dir, p); err != nil {
		t.Errorf("the whole product gave %v", err)
	}
}
