// Package git asks the git program about a repository. What it answers depends
// on the repository alone: the system's and the user's configuration, replace
// objects, grafts and GIT_ variables of the environment have no say.
package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
)

// Repo is a repository with its working tree. The methods take full ref names,
// commit hashes or "HEAD"; a name that git could read as anything else is
// refused before git sees it.
type Repo struct {
	// Dir is the top of the working tree, absolute.
	Dir string
}

// NotRepositoryError says why a directory is no repository that a release can
// start from.
type NotRepositoryError struct {
	Dir string
	// Top is the top of the working tree that Dir lies in, where there is one.
	Top string
	// Said is git's own message.
	Said string
}

func (e *NotRepositoryError) Error() string {
	if e.Top != "" {
		return fmt.Sprintf("%s is not the top of a git working tree: it lies inside %s; run in the product's checkout, or name it with -w", e.Dir, e.Top)
	}
	msg := fmt.Sprintf("%s is not a git repository with a working tree: run in the product's checkout, or name it with -w", e.Dir)
	if e.Said != "" {
		msg += " (git says: " + e.Said + ")"
	}
	return msg
}

// ErrNoGit is the error of a machine without the git program.
var ErrNoGit = errors.New("git is not installed: `apt-get install git`")

// Open gives the repository whose working tree has dir as its top. The error is
// [ErrNoGit] or a [*NotRepositoryError].
func Open(ctx context.Context, dir string) (Repo, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return Repo{}, ErrNoGit
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Repo{}, fmt.Errorf("opening the repository: %w", err)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	if _, err := os.Stat(abs); err != nil {
		return Repo{}, &NotRepositoryError{Dir: abs, Said: err.Error()}
	}
	top, err := Repo{abs}.text(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		if ctx.Err() != nil {
			return Repo{}, ctx.Err()
		}
		return Repo{}, &NotRepositoryError{Dir: abs, Said: said(err)}
	}
	if real, err := filepath.EvalSymlinks(top); err == nil {
		top = real
	}
	if top != abs {
		return Repo{}, &NotRepositoryError{Dir: abs, Top: top}
	}
	return Repo{abs}, nil
}

// said gives the first line of what a failed git printed.
func said(err error) string {
	var failed *run.Error
	if !errors.As(err, &failed) {
		return err.Error()
	}
	line, _, _ := strings.Cut(failed.Tail, "\n")
	return line
}

// always are the settings of every command. safe.directory: who runs this in a
// checkout trusts it, whoever owns the files; on CI another user often does,
// and the setting that allows it stands in the configuration that is left out.
var always = []string{
	"safe.directory=*",
	"core.fsmonitor=false",
	"core.quotePath=false",
	"core.hooksPath=/dev/null",
	"advice.graftFileDeprecated=false",
}

// environment is this process's one without anything that steers git or GPG,
// and with settings of the form "key=value". Git takes those from the
// environment as it does from -c (since 2.31).
func environment(settings ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); {
		case strings.HasPrefix(name, "GIT_"), strings.HasPrefix(name, "LC_"), name == "LANG", name == "LANGUAGE", name == "GNUPGHOME":
		default:
			env = append(env, kv)
		}
	}
	env = append(env,
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_GRAFT_FILE=/dev/null",
	)
	settings = append(slices.Clip(always), settings...)
	for i, kv := range settings {
		key, value, _ := strings.Cut(kv, "=")
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, value))
	}
	return append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(settings)))
}

func (r Repo) cmd(args ...string) run.Cmd {
	return run.Cmd{Name: "git", Args: args, Dir: r.Dir, Env: environment(), BareEnv: true}
}

func (r Repo) output(ctx context.Context, args ...string) ([]byte, error) {
	return run.Output(ctx, r.cmd(args...))
}

func (r Repo) text(ctx context.Context, args ...string) (string, error) {
	return run.Text(ctx, r.cmd(args...))
}

// ErrBadName is wrapped by the error of every refused name.
var ErrBadName = errors.New("no name that git accepts")

var nameForm = regexp.MustCompile(`^[^\x00-\x20\x7f~^:?*\[\\]+$`)

// CheckName holds a ref name, short or full, against the rules of
// git-check-ref-format(1), and refuses a leading dash.
func CheckName(name string) error {
	fault := ""
	switch {
	case name == "":
		fault = "it is empty"
	case len(name) > 250:
		fault = fmt.Sprintf("it has %d bytes", len(name))
	case strings.HasPrefix(name, "-"):
		fault = "it begins with a dash"
	case strings.Contains(name, ".."):
		fault = `it holds ".."`
	case !nameForm.MatchString(name):
		fault = "it holds a space, a control character or one of ~^:?*[\\"
	case strings.Contains(name, "@{") || name == "@":
		fault = `it holds "@"`
	case strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.Contains(name, "//"):
		fault = "it has an empty part"
	case strings.HasSuffix(name, "."):
		fault = "it ends in a dot"
	default:
		for part := range strings.SplitSeq(name, "/") {
			if strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
				fault = fmt.Sprintf("its part %q begins with a dot or ends in .lock", part)
			}
		}
	}
	if fault == "" {
		return nil
	}
	shown := name
	if len(shown) > 60 {
		shown = shown[:60] + "…"
	}
	return fmt.Errorf("%q is %w: %s", shown, ErrBadName, fault)
}

// CheckPath wants a clean slash-separated path inside the tree.
func CheckPath(path string) error {
	if path == "" || strings.ContainsRune(path, 0) || filepath.ToSlash(filepath.Clean(path)) != path || !filepath.IsLocal(path) || path == "." {
		return fmt.Errorf("%q is no clean path inside the repository", path)
	}
	return nil
}
