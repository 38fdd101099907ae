// Package elfkit makes small ELF executables that carry a list of crates, for
// tests and benchmarks.
package elfkit

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
)

// Crate is one entry of the list that cargo-auditable embeds in a binary.
type Crate struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Source is "crates.io", "local" or a git URL.
	Source string `json:"source"`
	// Kind is "" for a runtime dependency, or "build".
	Kind string `json:"kind,omitempty"`
	// Dependencies are indices into the list.
	Dependencies []uint `json:"dependencies,omitempty"`
	Root         bool   `json:"root,omitempty"`
}

// Crates is a small list as a web service has one.
func Crates() []Crate {
	return []Crate{
		{Name: "axum", Version: "0.8.4", Source: "crates.io", Dependencies: []uint{3}},
		{Name: "cc", Version: "1.2.0", Source: "crates.io", Kind: "build"},
		{Name: "rustshare-server", Version: "0.1.0", Source: "local", Root: true, Dependencies: []uint{0, 1, 3}},
		{Name: "tokio", Version: "1.47.1", Source: "crates.io"},
	}
}

// Executable makes a small static ELF executable that does nothing but carry
// a list of crates in a section .dep-v0 and padding that does not compress.
// Without crates it has no such section.
func Executable(machine elf.Machine, crates []Crate, padding int) []byte {
	names := []byte("\x00.shstrtab\x00.dep-v0\x00.text\x00")
	text := make([]byte, padding)
	noise := rand.NewChaCha8([32]byte{byte(machine)})
	_, _ = noise.Read(text) // never fails
	type section struct {
		name uint32
		kind elf.SectionType
		body []byte
	}
	sections := []section{
		{name: 1, kind: elf.SHT_STRTAB, body: names},
		{name: 19, kind: elf.SHT_PROGBITS, body: text},
	}
	if crates != nil {
		list, err := json.Marshal(map[string]any{"packages": crates})
		if err != nil {
			panic(err) // plain data of a test
		}
		var packed bytes.Buffer
		w := zlib.NewWriter(&packed)
		_, _ = w.Write(list)
		_ = w.Close()
		sections = append(sections, section{name: 11, kind: elf.SHT_PROGBITS, body: packed.Bytes()})
	}

	const headerSize, sectionSize = 64, 64
	var body bytes.Buffer
	table := []elf.Section64{{}}
	for _, s := range sections {
		table = append(table, elf.Section64{
			Name: s.name, Type: uint32(s.kind), Off: uint64(headerSize + body.Len()), Size: uint64(len(s.body)), Addralign: 1,
		})
		body.Write(s.body)
	}
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Shoff: uint64(headerSize + body.Len()), Ehsize: headerSize,
		Shentsize: sectionSize, Shnum: uint16(len(table)), Shstrndx: 1,
	}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS64)
	header.Ident[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	header.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)

	var out bytes.Buffer
	for _, part := range []any{header, body.Bytes(), table} {
		_ = binary.Write(&out, binary.LittleEndian, part) // into memory
	}
	return out.Bytes()
}
