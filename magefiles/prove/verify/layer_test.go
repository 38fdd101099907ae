package verify

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// pack makes a layer of name and content pairs; "->" before a content makes a
// symbolic link.
func pack(t testing.TB, zip bool, pairs ...string) []byte {
	t.Helper()
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for i := 0; i < len(pairs); i += 2 {
		h := &tar.Header{Name: pairs[i], Typeflag: tar.TypeReg, Size: int64(len(pairs[i+1]))}
		body := pairs[i+1]
		if target, ok := strings.CutPrefix(body, "->"); ok {
			h.Typeflag, h.Linkname, h.Size, body = tar.TypeSymlink, target, 0, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !zip {
		return plain.Bytes()
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(plain.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestHashIn(t *testing.T) {
	sum := sha256.Sum256([]byte("server"))
	want := hex.EncodeToString(sum[:])
	good := pack(t, true, "app/server", "server", "app/other", "other")
	for _, c := range []struct {
		name  string
		layer []byte
		// bad is part of the error; empty where the hash is found. The image
		// itself is wrong where image is true, else it could not be read.
		bad   string
		image bool
	}{
		{name: "gzip", layer: good},
		{name: "plain tar", layer: pack(t, false, "app/server", "server")},
		{name: "leading dot", layer: pack(t, true, "./app/server", "server")},
		{name: "leading slash", layer: pack(t, true, "/app/server", "server")},
		{name: "absent", layer: pack(t, true, "app/other", "other"), bad: "which is not in its top layer", image: true},
		{name: "empty", layer: nil, bad: "which is not in its top layer", image: true},
		{name: "twice", layer: pack(t, true, "app/server", "server", "./app/server", "evil"), bad: "has /app/server twice", image: true},
		{name: "link", layer: pack(t, true, "app/server", "->other", "app/other", "server"), bad: "not as a regular file", image: true},
		{name: "cut off", layer: good[:len(good)/2], bad: "reading the layer"},
		{name: "broken gzip", layer: []byte{0x1f, 0x8b, 0, 0}, bad: "unpacking the layer"},
		{name: "no tar", layer: bytes.Repeat([]byte("x"), 1024), bad: "reading the layer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := hashIn(bytes.NewReader(c.layer), "/app/server")
			if c.bad == "" {
				if err != nil || got != want {
					t.Errorf("got %q and %v, want %q", got, err, want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.bad) {
				t.Fatalf("got %v, want an error that says %q", err, c.bad)
			}
			if bad := badImage(""); errors.As(err, &bad) != c.image {
				t.Errorf("the error %v is of type %T", err, err)
			}
		})
	}
}

func FuzzHashIn(f *testing.F) {
	f.Add(pack(f, true, "app/server", "server"))
	f.Add(pack(f, false, "app/server", "server", "app/server", "again"))
	f.Fuzz(func(t *testing.T, layer []byte) {
		sum, err := hashIn(bytes.NewReader(layer), "/app/server")
		if (err == nil) != (len(sum) == 64) {
			t.Errorf("got %q and %v", sum, err)
		}
	})
}
