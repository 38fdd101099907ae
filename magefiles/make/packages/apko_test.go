package packages_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1" //nolint:gosec // what apk names a package by
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/nfpm/v2/apk"

	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// alpine is a repository of apk packages whose index a key signs, and apko, which
// makes roots of it: another program that knows Alpine's packages.
type alpine struct {
	t         testing.TB
	apko, dir string
	key       identity
}

func newAlpine(t testing.TB) alpine {
	t.Helper()
	found, err := exec.Command("../../../scripts/setup.sh", "path", "apko").Output()
	ok(t, err)
	a := alpine{t, strings.TrimSpace(string(found)), t.TempDir(), newIdentity(t, keys.MadeAt(before))}
	if _, err := os.Stat(a.apko); err != nil {
		t.Skipf("no %s: `scripts/setup.sh packaging` builds it", a.apko)
	}
	ok(t, os.Mkdir(filepath.Join(a.dir, "x86_64"), 0o755))
	return a
}

// keyName is the name that an apk key is trusted by.
const keyName = "kubedoio-rustshare.rsa.pub"

// index writes and signs the list of what the repository has.
func (a alpine) index(entries ...string) {
	a.t.Helper()
	dir := a.t.TempDir()
	key, list := filepath.Join(dir, "key"), filepath.Join(dir, "list")
	text := gz(a.t, tarred(a.t, "APKINDEX", strings.Join(entries, "\n")+"\n"))
	ok(a.t, os.WriteFile(key, a.key.rsa, 0o600))
	ok(a.t, os.WriteFile(list, text, 0o600))
	signature := output(a.t, tool(a.t, "openssl"), "dgst", "-sha1", "-sign", key, list)
	// Both are one archive: the first has no end.
	first := gz(a.t, bytes.TrimSuffix(tarred(a.t, ".SIGN.RSA."+keyName, string(signature)), make([]byte, 1024)))
	ok(a.t, os.WriteFile(filepath.Join(a.dir, "x86_64/APKINDEX.tar.gz"), append(first, text...), 0o644))
}

// add puts a package into the repository, and gives its entry in the index.
func (a alpine) add(parts [][]byte) string {
	a.t.Helper()
	control := parts[len(parts)-2]
	info := map[string]string{}
	for line := range strings.Lines(untarred(a.t, gunzip(a.t, control))[".PKGINFO"].text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " = ")
		info[key] = strings.TrimSpace(info[key] + " " + value)
	}
	text, sum := bytes.Join(parts, nil), sha1.Sum(control)
	ok(a.t, os.WriteFile(filepath.Join(a.dir, "x86_64", info["pkgname"]+"-"+info["pkgver"]+".apk"), text, 0o644))
	return fmt.Sprintf("C:Q1%s\nP:%s\nV:%s\nA:%s\nS:%d\nI:%s\nT:%s\nD:%s\np:%s\n", base64.StdEncoding.EncodeToString(sum[:]),
		info["pkgname"], info["pkgver"], info["arch"], len(text), info["size"], info["pkgdesc"], info["depend"], info["provides"])
}

// asks runs a command of apko for one package, with a key that is trusted.
func (a alpine) asks(trusted []byte, want, command string, args ...string) (string, error) {
	a.t.Helper()
	dir := a.t.TempDir()
	public, config := filepath.Join(dir, keyName), filepath.Join(dir, "apko.yaml")
	ok(a.t, os.WriteFile(public, trusted, 0o644))
	ok(a.t, os.WriteFile(config, fmt.Appendf(nil, "contents: {keyring: [%q], repositories: [%q], packages: [%q]}\narchs: [x86_64]\n", public, a.dir, want), 0o644))
	cmd := exec.CommandContext(a.t.Context(), a.apko, append([]string{command, config}, args...)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+dir) // or it takes a package that it has seen before
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", errors.New(said.String())
	}
	return string(out), nil
}

// picks gives the packages that apko would install.
func (a alpine) picks(want string) []string {
	a.t.Helper()
	out, err := a.asks(a.key.rsaPublic, want, "show-packages", "--format", "name=version")
	ok(a.t, err)
	return strings.Fields(out)
}

// root gives the files of the root that apko makes.
func (a alpine) root(trusted []byte, want string) (map[string]entry, error) {
	a.t.Helper()
	file := filepath.Join(a.t.TempDir(), "root.tar")
	if _, err := a.asks(trusted, want, "build-minirootfs", file, "--build-arch=x86_64"); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	ok(a.t, err)
	return untarred(a.t, text), nil
}

type entry struct {
	*tar.Header
	text string
}

func tarred(t testing.TB, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	ok(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644}))
	_, err := io.WriteString(w, text)
	ok(t, err)
	ok(t, w.Close())
	return b.Bytes()
}

