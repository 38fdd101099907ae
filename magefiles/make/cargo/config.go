package cargo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// settings are the compiler flags that the product's own
// .cargo/config.toml sets.
type settings struct {
	build  []string
	target map[string][]string
}

// flags gives the flags for a target: its own, else those of the build, as
// cargo chooses.
func (s settings) flags(triple string) []string {
	if f := s.target[triple]; len(f) > 0 {
		return f
	}
	return s.build
}

// foreign are tables of a machine's settings that would change a binary.
var foreign = []string{"profile", "env", "patch", "paths", "unstable", "include"}

// readSettings reads the checkout's own settings, which are part of the
// product, and refuses those of the machine that would change the binary.
func readSettings(dir, cargoHome string) (settings, error) {
	above := []string{cargoHome}
	for d := dir; d != filepath.Dir(d); {
		d = filepath.Dir(d)
		above = append(above, filepath.Join(d, ".cargo"))
	}
	for _, place := range above {
		table, path, err := readConfig(place)
		if err != nil {
			return settings{}, err
		}
		for _, key := range foreign {
			if _, ok := table[key]; ok {
				return settings{}, fmt.Errorf("%s sets %q, which would change the binary on this machine only: move the setting into the product's Cargo.toml or .cargo/config.toml, or the file out of the way during a release", path, key)
			}
		}
	}
	table, path, err := readConfig(filepath.Join(dir, ".cargo"))
	if err != nil {
		return settings{}, err
	}
	own, err := ownSettings(table)
	if err != nil {
		return settings{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return own, nil
}

// readConfig reads a directory's config, or config.toml: cargo prefers the
// older name where both exist. There may be none.
func readConfig(dir string) (table map[string]any, path string, err error) {
	for _, name := range []string{"config", "config.toml"} {
		path = filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, path, fmt.Errorf("reading cargo's settings: %w", err)
		}
		if err := toml.Unmarshal(text, &table); err != nil {
			return nil, path, fmt.Errorf("reading %s: %w", path, err)
		}
		return table, path, nil
	}
	return nil, path, nil
}

func ownSettings(table map[string]any) (settings, error) {
	s := settings{target: map[string][]string{}}
	build, _ := table["build"].(map[string]any)
	var err error
	if s.build, err = rustflags(build); err != nil {
		return s, fmt.Errorf("build.%w", err)
	}
	targets, _ := table["target"].(map[string]any)
	for name, v := range targets {
		target, _ := v.(map[string]any)
		if s.target[name], err = rustflags(target); err != nil {
			return s, fmt.Errorf("target.%s.%w", name, err)
		}
		if len(s.target[name]) > 0 && strings.HasPrefix(name, "cfg(") {
			return s, fmt.Errorf("rustflags of target.'%s' cannot be taken over into a release: write them under the target's triple", name)
		}
	}
	return s, nil
}

// rustflags reads a list of texts, or one text that is split at spaces.
func rustflags(table map[string]any) ([]string, error) {
	switch v := table["rustflags"].(type) {
	case nil:
		return nil, nil
	case string:
		return strings.Fields(v), nil
	case []any:
		var out []string
		for _, f := range v {
			s, ok := f.(string)
			if !ok {
				return nil, fmt.Errorf("rustflags holds %v: want texts", f)
			}
			out = append(out, s)
		}
		return out, nil
	default:
		return nil, fmt.Errorf("rustflags is %v: want a list of texts", v)
	}
}
