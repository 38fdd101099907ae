package scripts

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

// program gives a static Linux executable that prints one line, whatever it is
// asked, and ends.
func program(t testing.TB, machine elf.Machine, says string) []byte {
	t.Helper()
	says += "\n"
	var code []byte
	le := binary.LittleEndian
	switch machine {
	case elf.EM_X86_64:
		code = append(code, 0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x48, 0x8d, 0x35, 16, 0, 0, 0, 0xba) // write(1, text,
		code = le.AppendUint32(code, uint32(len(says)))                                              // length)
		code = append(code, 0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05)                   // exit(0)
	case elf.EM_AARCH64:
		for _, word := range []uint32{
			0xd2800020, 0x100000e1, 0xd2800002 | uint32(len(says))<<5, 0xd2800808, 0xd4000001, // write(1, text, length)
			0xd2800000, 0xd2800ba8, 0xd4000001, // exit(0)
		} {
			code = le.AppendUint32(code, word)
		}
	default:
		t.Fatalf("no program for %s is known", machine)
	}
	const base, headers = 0x400000, 64 + 56
	size := uint64(headers + len(code) + len(says))
	var out bytes.Buffer
	header := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: 1, Entry: base + headers, Phoff: 64,
		Ehsize: 64, Phentsize: 56, Phnum: 1,
	}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	segment := elf.Prog64{
		Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: base, Paddr: base, Filesz: size, Memsz: size, Align: 0x1000,
	}
	for _, part := range []any{header, segment, code, []byte(says)} {
		if err := binary.Write(&out, le, part); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}
