// Package keys makes fresh signing identities for rehearsals and tests: an
// OpenPGP key in a GPG home of its own, or an SSH key. Neither is protected by
// a passphrase, and nothing of the user's own keys is touched.
package keys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Signer is a signing identity. [Signer.Close] has to be called when it is no
// longer needed: an OpenPGP one has an agent running.
type Signer struct {
	Format      git.Format
	Name, Email string
	// Home is the directory that holds the private key.
	Home string
	// Fingerprint is upper-case hex for OpenPGP and SHA256:… for SSH.
	Fingerprint string
	// Public is what a product's repository pins: an armored public key, or a
	// line of an allowed_signers file with its line feed.
	Public []byte

	env       []string
	key       string
	temporary []string
}

// ErrNoTool is wrapped where neither gpg nor ssh-keygen is installed.
var ErrNoTool = errors.New("no program that signs tags was found: `apt-get install gnupg` (or openssh-client)")

// New makes an OpenPGP identity where there is gpg, and an SSH one otherwise.
// The private key lies in dir, or in a temporary directory that Close removes
// where dir is empty.
func New(ctx context.Context, dir, name, email string) (*Signer, error) {
	if _, err := exec.LookPath("gpg"); err == nil {
		return NewOpenPGP(ctx, dir, name, email)
	}
	if _, err := exec.LookPath("ssh-keygen"); err == nil {
		return NewSSH(ctx, dir, name, email)
	}
	return nil, ErrNoTool
}

// Option changes how an OpenPGP key is made.
type Option func(*options)

type options struct{ algorithm, expires, made string }

// Algorithm names the key's algorithm as gpg does: "ed25519" (the default),
// "rsa3072", "nistp256".
func Algorithm(name string) Option { return func(o *options) { o.algorithm = name } }

// Expires sets when the key expires, as gpg reads it ("1d", "never", an ISO
// date). The default is never.
func Expires(when string) Option { return func(o *options) { o.expires = when } }

// MadeAt makes the key as if the clock stood at a UTC time of the form
// 20060102T150405.
func MadeAt(stamp string) Option { return func(o *options) { o.made = stamp } }

// NewOpenPGP makes an OpenPGP key with gpg, which can certify and sign.
func NewOpenPGP(ctx context.Context, dir, name, email string, opts ...Option) (*Signer, error) {
	o := options{algorithm: "ed25519", expires: "never"}
	for _, set := range opts {
		set(&o)
	}
	s := &Signer{Format: git.OpenPGP, Name: name, Email: email}
	if err := s.makeOpenPGP(ctx, dir, o); err != nil {
		return nil, errors.Join(fmt.Errorf("making an OpenPGP key: %w", err), s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Signer) makeOpenPGP(ctx context.Context, dir string, o options) (err error) {
	if s.Home, err = s.home(dir); err != nil {
		return err
	}
	s.env = []string{"GNUPGHOME=" + s.Home}
	generate := []string{"--passphrase", "", "--quick-generate-key", s.Name + " <" + s.Email + ">", o.algorithm, "cert,sign", o.expires}
	if o.made != "" {
		generate = append([]string{"--faked-system-time", o.made + "!"}, generate...)
	}
	if _, err = s.GPG(ctx, generate...); err != nil {
		return err
	}
	list, err := s.GPG(ctx, "--with-colons", "--list-keys")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(list)) {
		if f := strings.Split(line, ":"); f[0] == "fpr" && len(f) > 9 {
			s.Fingerprint = f[9]
			break
		}
	}
	if s.Fingerprint == "" {
		return errors.New("gpg lists no key after it made one")
	}
	s.key = s.Fingerprint
	s.Public, err = s.GPG(ctx, "--armor", "--export", s.Fingerprint)
	return err
}

// GPG runs gpg in the identity's home and gives its standard output.
func (s *Signer) GPG(ctx context.Context, args ...string) ([]byte, error) {
	base := []string{"--batch", "--no-tty", "--pinentry-mode", "loopback"}
	return run.Output(ctx, run.Cmd{Name: "gpg", Args: append(base, args...), Env: append([]string{"LC_ALL=C"}, s.env...)})
}

// NewSSH makes an Ed25519 key with ssh-keygen.
func NewSSH(ctx context.Context, dir, name, email string) (*Signer, error) {
	s := &Signer{Format: git.SSH, Name: name, Email: email}
	if err := s.makeSSH(ctx, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("making an SSH key: %w", err), s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Signer) makeSSH(ctx context.Context, dir string) (err error) {
	if s.Home, err = s.home(dir); err != nil {
		return err
	}
	file := filepath.Join(s.Home, "id_ed25519")
	if err = run.Do(ctx, run.Cmd{Name: "ssh-keygen", Args: []string{"-q", "-t", "ed25519", "-N", "", "-C", s.Email, "-f", file}}); err != nil {
		return err
	}
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		return err
	}
	s.key = file
	s.Public = []byte(s.Email + ` namespaces="git" ` + string(public))
	out, err := run.Text(ctx, run.Cmd{Name: "ssh-keygen", Args: []string{"-l", "-E", "sha256", "-f", file + ".pub"}})
	if err != nil {
		return err
	}
	if f := strings.Fields(out); len(f) > 1 {
		s.Fingerprint = f[1]
	}
	return nil
}

// home makes the directory of the private key. The sockets of gpg-agent lie in
// it and their paths may have 107 bytes, so that a long one is reached through
// a short symbolic link.
func (s *Signer) home(dir string) (string, error) {
	const longest = 70
	tmp := os.TempDir()
	if len(tmp) > longest-20 {
		tmp = "/tmp"
	}
	if dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		if err := os.MkdirAll(abs, 0o700); err != nil {
			return "", err
		}
		if err := os.Chmod(abs, 0o700); err != nil { // gpg warns otherwise
			return "", err
		}
		if len(abs) <= longest {
			return abs, nil
		}
		dir = abs
	}
	short, err := os.MkdirTemp(tmp, "key")
	if err != nil {
		return "", err
	}
	s.temporary = append(s.temporary, short)
	if dir == "" {
		return short, nil
	}
	link := filepath.Join(short, "h")
	return link, os.Symlink(dir, link)
}

// Git gives the identity for git: settings that make it sign with this key and
// no other.
func (s *Signer) Git() git.Identity {
	config := []string{"gpg.format=" + string(s.Format), "user.signingKey=" + s.key}
	switch s.Format {
	case git.OpenPGP:
		config = append(config, "gpg.program=gpg")
	case git.SSH:
		config = append(config, "gpg.ssh.program=ssh-keygen")
	}
	return git.Identity{Name: s.Name, Email: s.Email, Config: config, Env: s.env}
}

// Close shuts the agent down and removes what is temporary.
func (s *Signer) Close(ctx context.Context) error {
	var err error
	if s.Format == git.OpenPGP && s.Home != "" {
		if _, missing := exec.LookPath("gpgconf"); missing == nil {
			err = run.Do(ctx, run.Cmd{Name: "gpgconf", Args: []string{"--kill", "all"}, Env: s.env})
		}
	}
	for _, dir := range s.temporary {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}
