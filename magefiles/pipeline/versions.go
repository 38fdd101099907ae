package pipeline

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

var (
	lockEntry    = regexp.MustCompile(`(?m)^\[\[package\]\]\nname = "[^"]+"\nversion = "([^"]+)"\n(source = )?`)
	cargoRelease = regexp.MustCompile(`(?m)^(\[(?:workspace\.)?package\](?:\n[^\[\n]*)*?\nversion = )"([^"]+)"`)
	npmVersion   = regexp.MustCompile(`^(\{(?:\n[^{}\[\]]*)*?\n  "version": )"([^"]+)"`)
)

// setVersion writes a version into Cargo.toml, the workspace's own entries of
// Cargo.lock, and the frontend's package.json, where there is one.
func setVersion(checkout, frontend, version string) error {
	replace := func(name string, edit func([]byte) ([]byte, error)) error {
		path := filepath.Join(checkout, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if text, err = edit(text); err != nil {
			return fmt.Errorf("setting the version in %s: %w", path, err)
		}
		return os.WriteFile(path, text, 0o644)
	}
	first := func(re *regexp.Regexp) func([]byte) ([]byte, error) {
		return func(text []byte) ([]byte, error) {
			m := re.FindSubmatchIndex(text)
			if m == nil {
				return nil, fmt.Errorf("found no version to set")
			}
			return append(append(bytes.Clone(text[:m[4]]), version...), text[m[5]:]...), nil
		}
	}
	if err := replace("Cargo.toml", first(cargoRelease)); err != nil {
		return err
	}
	err := replace("Cargo.lock", func(text []byte) ([]byte, error) {
		var out []byte
		last := 0
		for _, m := range lockEntry.FindAllSubmatchIndex(text, -1) {
			if m[4] >= 0 { // a package with a source is somebody else's
				continue
			}
			out = append(append(out, text[last:m[2]]...), version...)
			last = m[3]
		}
		if last == 0 {
			return nil, fmt.Errorf("found no package of the workspace")
		}
		return append(out, text[last:]...), nil
	})
	if err != nil || frontend == "" {
		return err
	}
	return replace(filepath.Join(frontend, "package.json"), first(npmVersion))
}
