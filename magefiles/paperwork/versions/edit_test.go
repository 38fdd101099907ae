package versions

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// The product of the tests below has a frontend as well.
func appWithWeb() product.Product {
	p := app
	p.Frontend = &product.Frontend{Dir: "web"}
	return p
}

const (
	cargoToml = "[package]\nname = \"app\"\nversion = \"0.1.0\"\n"
	cargoLock = "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n"
)

func checkoutOf(files map[string]string) fs.FS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

// planned gives what plan would write, by file.
func planned(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	changes, err := plan(checkoutOf(files), appWithWeb(), "0.2.0")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range changes {
		out[c.name] = string(c.text)
	}
	return out
}

func TestLock(t *testing.T) {
	text := "version = 1\r\n" +
		"[root]\r\nname = \"app\"\r\nversion = \"0.1.0\"\r\n" + // of long ago, and not read by Cargo any more
		"[[package]]\r\nversion = \"0.1.0\" # mine\r\nname = \"app\"\r\ndependencies = [ \"app 0.1.0 (registry+https://example.org)\", \"app 0.1.0\",\r\n 'other']\r\n" +
		"[[package]]\r\nname = \"app\"\r\nversion = \"0.1.0\"\r\nsource = \"registry+https://example.org\"\r\n" +
		"[[package]]\r\nname = \"other\"\r\nversion = \"0.1.0\"\r\ndependencies = ['app 0.1.0', \"app\"]\r\n[package.0]\r\nversion = \"0.1.0\""
	want := strings.NewReplacer(
		"\"0.1.0\" # mine", "\"0.2.0\" # mine",
		"\"app 0.1.0\",", "\"app 0.2.0\",",
		"'app 0.1.0'", "'app 0.2.0'",
	).Replace(text)
	got := planned(t, map[string]string{"Cargo.toml": cargoToml, "Cargo.lock": text, "web/package.json": "{}"})
	if got["Cargo.lock"] != want {
		t.Errorf("got\n%s\nwant\n%s", got["Cargo.lock"], want)
	}
}

func TestNPM(t *testing.T) {
	for name, tt := range map[string]struct{ pack, wantPack, lock, wantLock string }{
		"one line, and versions further down": {
			pack:     `{"dependencies":{"version":"1.0.0"},"version":"0.0.0","list":[{"version":"2"},"version"]}`,
			wantPack: `{"dependencies":{"version":"1.0.0"},"version":"0.2.0","list":[{"version":"2"},"version"]}`,
			lock:     `{"packages":{"node_modules/a":{"version":"1.0.0"},"":{"version":"0.0.0","x":[{"version":"0.0.0"}]}},"version":"0.0.0"}`,
			wantLock: `{"packages":{"node_modules/a":{"version":"1.0.0"},"":{"version":"0.2.0","x":[{"version":"0.0.0"}]}},"version":"0.2.0"}`,
		},
		"CRLF, tabs and a name in escapes": {
			pack:     "{\r\n\t\"name\": \"a\\\"version\\\": \\u0022\",\r\n\t\"versi\\u006fn\" :\t\"0.1.0\\u0020\",\r\n\t\"x\": null\r\n}",
			wantPack: "{\r\n\t\"name\": \"a\\\"version\\\": \\u0022\",\r\n\t\"versi\\u006fn\" :\t\"0.2.0\",\r\n\t\"x\": null\r\n}",
		},
		"no version":           {pack: "{\"private\": true}\n", lock: "{\"packages\": {\"\": {\"version\": 1}}}"},
		"the version is there": {pack: `{"version": "0.2.0"}`, lock: `{"version": "0.2.0", "packages": []}`},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"Cargo.toml": cargoToml, "Cargo.lock": cargoLock, "web/package.json": tt.pack}
			if tt.lock != "" {
				files["web/package-lock.json"] = tt.lock
			}
			got := planned(t, files)
			if got["web/package.json"] != tt.wantPack || got["web/package-lock.json"] != tt.wantLock {
				t.Errorf("got\n%s\n%s", got["web/package.json"], got["web/package-lock.json"])
			}
		})
	}
}

func TestFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string // nil values in "-" are taken away
		core  string
		want  string
	}{
		"no version":              {core: "0.2", want: `"0.2" is no SemVer 2.0.0 version`},
		"no checkout":             {files: map[string]string{"Cargo.toml": "-"}, want: "no Cargo.toml: this is not the product's checkout"},
		"no TOML":                 {files: map[string]string{"Cargo.toml": "[package]\nname = \"app\"\nversion = 0.1.0\n"}, want: "Cargo.toml:3: this is no TOML"},
		"a key twice":             {files: map[string]string{"Cargo.toml": "[package]\nname = \"app\"\nname = \"app\"\n"}, want: "Cargo.toml:3: this is no TOML"},
		"another package":         {files: map[string]string{"Cargo.toml": "[package]\nname = \"ap\"\nversion = \"0.1.0\"\n"}, want: "Cargo.toml:1: the workspace has no package app, only [ap]"},
		"no version declared":     {files: map[string]string{"Cargo.toml": "[package]\nname = \"app\"\n"}, want: "Cargo.toml:1: package app declares no version"},
		"a workspace's, but none": {files: map[string]string{"Cargo.toml": "[package]\nname = \"app\"\nversion.workspace = true\n"}, want: "Cargo.toml:1: package app declares no version"},
		"no pattern":              {files: map[string]string{"Cargo.toml": "[workspace]\nmembers = [\"[\"]\n"}, want: `Cargo.toml:2: workspace.members has "["`},
		"a broken member":         {files: map[string]string{"Cargo.toml": "[workspace]\nmembers = [\"a\"]\n", "a/Cargo.toml": "[package]\n[package]\n"}, want: "a/Cargo.toml:2: this is no TOML"},
		"no lock file":            {files: map[string]string{"Cargo.lock": "-"}, want: "commit a Cargo.lock"},
		"a broken lock file":      {files: map[string]string{"Cargo.lock": "\n[[package]\n"}, want: "Cargo.lock:2: this is no TOML"},
		"an old lock file":        {files: map[string]string{"Cargo.lock": "version = 4\n"}, want: "Cargo.lock:1: it has no package app 0.1.0"},
		"somebody else's":         {files: map[string]string{"Cargo.lock": cargoLock + "source = \"x\"\n"}, want: "Cargo.lock:1: it has no package app 0.1.0"},
		"no package.json":         {files: map[string]string{"web/package.json": "-"}, want: "reading the frontend's version: open web/package.json"},
		"no JSON":                 {files: map[string]string{"web/package.json": "{\n\n\"version\": 0.1.0}"}, want: "web/package.json:3: this is no JSON"},
		"half a JSON":             {files: map[string]string{"web/package-lock.json": "{\n"}, want: "web/package-lock.json:2: this is no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"Cargo.toml": cargoToml, "Cargo.lock": cargoLock, "web/package.json": "{}"}
			for name, text := range tt.files {
				if files[name] = text; text == "-" {
					delete(files, name)
				}
			}
			if tt.core == "" {
				tt.core = "0.2.0"
			}
			changes, err := plan(checkoutOf(files), appWithWeb(), tt.core)
			if err == nil || !strings.Contains(err.Error(), tt.want) || changes != nil {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			var at *Error
			if strings.Contains(tt.want, ":") && strings.Contains(tt.want, "1: ") && !errors.As(err, &at) {
				t.Errorf("%T is no *Error", err)
			}
		})
	}
	dir := t.TempDir()
	if _, err := Set(dir, app, "0.2.0"); !errors.Is(err, ErrNoCargo) || !strings.Contains(err.Error(), dir) {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := Members(dir); !errors.Is(err, ErrNoCargo) || !strings.Contains(err.Error(), dir) {
		t.Errorf("an empty directory: %v", err)
	}
}

// A file keeps its mode.
func TestMode(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"Cargo.toml": cargoToml, "Cargo.lock": cargoLock})
	if err := os.Chmod(dir+"/Cargo.toml", 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Set(dir, app, "0.2.0"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir + "/Cargo.toml"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
}

// Whatever stands in the files: bytes change only where the new version stands
// then, and a second call changes nothing.
func FuzzPlan(f *testing.F) {
	f.Add([]byte(cargoToml), []byte(cargoLock), []byte(`{"version": "0.1.0"}`), []byte(`{"version": "0.1.0", "packages": {"": {"version": "0.1.0"}}}`))
	f.Add([]byte("[workspace]\nmembers = [\"*\", \"../x\"]\nexclude = [\"a\"]\n"+cargoToml+"[dependencies]\nx = { path = \".\", version = \"=0.1.0\" }\n"), []byte(cargoLock+"dependencies = [\"app 0.1.0\"]\n"), []byte("{}"), []byte("[]"))
	f.Add([]byte("package = { name = \"app\", version.workspace = true }\nworkspace.package.version = '0.1.0'"), []byte("package = [{ name = 'app', version = '''0.1.0''' }]"), []byte(`{"version": {}}`), []byte(`{"version": "\"", "version": ""}`))
	f.Fuzz(func(t *testing.T, manifest, lock, pack, npmLock []byte) {
		const core = "987.65.4321"
		files := map[string][]byte{"Cargo.toml": manifest, "Cargo.lock": lock, "web/package.json": pack, "web/package-lock.json": npmLock}
		checkout := fstest.MapFS{}
		for name, text := range files {
			checkout[name] = &fstest.MapFile{Data: text}
		}
		changes, err := plan(checkout, appWithWeb(), core)
		if err != nil {
			return
		}
		for _, c := range changes {
			if !keeps(string(files[c.name]), string(c.text), core) {
				t.Errorf("%s was\n%q\nand is\n%q", c.name, files[c.name], c.text)
			}
			checkout[c.name] = &fstest.MapFile{Data: c.text}
		}
		if again, err := plan(checkout, appWithWeb(), core); err != nil || len(again) > 0 {
			t.Errorf("again: %q, %v", again, err)
		}
	})
}

// keeps tells whether all that stands around the new versions stood there
// before, in this order.
func keeps(before, after, core string) bool {
	parts := strings.Split(after, core)
	if !strings.HasPrefix(before, parts[0]) || !strings.HasSuffix(before, parts[len(parts)-1]) {
		return false
	}
	for _, part := range parts {
		_, rest, ok := strings.Cut(before, part)
		if !ok {
			return false
		}
		before = rest
	}
	return true
}
