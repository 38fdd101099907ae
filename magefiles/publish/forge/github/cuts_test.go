package github

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	kit "github.com/kubedoio/rustshare-release/magefiles/internal/testkit/github"
)

// Every request of a release's life is cut at every place. What was cut goes on
// where it stopped: by itself where tries are left, by a second run where they
// are not. Nothing is doubled, lost or public too early on the way.
func TestCuts(t *testing.T) {
	for name, tt := range map[string]struct {
		o     kit.Options
		late  bool // shown as the latest in the end, not when published
		tries []uint
	}{
		"plain":                   {kit.Options{}, true, []uint{1, 3}},
		"immutable":               {kit.Options{Immutable: true}, false, []uint{1}},
		"private without digests": {kit.Options{NoDigests: true, Private: true}, false, []uint{1, 3}},
		"lists that come late":    {kit.Options{Late: 1}, false, []uint{4}},
	} {
		t.Run(name, func(t *testing.T) {
			b := serve(t, tt.o)
			ok(t, converge(t.Context(), b.client(t, kit.Token, tt.tries[0]), wanted, tt.late))
			b.settled(t)
			requests := b.Requests()
			if len(requests) < 20 {
				t.Fatalf("only %d requests: %q", len(requests), requests)
			}
			failed := 0
			run := func(t *testing.T, n int, cut kit.Cut, tries uint) {
				b := serve(t, tt.o)
				b.Cut(n, cut)
				err := converge(t.Context(), b.client(t, kit.Token, tries), wanted, tt.late)
				if err != nil && tries > 1 {
					t.Errorf("it did not go on by itself: %v", err)
				}
				if err != nil {
					failed++
					says(t, err) // no token in it
					ok(t, converge(t.Context(), b.client(t, kit.Token, tries), wanted, tt.late))
				}
				b.settled(t)
			}
			for i, request := range requests {
				for _, cut := range kit.Cuts {
					for _, tries := range tt.tries {
						if tries == 3 && name != "plain" && strings.Contains(request, "/repos/") {
							continue // the others differ in the downloads alone
						}
						t.Run(fmt.Sprintf("%d %s %s, %d tries", i+1, request, cut, tries), func(t *testing.T) {
							run(t, i+1, cut, tries)
						})
					}
				}
			}
			if all := len(kit.Cuts) * len(requests); slices.Contains(tt.tries, 1) && failed != all {
				t.Errorf("%d runs of %d failed at first: the others were not cut", failed, all)
			}
		})
	}
}
