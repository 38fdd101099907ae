package converge

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/internal/testkit/registries"
	"github.com/kubedoio/rustshare-release/magefiles/publish/registry"
)

// BenchmarkPublish publishes two platforms with 4 MB layers and reports what
// went over the wire: with all blobs new, with all blobs there, with all but
// the names there, and with nothing left to do.
func BenchmarkPublish(b *testing.B) {
	m := build(b, source{ref: "v0.1.0", commit: commit("a"), big: 4 << 20})
	edge := build(b, source{ref: "main", commit: commit("a"), big: 4 << 20})
	open := registries.All()["embedded"]
	for name, before := range map[string]func(*world){
		"new":     func(*world) {},
		"present": func(w *world) { w.publish(edge.want) },
		"tags": func(w *world) {
			w.publish(m.want)
			for _, tag := range append([]string{"0.1", "0", "latest"}, m.want.Immutable...) {
				remove(b, w, tag)
			}
		},
		"nothing": func(w *world) { w.publish(m.want) },
	} {
		b.Run(name, func(b *testing.B) {
			var total registry.Stats
			requests := 0
			for b.Loop() {
				b.StopTimer()
				w := newWorld(b, open(b))
				before(w)
				b.StartTimer()
				_, s := w.publish(m.want)
				total.Bytes += s.Bytes
				total.Blobs += s.Blobs
				total.Manifests += s.Manifests
				requests += s.Total()
				b.StopTimer()
				w.server.Close()
				b.StartTimer()
			}
			n := float64(b.N)
			b.ReportMetric(float64(requests)/n, "requests/op")
			b.ReportMetric(float64(total.Bytes)/n, "sentB/op")
			b.ReportMetric(float64(total.Blobs)/n, "blobs/op")
			b.ReportMetric(float64(total.Manifests)/n, "manifests/op")
		})
	}
}

func remove(b *testing.B, w *world, tag string) {
	b.Helper()
	req, err := http.NewRequest(http.MethodDelete, fmt.Sprintf("%s/v2/%s/manifests/%s", w.server.URL, repository, tag), nil)
	ok(b, err)
	res, err := connections.RoundTrip(req)
	ok(b, err)
	ok(b, res.Body.Close())
}
