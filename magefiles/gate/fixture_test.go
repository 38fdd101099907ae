package gate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/keys"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// The signers are made once for all tests. Ada, Rex (RSA), Eve (ECDSA) and Sam
// (SSH) are pinned, Mal and Sal are not. Old's key expired in 2021, Rev's was
// revoked, and Sid's line in allowed_signers ended in 2021.
var (
	ada, rex, eve, mal, old, rev *keys.Signer
	sam, sal, sid                *keys.Signer
	// revoked is Rev's public key with the revocation.
	revoked []byte
	// now is after the keys were made.
	now time.Time
	// template is a repository with their public keys.
	template string
)

func TestMain(m *testing.M) {
	for _, tool := range []string{"git", "gpg", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "these tests need %s: `apt-get install git gnupg openssh-client`\n", tool)
			os.Exit(1)
		}
	}
	flag.Parse()
	if worker := flag.Lookup("test.fuzzworker"); worker != nil && worker.Value.String() == "true" {
		os.Exit(m.Run()) // these are killed at the end, and would leave agents behind
	}
	code := 1
	if err := makeSigners(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	for _, s := range []*keys.Signer{ada, rex, eve, mal, old, rev, sam, sal, sid} {
		if s != nil {
			if err := s.Close(context.Background()); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
	if err := os.RemoveAll(template); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func makeSigners(ctx context.Context) (err error) {
	for _, s := range []struct {
		to   **keys.Signer
		name string
		opts []keys.Option
	}{
		{&ada, "Ada", nil},
		{&rex, "Rex", []keys.Option{keys.Algorithm("rsa3072")}},
		{&eve, "Eve", []keys.Option{keys.Algorithm("nistp256")}},
		{&mal, "Mal", nil},
		{&old, "Old", []keys.Option{keys.MadeAt("20200101T000000"), keys.Expires("20210101T000000")}},
		{&rev, "Rev", nil},
	} {
		if *s.to, err = keys.NewOpenPGP(ctx, "", s.name, strings.ToLower(s.name)+"@example.com", s.opts...); err != nil {
			return err
		}
	}
	for to, name := range map[**keys.Signer]string{&sam: "sam", &sal: "sal", &sid: "sid"} {
		if *to, err = keys.NewSSH(ctx, "", name, name+"@example.com"); err != nil {
			return err
		}
	}
	sid.Public = []byte(strings.Replace(string(sid.Public), "namespaces", `valid-before="20210101",namespaces`, 1))

	// gpg writes a revocation with every key, its armor broken on purpose.
	cert, err := os.ReadFile(filepath.Join(rev.Home, "openpgp-revocs.d", rev.Fingerprint+".rev"))
	if err != nil {
		return err
	}
	home, err := os.MkdirTemp("/tmp", "rev")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	gpg := func(stdin []byte, args ...string) ([]byte, error) {
		return run.Output(ctx, run.Cmd{Name: "gpg", Args: append([]string{"--batch", "--homedir", home}, args...), Stdin: strings.NewReader(string(stdin))})
	}
	for _, file := range [][]byte{rev.Public, []byte(strings.Replace(string(cert), ":-----BEGIN", "-----BEGIN", 1))} {
		if _, err := gpg(file, "--import"); err != nil {
			return err
		}
	}
	revoked, err = gpg(nil, "--export") // binary, to have both kinds of files
	if err != nil {
		return err
	}
	now = time.Now()
	template, err = makeTemplate(ctx)
	return err
}

// signed is the date of every tag, by the word of its tagger.
var signed = time.Date(2020, 6, 1, 12, 0, 0, 0, time.UTC)

// theProduct is RustShare with a home that no remote of the tests has.
func theProduct() product.Product { return product.RustShare() }

// repository is a checkout of main with pinned keys and two commits.
type repository struct {
	git.Repo
	t *testing.T
}

func newRepository(t *testing.T) repository {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
		t.Fatal(err)
	}
	repo, err := git.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return repository{repo, t}
}

// makeTemplate makes what newRepository copies.
func makeTemplate(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "template")
	if err != nil {
		return "", err
	}
	repo, err := git.Init(ctx, dir, "main")
	if err != nil {
		return dir, err
	}
	for name, content := range map[string]string{
		"README.md":                "one",
		".gitignore":               "/target\n",
		".release/keys/ada.asc":    string(ada.Public) + string(eve.Public),
		".release/keys/old.asc":    string(old.Public),
		".release/keys/rex.asc":    string(rex.Public),
		".release/keys/rev.asc":    string(revoked),
		".release/keys/README":     "how to pin a key",
		".release/allowed_signers": "# release keys\n" + string(sam.Public) + string(sid.Public),
	} {
		if err := writeFile(filepath.Join(dir, name), content); err != nil {
			return dir, err
		}
	}
	if _, err := repo.Commit(ctx, nobody, time.Unix(1600000000, 0), "first"); err != nil {
		return dir, err
	}
	if err := writeFile(filepath.Join(dir, "README.md"), "two"); err != nil {
		return dir, err
	}
	_, err = repo.Commit(ctx, nobody, time.Unix(1700000000, 0), "second")
	return dir, err
}

func writeFile(file, content string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(content), 0o644)
}

