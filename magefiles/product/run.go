package product

import (
	"fmt"
	"regexp"
)

// Run says how the product is run to be tried.
type Run struct {
	// Alive is the path of the URL that answers with 200 while the server runs,
	// Ready that of the one that does when it can work, and with 5xx otherwise.
	Alive string `json:"alive"`
	Ready string `json:"ready"`
	// Secrets are the variables with the secrets that the product itself reads.
	// It refuses to start where they are weak.
	Secrets []string `json:"secrets"`
	// Process is nil where the product needs other services to run.
	Process *Process `json:"process,omitempty"`
}

// Process names the variables of the product as a single process with a
// database and an object store of its own.
type Process struct {
	// Address is host and port to listen on.
	Address string `json:"address"`
	// Database is the URL of an SQLite file, as in sqlite:/dir/file.
	Database string `json:"database"`
	// Storage is the directory of the object store.
	Storage string `json:"storage"`
	// Frontend is the directory of the built frontend; empty where the product
	// has none.
	Frontend string `json:"frontend,omitempty"`
}

// SecretNames are the variables with the secrets of an installation.
func (p Product) SecretNames() []string {
	var out []string
	if p.Run != nil {
		out = append(out, p.Run.Secrets...)
	}
	if p.Compose != nil {
		out = append(out, p.Compose.SecretNames()...)
	}
	return out
}

// SecretNames are the variables with the secrets of the services beside the
// product.
func (c Compose) SecretNames() []string {
	return []string{c.DatabasePasswordEnv, c.ObjectUserEnv, c.ObjectPasswordEnv}
}

var urlPathForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

const aVariable = "a variable's name of capital letters, digits and underscores"

func (r Run) validate(fault faultFunc, form formFunc) {
	form("Run.Alive", r.Alive, urlPathForm, "a path as in /health")
	form("Run.Ready", r.Ready, urlPathForm, "a path as in /health/ready")
	if len(r.Secrets) == 0 {
		fault("Run.Secrets", "is empty: name the variables with the product's secrets")
	}
	once := distinct(fault)
	for i, name := range r.Secrets {
		at := fmt.Sprintf("Run.Secrets[%d]", i)
		form(at, name, variableForm, aVariable)
		once(at, name)
	}
	p := r.Process
	if p == nil {
		return
	}
	for _, v := range [][2]string{{"Address", p.Address}, {"Database", p.Database}, {"Storage", p.Storage}, {"Frontend", p.Frontend}} {
		if v[0] != "Frontend" || v[1] != "" {
			form("Run.Process."+v[0], v[1], variableForm, aVariable)
		}
		once("Run.Process."+v[0], v[1])
	}
}
