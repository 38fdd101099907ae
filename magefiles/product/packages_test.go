package product_test

import (
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

func TestPackages(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*product.Packages)
		says   string
	}{
		"no format":       {func(p *product.Packages) { p.Formats = nil }, "Packages.Formats: is empty"},
		"unknown format":  {func(p *product.Packages) { p.Formats[1] = "snap" }, `Packages.Formats[1]: "snap" is none of`},
		"format twice":    {func(p *product.Packages) { p.Formats[1] = product.Deb }, "Packages.Formats[1]"},
		"no address":      {func(p *product.Packages) { p.Maintainer = "Jane Doe" }, "Packages.Maintainer"},
		"two lines":       {func(p *product.Packages) { p.Maintainer = "Jane\nDoe <jane@example.org>" }, "Packages.Maintainer"},
		"section":         {func(p *product.Packages) { p.Section = "contrib/web" }, "Packages.Section"},
		"copyright":       {func(p *product.Packages) { p.Copyright = "a\nb" }, "Packages.Copyright"},
		"licence outside": {func(p *product.Packages) { p.License = "../LICENSE" }, "Packages.License"},
		"no readme":       {func(p *product.Packages) { p.Readme = "" }, "Packages.Readme"},
		"depends":         {func(p *product.Packages) { p.Depends["snap"] = nil }, "Packages.Depends"},
		"command":         {func(p *product.Packages) { p.Commands[0].Does = "" }, "Packages.Commands[0].Does"},
		"unit":            {func(p *product.Packages) { p.Service.After = []string{"postgres"} }, "Packages.Service.After[0]"},
		"capability":      {func(p *product.Packages) { p.Service.Capabilities = []string{"net"} }, "Packages.Service.Capabilities[0]"},
		"argument":        {func(p *product.Packages) { p.Service.Args = []string{"$HOME"} }, "Packages.Service.Args[0]"},
		"variable":        {func(p *product.Packages) { p.Service.Env["a b"] = "c" }, "Packages.Service.Env"},
		"value":           {func(p *product.Packages) { p.Service.Env["A"] = "b; rm" }, "Packages.Service.Env[A]"},
		"setting":         {func(p *product.Packages) { p.Service.Settings[0].Value = "`id`" }, "Packages.Service.Settings[0].Value"},
		"setting twice":   {func(p *product.Packages) { p.Service.Settings[1].Name = p.Service.Settings[0].Name }, "Packages.Service.Settings[1].Name"},
		"about":           {func(p *product.Packages) { p.Service.Settings[0].About = "a\nb" }, "Packages.Service.Settings[0].About"},
		"key outside":     {func(p *product.Packages) { p.Keys.OpenPGP = "/key.asc" }, "Packages.Keys.OpenPGP"},
		"key's name":      {func(p *product.Packages) { p.Keys.RSA = ".release/key.pem" }, ".rsa.pub"},
	} {
		t.Run(name, func(t *testing.T) {
			p := product.RustShare()
			tt.change(p.Packages)
			testkit.Says(t, p.Validate(), tt.says)
		})
	}
}