func (r repository) write(name, content string) {
	r.t.Helper()
	if err := writeFile(filepath.Join(r.Dir, name), content); err != nil {
		r.t.Fatal(err)
	}
}

var nobody = git.Identity{Name: "Nobody", Email: "nobody@example.com"}

func (r repository) commit(message string) string {
	r.t.Helper()
	hash, err := r.Commit(r.t.Context(), nobody, time.Unix(1700000000, 0), message)
	if err != nil {
		r.t.Fatal(err)
	}
	return hash
}

// tag makes a tag at HEAD, annotated where there is no signer.
func (r repository) tag(name string, by *keys.Signer) {
	r.t.Helper()
	who := nobody
	if by != nil {
		who = by.Git()
	}
	r.tagAs(name, who, by != nil)
}

func (r repository) tagAs(name string, who git.Identity, sign bool) {
	r.t.Helper()
	if err := r.MakeTag(r.t.Context(), who, signed, name, "HEAD", "Release "+name, sign); err != nil {
		r.t.Fatal(err)
	}
}

// git runs any git command.
func (r repository) git(args ...string) string {
	r.t.Helper()
	return gitIn(r.t, r.Dir, "", args...)
}

func gitIn(t *testing.T, dir, stdin string, args ...string) string {
	t.Helper()
	out, err := run.Text(t.Context(), run.Cmd{
		Name: "git", Args: append([]string{"-c", "protocol.file.allow=always"}, args...), Dir: dir, Stdin: strings.NewReader(stdin),
		Env: []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_COMMITTER_NAME=N", "GIT_COMMITTER_EMAIL=n@example.com", "GIT_AUTHOR_NAME=N", "GIT_AUTHOR_EMAIL=n@example.com"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rewrite changes a tag object and puts it under a name.
func (r repository) rewrite(tag, as string, change func(string) string) {
	r.t.Helper()
	raw := r.git("cat-file", "tag", "refs/tags/"+tag) + "\n"
	hash := gitIn(r.t, r.Dir, change(raw), "hash-object", "-t", "tag", "-w", "--stdin", "--literally")
	r.git("update-ref", "refs/tags/"+as, hash)
}

func parse(t *testing.T, name string) decide.Ref {
	t.Helper()
	ref, err := decide.ParseRef(name, "main")
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// faked is an identity whose gpg believes that it is 2020.
func faked(t *testing.T, s *keys.Signer) git.Identity {
	t.Helper()
	script := filepath.Join(t.TempDir(), "gpg")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec gpg --faked-system-time 20200601T120000 \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	who := s.Git()
	who.Config = append(who.Config, "gpg.program="+script)
	return who
}
