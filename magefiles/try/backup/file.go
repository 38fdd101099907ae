package backup

import (
	"encoding/binary"
	"slices"
)

// file checks the file of a SQLite database that is written to it: what
// https://www.sqlite.org/fileformat.html says of its header, and that all its
// pages are there. What the pages hold is for SQLite to judge.
type file struct {
	p    *problems
	head []byte // the header so far
	size int64
	// page is the size of a page in bytes, and pages how many there are by the
	// header; zero where it is wrong.
	page, pages int64
}

const (
	fileMagic  = "SQLite format 3\x00"
	fileHeader = 100 // bytes
)

// Write never fails.
func (f *file) Write(b []byte) (int, error) {
	f.size += int64(len(b))
	if missing := fileHeader - len(f.head); missing > 0 {
		f.head = append(f.head, b[:min(missing, len(b))]...)
		if len(f.head) == fileHeader {
			f.header()
		}
	}
	return len(b), nil
}

func (f *file) header() {
	if string(f.head[:len(fileMagic)]) != fileMagic {
		f.p.add("is not the file of a SQLite database: it begins with %s", short(string(f.head[:len(fileMagic)])))
		return
	}
	page := int64(binary.BigEndian.Uint16(f.head[16:]))
	if page == 1 {
		page = 1 << 16 // which two bytes cannot say
	}
	if page < 512 || page&(page-1) != 0 {
		f.p.add("has pages of %d bytes by its header, expected a power of two from 512 to 65536", page)
		return
	}
	for _, version := range f.head[18:20] {
		if version != 1 && version != 2 {
			f.p.add("has the format version %d, expected 1 or 2: a newer SQLite wrote it", version)
			return
		}
	}
	// The number of pages counts only where the last to write knew of it.
	if !slices.Equal(f.head[24:28], f.head[92:96]) {
		f.p.add("does not say in its header how many pages it has: open it once with a SQLite from after 2010, and write to it")
		return
	}
	f.page, f.pages = page, int64(binary.BigEndian.Uint32(f.head[28:]))
}

// finish compares the size with the header.
func (f *file) finish() {
	switch {
	case len(f.head) < fileHeader:
		f.p.add("has %d bytes, and the header of a SQLite database has %d: the file was cut off", f.size, fileHeader)
	case f.page > 0 && f.page*f.pages != f.size:
		f.p.add("has %d bytes, and its header says %d pages of %d bytes: the file was cut off, or written to while it was copied", f.size, f.pages, f.page)
	}
}
