package cargo

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// machines are the ELF machines of OCI architectures.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "386": elf.EM_386,
	"arm64": elf.EM_AARCH64, "arm": elf.EM_ARM,
	"riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390, "loong64": elf.EM_LOONGARCH,
}

// DynamicError says that a binary needs a loader or libraries of the machine
// that it runs on.
type DynamicError struct {
	// Interpreter is the loader, "" where there is none.
	Interpreter string
	Libraries   []string
}

func (e *DynamicError) Error() string {
	var parts []string
	if len(e.Libraries) > 0 {
		parts = append(parts, "the libraries "+strings.Join(e.Libraries, ", "))
	}
	if e.Interpreter != "" {
		parts = append(parts, "the loader "+e.Interpreter)
	}
	return "the binary is not static: it needs " + strings.Join(parts, " and ") +
		"; a crate that links a system library has to be told to build it in (often a feature named \"vendored\" or \"bundled\")"
}

// checkStatic wants an executable for the target's machine that needs nothing
// else to run.
func checkStatic(content []byte, t product.Target) error {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("reading the binary as ELF: %w", err)
	}
	want, known := machines[t.Arch]
	if !known {
		return fmt.Errorf("no ELF machine is known for architecture %q: correct Cargo.Targets of %s", t.Arch, t.Triple)
	}
	if f.Machine != want {
		return fmt.Errorf("the binary is for %s, %s wants %s", f.Machine, t.Platform(), want)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("the file is %s, which is no executable", f.Type)
	}
	var dynamic DynamicError
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		if p.Filesz > 4096 {
			return fmt.Errorf("the binary names a loader of %d bytes: the file is damaged", p.Filesz)
		}
		name := make([]byte, p.Filesz)
		if _, err := p.ReadAt(name, 0); err != nil {
			return fmt.Errorf("reading the binary's loader: %w", err)
		}
		dynamic.Interpreter = strings.TrimRight(string(name), "\x00")
	}
	if dynamic.Libraries, err = f.ImportedLibraries(); err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return fmt.Errorf("reading the binary's libraries: %w", err)
	}
	if dynamic.Interpreter != "" || len(dynamic.Libraries) > 0 {
		return &dynamic
	}
	return nil
}

// place is a directory of this machine that a binary must not name.
type place struct {
	what, path string
	// below are its subdirectories. They tell a short path, such as /app, from
	// the same word in a path of the product.
	below []string
}

// checkLeaks refuses a binary that names a directory of this machine: it would
// differ when built elsewhere.
func checkLeaks(content []byte, places []place) error {
	for _, p := range places {
		needles := []string{p.path}
		if filepath.Dir(p.path) == filepath.Dir(filepath.Dir(p.path)) { // at most one element
			needles = nil
			for _, b := range p.below {
				needles = append(needles, filepath.Join(p.path, b)+"/")
			}
		}
		for _, n := range needles {
			if i := bytes.Index(content, []byte(n)); i >= 0 {
				return fmt.Errorf("the binary names %s of this machine, so it would differ when built elsewhere: it holds %q; look for env!(\"CARGO_MANIFEST_DIR\"), env!(\"OUT_DIR\"), or debug information that is not stripped", p.what, printable(content[i:]))
			}
		}
	}
	return nil
}

// printable gives the text at the start of b, shortened.
func printable(b []byte) string {
	n := bytes.IndexFunc(b[:min(len(b), 120)], func(r rune) bool { return r < ' ' || r > '~' })
	if n < 0 {
		n = min(len(b), 120)
	}
	return string(b[:n])
}

// embed adds a section to an ELF file that is finished and perhaps stripped.
// Everything that is loaded stays as it is, byte for byte: the section, the
// names and the section table are written at the end. The section is not
// loaded at run time. It is done here and not by objcopy, since that lays the
// file out anew, in its version's way, and a linker may come without it.
func embed(content []byte, name string, data []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("reading the binary as ELF: %w", err)
	}
	if f.Class != elf.ELFCLASS64 {
		return nil, fmt.Errorf("the binary is %s: only 64-bit ones can take the list of crates", f.Class)
	}
	if f.Section(name) != nil {
		return nil, fmt.Errorf("the binary has a section %s already: build it with plain cargo, not with cargo-auditable", name)
	}
	var head elf.Header64
	if _, err := binary.Decode(content, f.ByteOrder, &head); err != nil {
		return nil, fmt.Errorf("reading the ELF header: %w", err)
	}
	const entry = 64 // sizeof(Elf64_Shdr)
	count, names := int(head.Shnum), int(head.Shstrndx)
	size := uint64(len(content))
	if count == 0 || count >= int(elf.SHN_LORESERVE)-1 || names >= count || head.Shentsize != entry ||
		head.Shoff > size || uint64(count*entry) > size-head.Shoff {
		return nil, fmt.Errorf("the binary's section table is missing or of an unknown form (%d sections at %d): do not remove section headers when stripping", count, head.Shoff)
	}
	table := make([]elf.Section64, count+1)
	if _, err := binary.Decode(content[head.Shoff:], f.ByteOrder, table[:count]); err != nil {
		return nil, fmt.Errorf("reading the section table: %w", err)
	}
	strtab := &table[names]
	if strtab.Off > size || strtab.Size > size-strtab.Off {
		return nil, errors.New("the binary's section names lie beyond its end: the file is damaged")
	}
	text := bytes.Clone(content[strtab.Off : strtab.Off+strtab.Size])

	out := bytes.Clone(content)
	if head.Shoff+uint64(count*entry) == size { // the old table is the end: drop it
		out = out[:head.Shoff]
	}
	pad := func() { out = append(out, make([]byte, (8-len(out)%8)%8)...) }
	pad()
	table[count] = elf.Section64{
		Name: uint32(len(text)), Type: uint32(elf.SHT_PROGBITS),
		Off: uint64(len(out)), Size: uint64(len(data)), Addralign: 1,
	}
	out = append(out, data...)
	text = append(text, name+"\x00"...)
	strtab.Off, strtab.Size = uint64(len(out)), uint64(len(text))
	out = append(out, text...)
	pad()
	head.Shoff, head.Shnum = uint64(len(out)), head.Shnum+1
	if out, err = binary.Append(out, f.ByteOrder, table); err != nil {
		return nil, err
	}
	if _, err := binary.Encode(out, f.ByteOrder, head); err != nil {
		return nil, err
	}
	return out, nil
}
