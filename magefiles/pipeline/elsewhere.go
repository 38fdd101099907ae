package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubedoio/rustshare-release/magefiles/decide"
	"github.com/kubedoio/rustshare-release/magefiles/internal/git"
	"github.com/kubedoio/rustshare-release/magefiles/internal/run"
	"github.com/kubedoio/rustshare-release/magefiles/make/cargo"
)

// Condition is something in which the build again is another one.
type Condition struct {
	What string `json:"what"`
	// Again is how it was for the build again; Same says why it was the same,
	// where it was.
	Again string `json:"again,omitempty"`
	Same  string `json:"same,omitempty"`
}

// elsewhere is another place to build in, with another user and other
// surroundings.
type elsewhere struct {
	*Suite
	// dir holds everything of it; nothing is written beside it.
	dir string
	// as is the other user, nil where it is the same.
	as *run.User
	// env is the whole environment; fake are the variables of another time.
	env, fake  []string
	host       string
	toolchains cargo.Toolchains
	conditions []Condition
}

// What the build again is given, beside another user.
const (
	otherCheckout = "another-checkout/of/the-same-commit"

	otherUmask = "0077"
	otherZone  = "Pacific/Kiritimati"
	otherShift = "+400d"
	otherHost  = "somewhere-else"
)

// checkout is the clone's directory: of another name and another length.
func (e *elsewhere) checkout() string { return e.at(otherCheckout) }

func (e *elsewhere) at(elem ...string) string {
	return filepath.Join(append([]string{e.dir}, elem...)...)
}

