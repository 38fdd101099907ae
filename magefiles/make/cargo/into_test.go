package cargo

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/elfkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// What another machine built is found by asset and triple, and looked at.
func TestThere(t *testing.T) {
	b, err := bundle.Create(filepath.Join(t.TempDir(), "dist"), decide.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	targets := product.RustShare().Cargo.Targets
	blob, err := b.Ingest(bytes.NewReader(elfkit.Executable(elf.EM_AARCH64, elfkit.Crates(), 100)))
	if err != nil {
		t.Fatal(err)
	}
	made := Binary{Target: targets[1], Version: "0.1.0", Ran: Native, Crates: 4, Toolchain: "rustc 1", Cargo: "cargo 1"}
	if err := b.Add(bundle.Binary, entry(made, blob)); err != nil {
		t.Fatal(err)
	}
	there := There(b, targets)
	made.Path = b.Path(blob.Digest)
	if len(there) != 1 || there[0] != made {
		t.Fatalf("there is %+v, want %+v", there, made)
	}
	if err := Check(there[0]); err != nil {
		t.Error(err)
	}
	wrong := there[0]
	wrong.Target = targets[0]
	if err := Check(wrong); err == nil || !strings.Contains(err.Error(), "checking "+targets[0].Asset) || !strings.Contains(err.Error(), "EM_AARCH64") {
		t.Errorf("a binary for another machine: %v", err)
	}
	renamed := targets[1]
	renamed.Triple = "aarch64-unknown-linux-musl"
	if there := There(b, []product.Target{renamed}); len(there) != 0 {
		t.Errorf("for another triple there is %+v", there)
	}
	if err := os.Remove(made.Path); err != nil {
		t.Fatal(err)
	}
	if there := There(b, targets); len(there) != 0 {
		t.Errorf("without its content there is %+v", there)
	}
}

// One target is built by the compiler that would build it among all: two
// compilers make two binaries.
func TestFindOnly(t *testing.T) {
	c := product.RustShare().Cargo
	all, err := Options{Dir: t.TempDir(), Cargo: c}.find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range c.Targets {
		o := Options{Dir: t.TempDir(), Cargo: c, Only: target.Triple}
		one, err := o.find(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(one) != 1 || one[0].Cargo != all.For(target.Triple).Cargo || len(one[0].Targets) != 1 || one[0].Targets[0] != target.Triple {
			t.Errorf("%s is built by %+v", target.Triple, one)
		}
		if got := o.targets(); len(got) != 1 || got[0] != target {
			t.Errorf("the targets are %+v", got)
		}
		// A machine that lacks another target builds this one all the same.
		o.Cargo.Targets = append([]product.Target{{Triple: "mips-unknown-linux-gnu"}}, c.Targets...)
		if one, err = o.find(t.Context()); err != nil || len(one) != 1 || one.For(target.Triple).Cargo == "" {
			t.Errorf("without the other target %s is built by %+v, %v", target.Triple, one, err)
		}
	}
}