func untarred(t testing.TB, text []byte) map[string]entry {
	t.Helper()
	out := map[string]entry{}
	r := tar.NewReader(bytes.NewReader(text))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		ok(t, err)
		text, err := io.ReadAll(r)
		ok(t, err)
		out[h.Name] = entry{h, string(text)}
	}
}

func gz(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(text)
	ok(t, err)
	ok(t, w.Close())
	return b.Bytes()
}

func gunzip(t testing.TB, text []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(text))
	ok(t, err)
	out, err := io.ReadAll(r)
	ok(t, err)
	return out
}

// TestAPKO has apko make a root of a repository with a candidate and its release.
func TestAPKO(t *testing.T) {
	a := newAlpine(t)
	candidate, stable, _, _ := versions(t, product.APK, a.key.signer(t))
	parts := members(t, filepath.Join(stable, "tiny_0.4.0-r0_x86_64.apk"))
	older, newer := a.add(members(t, filepath.Join(candidate, "tiny_0.4.0_rc1-r0_x86_64.apk"))), a.add(parts)

	a.index(older, newer)
	_, err := a.root(a.key.rsaPublic, "tiny")
	says(t, err, `solving "/bin/sh" constraint: nothing provides "/bin/sh"`)
	shell := a.add(members(t, provider(t, apk.Default, "busybox-binsh", "/bin/sh")))
	a.index(newer, older, shell)
	for want, version := range map[string]string{"tiny": "0.4.0-r0", "tiny<0.4.0-r0": "0.4.0_rc1-r0", "tiny~0.4": "0.4.0-r0"} {
		if got := a.picks(want); len(got) != 2 || got[1] != "tiny="+version {
			t.Errorf("of %q apko picks %q", want, got)
		}
	}

	files, err := a.root(a.key.rsaPublic, "tiny")
	ok(t, err)
	for name, mode := range map[string]int64{"usr/bin/tinyd": 0o755, "etc/init.d/tiny": 0o755, "etc/tiny/tiny.env": 0o640, "usr/share/man/man8/tinyd.8.gz": 0o644} {
		f, found := files[name]
		if !found {
			t.Errorf("%s is not in the root", name)
		} else if f.Mode != mode || f.Uid != 0 || f.Gid != 0 {
			t.Errorf("%s is %o of %d:%d", name, f.Mode, f.Uid, f.Gid)
		}
	}
	if binary, err := compiled(); err != nil || files["usr/bin/tinyd"].text != string(binary) {
		t.Error("the binary in the root is another one")
	}
	for _, want := range []string{"P:tiny\nV:0.4.0-r0\nA:x86_64\nL:Apache-2.0\n", "D:/bin/sh\n", "F:etc/tiny\nR:tiny.env\na:0:0:0640\n"} {
		if installed := files["usr/lib/apk/db/installed"].text; !strings.Contains(installed, want) {
			t.Errorf("no %q in the list of what is installed:\n%s", want, installed)
		}
	}
	var scripts []string
	for name := range untarred(t, []byte(files["usr/lib/apk/db/scripts.tar"].text)) {
		scripts = append(scripts, name[strings.LastIndex(name, ".")+1:])
	}
	if slices.Sort(scripts); !slices.Equal(scripts, []string{"pre-deinstall", "pre-install"}) {
		t.Errorf("apko has the scripts %q", scripts)
	}

	stranger := newIdentity(t, keys.MadeAt(before))
	_, err = a.root(stranger.rsaPublic, "tiny")
	says(t, err, "signature verification failed for repository index, for all provided keys")
	data := gunzip(t, parts[2])
	data[bytes.Index(data, []byte("\x7fELF"))+5000] ^= 1
	a.add([][]byte{parts[0], parts[1], gz(t, data)})
	_, err = a.root(a.key.rsaPublic, "tiny")
	says(t, err, "checksum mismatch: usr/bin/tinyd header was")
}

// TestAPKOrder has apko pick the version before each.
func TestAPKOrder(t *testing.T) {
	a := newAlpine(t)
	var entries []string
	for _, v := range rising {
		version := version(t, v).In(product.APK) + "-r0"
		sum := sha1.Sum([]byte(version))
		entries = append(entries, fmt.Sprintf("C:Q1%s\nP:tiny\nV:%s\nA:x86_64\n", base64.StdEncoding.EncodeToString(sum[:]), version))
	}
	a.index(entries...)
	for i, v := range rising[1:] {
		this, last := version(t, v).In(product.APK)+"-r0", version(t, rising[i]).In(product.APK)+"-r0"
		if got := a.picks("tiny<" + this); len(got) != 1 || got[0] != "tiny="+last {
			t.Errorf("before %s apko has %q, want %s", this, got, last)
		}
	}
}