// elsewhere makes the place: the repository with the ref at the commit, this
// program, and what was downloaded before. It is removed with the directory.
func (s *Suite) elsewhere(ctx context.Context, dir string, ref decide.Ref, commit string) (*elsewhere, error) {
	e := &elsewhere{Suite: s, dir: dir}
	var triples []string
	for _, t := range s.Product.Cargo.Targets {
		triples = append(triples, t.Triple)
	}
	var err error
	if e.toolchains, err = cargo.Find(ctx, s.Dir, triples); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	e.chooseUser()
	for _, d := range []string{"home", "tmp", "cargo", "npm", "bin"} {
		if err := os.MkdirAll(e.at(d), 0o755); err != nil {
			return nil, err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := copyFile(self, e.at("bin", "suite"), 0o755); err != nil {
		return nil, fmt.Errorf("copying this program for the build again: %w", err)
	}
	repo, err := git.Mirror(ctx, s.Dir, e.checkout())
	if err != nil {
		return nil, err
	}
	if ref.Version.IsZero() { // the branch has gone on since, or will
		if err := repo.SetBranch(ctx, s.Product.Branches.Main, commit); err != nil {
			return nil, err
		}
	}
	if err := e.downloads(); err != nil {
		return nil, err
	}
	if err := e.give(); err != nil {
		return nil, err
	}
	e.environment(ctx)
	return e, e.do(ctx, nil, nil, e.checkout(), "git", "-c", "core.hooksPath=/dev/null", "switch", "--quiet", "--detach", commit)
}

// chooseUser picks another user, where this one may become another and the
// toolchain is there for others.
func (e *elsewhere) chooseUser() {
	same := func(format string, args ...any) {
		e.conditions = append(e.conditions, Condition{What: "user", Same: fmt.Sprintf(format, args...)})
	}
	if os.Getuid() != 0 {
		same("only root can build as somebody else")
		return
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		same("there is no user nobody on this machine")
		return
	}
	if closed := closedTo(e.dir); closed != "" {
		same("%s, to build in, is closed to others", closed)
		return
	}
	for _, tc := range e.toolchains {
		for _, path := range []string{tc.Cargo, tc.Rustc, tc.Sysroot} {
			if closed := closedTo(path); closed != "" {
				same("%s, with the toolchain in it, is closed to others", closed)
				return
			}
		}
	}
	uid, err := strconv.Atoi(nobody.Uid)
	gid, gerr := strconv.Atoi(nobody.Gid)
	if err = errors.Join(err, gerr); err != nil {
		same("%v", err)
		return
	}
	e.as = &run.User{UID: uid, GID: gid}
	e.conditions = append(e.conditions, Condition{What: "user", Again: fmt.Sprintf("nobody (%d:%d)", uid, gid)})
}

// closedTo names the directory above a path that others may not pass; "" where
// they may.
func closedTo(path string) string {
	for dir := path; ; {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// downloads copies what cargo and npm have downloaded: the build again happens
// without a network where that is whole. Sources that are unpacked are left
// behind, and credentials.
func (e *elsewhere) downloads() error {
	home, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	from := or(e.Getenv("CARGO_HOME"), filepath.Join(home, ".cargo"))
	for _, part := range []string{"registry/index", "registry/cache", "git/db", "config.toml"} {
		if err := copyThere(filepath.Join(from, filepath.FromSlash(part)), e.at("cargo", filepath.FromSlash(part))); err != nil {
			return fmt.Errorf("copying the crates that are here: %w", err)
		}
	}
	if e.Product.Frontend == nil {
		return nil
	}
	from = or(e.Getenv("npm_config_cache"), filepath.Join(home, ".npm"))
	if err := copyThere(filepath.Join(from, "_cacache"), e.at("npm", "_cacache")); err != nil {
		return fmt.Errorf("copying the npm packages that are here: %w", err)
	}
	return nil
}

// copyThere copies what may not be there.
func copyThere(from, to string) error {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return copyAll(from, to, nil)
}

// give hands everything to the other user.
func (e *elsewhere) give() error {
	if e.as == nil {
		return nil
	}
	return filepath.WalkDir(e.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, e.as.UID, e.as.GID)
	})
}

// passedOn are the variables that the build again gets from here: how to reach
// the network. No token is among them: the other user is not trusted with any.
var passedOn = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "npm_config_registry", "CARGO_HTTP_CAINFO", "CARGO_NET_GIT_FETCH_WITH_CLI",
}

// environment decides in what else the build again is another one.
func (e *elsewhere) environment(ctx context.Context) {
	note := func(what, again string) { e.conditions = append(e.conditions, Condition{What: what, Again: again}) }
	note("directory", otherCheckout)
	note("umask", otherUmask)
	note("time zone", otherZone)
	locale := otherLocale(ctx, or(e.Getenv("LC_ALL"), e.Getenv("LANG")))
	note("locale", locale)
	note("home and caches", "of its own, with copies of what was downloaded")
	name := "somebody-else"
	if e.as != nil {
		name = "nobody"
	}
	e.env = append(slices.Clone(e.childEnv),
		"PATH="+e.path(), "HOME="+e.at("home"), "TMPDIR="+e.at("tmp"), "USER="+name, "LOGNAME="+name,
		"TZ="+otherZone, "LANG="+locale, "LC_ALL="+locale,
		"CARGO_HOME="+e.at("cargo"), "npm_config_cache="+e.at("npm"),
	)
	home, err := os.UserHomeDir()
	if err == nil {
		if rustup := or(e.Getenv("RUSTUP_HOME"), filepath.Join(home, ".rustup")); closedTo(rustup) == "" || e.as == nil {
			e.env = append(e.env, "RUSTUP_HOME="+rustup)
		}
	}
	for _, key := range passedOn {
		if value := e.Getenv(key); value != "" {
			e.env = append(e.env, key+"="+value)
		}
	}
	if e.host = otherHost; os.Getuid() == 0 && canRename() {
		note("host name", otherHost)
	} else {
		e.host = ""
		e.conditions = append(e.conditions, Condition{What: "host name", Same: "only root on Linux can change it for one program"})
	}
	if e.fake, err = e.otherTime(ctx); err != nil {
		e.conditions = append(e.conditions, Condition{What: "time", Same: err.Error() + ": it is later, and no more"})
	} else {
		note("time", "later, and "+otherShift+" for compilers and bundlers (faketime)")
	}
}

// path has the very same compilers first, and no others: whoever looks for a
// toolchain runs what is there, and not all of them run under faketime.
func (e *elsewhere) path() string {
	var dirs []string
	for _, tc := range e.toolchains {
		dirs = append(dirs, filepath.Dir(tc.Cargo))
	}
	for _, dir := range filepath.SplitList(e.Getenv("PATH")) {
		_, err := os.Stat(filepath.Join(dir, "cargo"))
		if err != nil && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, string(filepath.ListSeparator))
}

// otherTime gives the variables that show programs another time. The error says
// why there are none.
func (e *elsewhere) otherTime(ctx context.Context) ([]string, error) {
	// What its library is called, faketime knows.
	lib, err := run.Text(ctx, run.Cmd{Name: "faketime", Args: []string{"-m", "-f", otherShift, "printenv", "LD_PRELOAD"}})
	if err != nil || !run.ShowsTime("LD_PRELOAD="+lib) {
		return nil, errors.New("faketime is not installed (`apt-get install faketime`)")
	}
	fake := []string{"LD_PRELOAD=" + lib, "FAKETIME=" + otherShift, "DONT_FAKE_MONOTONIC=1"}
	for _, tc := range e.toolchains {
		for _, tool := range []string{tc.Cargo, tc.Rustc} {
			// The compilers that rustup installs bring an allocator along that never
			// returns from asking for the time.
			limited, cancel := context.WithTimeout(ctx, toolLimit)
			err := run.Do(limited, run.Cmd{Name: tool, Args: []string{"--version"}, Env: fake})
			cancel()
			if err != nil {
				return nil, fmt.Errorf("%s does not run under faketime, a compiler from the distribution's packages does", tool)
			}
		}
	}
	return fake, nil
}

// toolLimit is how long a compiler may take to tell its version.
const toolLimit = 30 * time.Second

// otherLocale is a locale of this machine that is not the one in use: Turkish,
// whose letters surprise, where it is installed.
func otherLocale(ctx context.Context, own string) string {
	there, err := run.Text(ctx, run.Cmd{Name: "locale", Args: []string{"-a"}})
	if err == nil && slices.Contains(strings.Fields(there), "tr_TR.utf8") {
		return "tr_TR.UTF-8"
	}
	if own == "C.UTF-8" || own == "C.utf8" {
		return "C"
	}
	return "C.UTF-8"
}

// do runs a program there.
func (e *elsewhere) do(ctx context.Context, log io.Writer, env []string, dir, name string, args ...string) error {
	// The umask is that of a process: the shell sets it for the program alone.
	c := run.Cmd{
		Name: "/bin/sh", Args: append([]string{"-c", `umask ` + otherUmask + `; exec "$@"`, "sh", name}, args...),
		Dir: dir, BareEnv: true, Env: append(slices.Clone(e.env), env...), Log: log, As: e.as,
	}
	if e.host == "" {
		return run.Do(ctx, c)
	}
	return onHost(e.host, func() error { return run.Do(ctx, c) })
}

// fetch downloads what was not here, before the time is another one: servers'
// certificates would have expired.
func (e *elsewhere) fetch(ctx context.Context, log io.Writer) error {
	cargoBin := e.toolchains[0].Cargo
	if err := e.do(ctx, nil, []string{"CARGO_NET_OFFLINE=true"}, e.checkout(), cargoBin, "fetch", "--locked", "--quiet"); err != nil {
		if err := e.do(ctx, log, nil, e.checkout(), cargoBin, "fetch", "--locked"); err != nil {
			return fmt.Errorf("fetching crates for the build again: %w", err)
		}
	}
	f := e.Product.Frontend
	if f == nil {
		return nil
	}
	dir := filepath.Join(e.checkout(), filepath.FromSlash(f.Dir))
	if err := e.do(ctx, log, nil, dir, "npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--include=dev", "--ignore-scripts"); err != nil {
		return fmt.Errorf("fetching npm packages for the build again: %w", err)
	}
	return nil
}

// build makes the bundle there, and gives its directory.
func (e *elsewhere) build(ctx context.Context, log io.Writer, ref string) (string, error) {
	out := e.at("bundle")
	env := append(slices.Clone(e.fake), "CARGO_NET_OFFLINE=true", "npm_config_offline=true")
	if err := e.do(ctx, log, env, e.checkout(), e.at("bin", "suite"), "build:bundle", "-tag="+ref, "-out="+out); err != nil {
		return "", fmt.Errorf("building %s again: %w", ref, err)
	}
	return out, nil
}

// place makes a directory that another user can get to.
func place() (string, error) {
	base := os.TempDir()
	if os.Getuid() == 0 && closedTo(base) != "" {
		base = "/var/tmp"
	}
	dir, err := os.MkdirTemp(base, "reproduce-*")
	if err != nil {
		return "", err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

func copyFile(from, to string, mode fs.FileMode) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(mode), out.Close())
}
