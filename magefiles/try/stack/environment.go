package stack

import (
	"maps"
	"net/url"
	"slices"
)

// secretNames are the variables with the secrets that the product needs as a
// single process.
var secretNames = []string{
	"JWT_SECRET",
	"RUSTSHARE_SECRET_ENCRYPTION_KEY",
	"RUSTSHARE_CHAT_WEBHOOK_SECRET",
	"RUSTSHARE_ADMIN_PASSWORD",
	"RUSTSHARE_DEMO_VIEWER_PASSWORD",
}

const (
	readyPath    = "/health/ready"
	databaseFile = "rustshare.db"
	objectsDir   = "objects"
)

// environment is all that the server gets. Secrets travel in it and never as
// arguments, which any user of the machine can read.
func (p *Process) environment() []string {
	env := map[string]string{
		"BIND_ADDR":         p.address(),
		"DATABASE_URL":      (&url.URL{Scheme: "sqlite", Path: p.path("data", databaseFile)}).String(),
		"STORAGE_DIR":       p.path("data", objectsDir),
		"FRONTEND_DIST_DIR": p.path("frontend"),
		"TMPDIR":            p.path("tmp"),
		"HOME":              p.path("work"),
	}
	if p.o.Frontend != "" {
		env["FRONTEND_DIST_DIR"] = p.o.Frontend
	}
	maps.Copy(env, p.secrets)
	maps.Copy(env, p.o.Env)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}
