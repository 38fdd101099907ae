package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// ErrNoSSHKeygen is the error of a machine that cannot verify SSH signatures.
var ErrNoSSHKeygen = errors.New("ssh-keygen is not installed: `apt-get install openssh-client`")

var (
	sshKeyForm     = regexp.MustCompile(`with \S+ key (SHA256:\S+)`)
	sshExpiredForm = regexp.MustCompile(`key has expired: .*valid-before (\S+)`)
	sshEarlyForm   = regexp.MustCompile(`key is not yet valid: .*`)
	sshUsageForm   = regexp.MustCompile(`key is not permitted for use in signature namespace .*`)
	sshCertForm    = regexp.MustCompile(`Certificate invalid: .*`)
)

// verifySSH verifies a tag's SSH signature as git does, with ssh-keygen and the
// pinned allowed_signers file, but at the time of now: git takes the time from
// the tag, which its signer may choose.
func (c checker) verifySSH(ctx context.Context, obj git.TagObject, keys pinned) (*Signature, error) {
	tag := c.ref.Name
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		return nil, ErrNoSSHKeygen
	}
	dir, err := os.MkdirTemp("", "signers")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sig, signers := filepath.Join(dir, "tag.sig"), filepath.Join(dir, "allowed_signers")
	if keys.ssh != nil {
		signers = filepath.Join(dir, "pinned-"+path.Base(keys.ssh.path)) // ssh-keygen's messages name it
		if err := os.WriteFile(signers, keys.ssh.data, 0o600); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(sig, obj.Signature, 0o600); err != nil {
		return nil, err
	}
	keygen := func(args ...string) (string, error) {
		return run.Text(ctx, run.Cmd{
			Name: "ssh-keygen", Args: append([]string{"-Y"}, args...), Dir: dir,
			Stdin: bytes.NewReader(obj.Payload),
			Env:   []string{"LC_ALL=C", "TZ=UTC"}, // dates in the file are UTC everywhere
		})
	}
	at := "-Overify-time=" + c.now.UTC().Format("20060102150405")

	// Does the signature fit, whoever made it?
	out, err := keygen("check-novalidate", "-n", "git", "-s", sig)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &BadSignatureError{Tag: tag, Reason: "ssh-keygen says " + lastLine(err)}
	}
	m := sshKeyForm.FindStringSubmatch(out)
	if m == nil {
		return nil, fmt.Errorf("reading ssh-keygen's answer: %q names no key", out)
	}
	key := m[1]
	if keys.ssh == nil {
		return nil, &UnknownKeyError{Tag: tag, Key: key, Want: []string{c.p.Trust.SSHSigners}, From: keys.from}
	}

	// Whose key is it?
	file := keys.ssh.path
	out, err = keygen("find-principals", "-f", signers, "-s", sig, at)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, c.refusedSSH(err, key, file, "", keys.from, obj)
	}
	var last error
	for principal := range strings.Lines(out) {
		principal = strings.TrimRight(principal, "\r\n")
		if principal == "" {
			continue
		}
		if _, last = keygen("verify", "-n", "git", "-f", signers, "-I", principal, "-s", sig, at); last == nil {
			return &Signature{Format: git.SSH, Key: key, Owner: principal, File: file, From: keys.from}, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		last = c.refusedSSH(last, key, file, principal, keys.from, obj)
	}
	if last == nil {
		last = &UnknownKeyError{Tag: tag, Key: key, Files: []string{file}, From: keys.from}
	}
	return nil, last
}

// refusedSSH tells from ssh-keygen's words why a good signature does not count.
func (c checker) refusedSSH(err error, key, file, principal, from string, obj git.TagObject) error {
	var failed *run.Error
	if !errors.As(err, &failed) {
		return err
	}
	unusable := func(why string) error {
		return &UnusableKeyError{Tag: c.ref.Name, Key: key, Owner: principal, File: file, Reason: why}
	}
	said := failed.Tail
	if m := sshExpiredForm.FindStringSubmatch(said); m != nil {
		return &ExpiredKeyError{Tag: c.ref.Name, Key: key, Owner: principal, When: m[1], Signed: obj.Tagger.When, File: file}
	}
	for _, form := range []*regexp.Regexp{sshEarlyForm, sshUsageForm, sshCertForm} {
		if m := form.FindString(said); m != "" {
			return unusable(m)
		}
	}
	if principal != "" {
		return unusable(lastLine(err))
	}
	if strings.Contains(said, "no valid principals found") { // said of certificates alone
		return unusable("a pinned authority signed its certificate, but that has expired or names nobody who is pinned")
	}
	return &UnknownKeyError{Tag: c.ref.Name, Key: key, Files: []string{file}, From: from}
}

func lastLine(err error) string {
	var failed *run.Error
	if !errors.As(err, &failed) {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(failed.Tail), "\n")
	return fmt.Sprintf("%q", strings.TrimSpace(lines[len(lines)-1]))
}
