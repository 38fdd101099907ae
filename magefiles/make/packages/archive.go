package packages

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	nfpmfiles "github.com/goreleaser/nfpm/v2/files"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/kubedoio/rustshare-release/magefiles/bundle"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// archiveName is an archive's name without its ending, and the directory that
// it unpacks to.
func archiveName(p product.Product, v Version, t product.Target) string {
	return fmt.Sprintf("%s-%s-%s-%s", p.Name, v, t.OS, t.Arch)
}

// writeArchive writes a compressed tar archive (POSIX pax) with all files in one
// directory, sorted by name, owned by root. Memory does not grow with it.
func writeArchive(ctx context.Context, j job, src *sources, content []file, w io.Writer) error {
	var packed io.WriteCloser
	var err error
	if j.format == product.TarGz {
		zip, gzErr := gzip.NewWriterLevel(w, bundle.GzipLevel)
		err = gzErr
		if err == nil {
			zip.ModTime = time.Unix(0, 0) // none: the zero time would be written as a year to come
		}
		packed = zip
	} else {
		packed, err = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedDefault))
	}
	if err != nil {
		return err
	}
	out := tar.NewWriter(packed)
	dir := archiveName(src.p, src.in.Version, j.target)
	sorted := append([]file{directory("")}, content...)
	slices.SortFunc(sorted, func(a, c file) int { return cmp.Compare(a.name, c.name) })
	for _, f := range sorted {
		if err = errors.Join(ctx.Err(), src.archive(out, dir, f)); err != nil {
			break
		}
	}
	return errors.Join(err, out.Close(), packed.Close())
}

func (s *sources) archive(out *tar.Writer, dir string, f file) error {
	h := &tar.Header{
		Name: strings.TrimSuffix(dir+"/"+f.name, "/"), Mode: f.mode, Size: f.size, ModTime: s.time,
		Typeflag: tar.TypeReg, Uname: "root", Gname: "root", Format: tar.FormatPAX,
	}
	if f.kind == nfpmfiles.TypeDir {
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	}
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	if f.kind == nfpmfiles.TypeDir {
		return nil
	}
	var from io.Reader = bytes.NewReader(f.data)
	if f.path != "" {
		file, err := os.Open(f.path)
		if err != nil {
			return err
		}
		defer file.Close() //nolint:errcheck // only read
		from = file
	}
	_, err := io.Copy(out, from)
	return err
}
