package stack

import (
	"maps"
	"net/url"
	"slices"
)

const (
	databaseFile = "rustshare.db"
	objectsDir   = "objects"
)

// environment is all that the server gets. Secrets travel in it and never as
// arguments, which any user of the machine can read.
func (p *Process) environment() []string {
	names := p.o.Run.Process
	env := map[string]string{
		names.Address:  p.address,
		names.Database: (&url.URL{Scheme: "sqlite", Path: p.path("data", databaseFile)}).String(),
		names.Storage:  p.path("data", objectsDir),
		"TMPDIR":       p.path("tmp"),
		"HOME":         p.path("work"),
	}
	if names.Frontend != "" {
		env[names.Frontend] = p.path("frontend")
		if p.o.Frontend != "" {
			env[names.Frontend] = p.o.Frontend
		}
	}
	maps.Copy(env, p.secrets)
	maps.Copy(env, p.o.Env)
	return assigned(env)
}

// assigned writes variables as processes get them, sorted.
func assigned(env map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}
