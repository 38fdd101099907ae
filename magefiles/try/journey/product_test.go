package journey

import (
	"net/http"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/inmemory"
)

// product is one in memory.
type product struct {
	*inmemory.Product
	t *testing.T
}

var (
	admin  = Account{inmemory.AdminEmail, inmemory.AdminPassword}
	viewer = Account{inmemory.ViewerEmail, inmemory.ViewerPassword}
)

func newProduct(t *testing.T) *product {
	t.Helper()
	return &product{inmemory.New(t), t}
}

// target is for a journey of one test.
func (p *product) target() Target {
	transport := &http.Transport{}
	p.t.Cleanup(transport.CloseIdleConnections)
	return Target{URL: p.URL, Admin: admin, Viewer: viewer, FileSize: 20_000, Transport: transport}
}
