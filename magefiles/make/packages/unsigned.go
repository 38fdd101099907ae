package packages

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// errShort is what a package that ends too early is.
var errShort = errors.New("it ends too early")

// Unsigned gives the part of a package that a signature does not change: what a
// build without the key can be compared with. It is a part of text.
func Unsigned(f product.PackageFormat, text []byte) ([]byte, error) {
	var out []byte
	var err error
	switch f {
	case product.Deb:
		out, err = unsignedDeb(text)
	case product.RPM:
		out, err = unsignedRPM(text)
	case product.APK:
		out, err = unsignedAPK(text)
	default:
		return text, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a %s package: %w", f, err)
	}
	return out, nil
}

// unsignedDeb ends before the first signature of an ar archive (deb(5)).
func unsignedDeb(text []byte) ([]byte, error) {
	const magic, header = "!<arch>\n", 60
	if !bytes.HasPrefix(text, []byte(magic)) {
		return nil, errors.New("it is no ar archive")
	}
	at := len(magic)
	for at < len(text) {
		if len(text)-at < header {
			return nil, errShort
		}
		h := string(text[at : at+header])
		if strings.HasPrefix(h, "_gpg") {
			return text[:at], nil
		}
		size, err := strconv.ParseUint(strings.TrimSpace(h[48:58]), 10, 40)
		if err != nil {
			return nil, fmt.Errorf("the size of a member is %q", h[48:58])
		}
		size += size % 2
		if uint64(len(text)-at-header) < size { //nolint:gosec // not negative
			return nil, errShort
		}
		at += header + int(size) //nolint:gosec // below the length
	}
	return text, nil
}

// unsignedRPM begins after the lead and the signature header (RPM v4).
func unsignedRPM(text []byte) ([]byte, error) {
	const lead, intro, entry = 96, 16, 16
	if len(text) < lead+intro {
		return nil, errShort
	}
	if !bytes.HasPrefix(text, []byte{0xed, 0xab, 0xee, 0xdb}) || !bytes.HasPrefix(text[lead:], []byte{0x8e, 0xad, 0xe8, 1}) {
		return nil, errors.New("it has no lead and signature header")
	}
	entries := uint64(binary.BigEndian.Uint32(text[lead+8:]))
	data := uint64(binary.BigEndian.Uint32(text[lead+12:]))
	end := lead + intro + entries*entry + data
	end += (8 - (end-lead)%8) % 8
	if end > uint64(len(text)) {
		return nil, errShort
	}
	return text[end:], nil
}

// unsignedAPK begins after the member with the signature (apk-package(5)).
func unsignedAPK(text []byte) ([]byte, error) {
	r := bytes.NewReader(text)
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	zip.Multistream(false)
	first, err := tar.NewReader(zip).Next()
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(first.Name, ".SIGN.") {
		return text, nil
	}
	if _, err := io.Copy(io.Discard, zip); err != nil {
		return nil, err
	}
	return text[len(text)-r.Len():], nil
}
