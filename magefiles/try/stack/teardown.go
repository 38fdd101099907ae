package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// projectLabel is on everything that docker compose makes.
const projectLabel = "com.docker.compose.project"

// dockerKind is a kind of thing that Docker keeps.
type dockerKind struct {
	name string
	// all, named and removed are arguments: those that list all of them, the
	// format of a name, and those that remove one.
	all     []string
	named   string
	removed []string
}

// kinds are in the order of removal: what is used by another comes after it.
var kinds = [...]dockerKind{
	// Anonymous volumes have no label; they go with their container.
	{"container", []string{"container", "ls", "--all"}, "{{.Names}}", []string{"container", "rm", "--force", "--volumes"}},
	{"network", []string{"network", "ls"}, "{{.Name}}", []string{"network", "rm"}},
	{"volume", []string{"volume", "ls"}, "{{.Name}}", []string{"volume", "rm"}},
}

func (k dockerKind) list(filters ...string) []string {
	args := append([]string{}, k.all...)
	for _, f := range filters {
		args = append(args, "--filter", f)
	}
	return args
}

// thing is one container, network or volume.
type thing struct {
	kind dockerKind
	name string
}

func names(things []thing) []string {
	var out []string
	for _, t := range things {
		out = append(out, t.kind.name+" "+t.name)
	}
	return out
}

// things lists what all the filters let pass.
func (d docker) things(ctx context.Context, filters ...string) ([]thing, error) {
	var out []thing
	for _, k := range kinds {
		found, err := d.lines(ctx, append(k.list(filters...), "--format", k.named)...)
		if err != nil {
			return nil, fmt.Errorf("asking Docker for %ss: %w", k.name, err)
		}
		for _, name := range found {
			out = append(out, thing{k, name})
		}
	}
	return out, nil
}

// remove removes what all the filters let pass. What was under way in Docker
// may appear late, so it looks again. It names what is left.
func (d docker) remove(ctx context.Context, filters ...string) (left []string, err error) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, time.Second
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		left = nil
		found, err := d.things(ctx, filters...)
		if err != nil || len(found) == 0 {
			return struct{}{}, err
		}
		var failed error
		for _, k := range kinds {
			names, err := d.removeKind(ctx, k, found)
			left, failed = append(left, names...), errors.Join(failed, err)
		}
		if failed == nil { // look whether that was all
			failed = errAgain
		}
		return struct{}{}, failed
	}, backoff.WithBackOff(pause), backoff.WithMaxTries(5))
	if errors.Is(err, errAgain) {
		found, lerr := d.things(ctx, filters...)
		if lerr == nil && len(found) == 0 {
			return nil, nil
		}
		return names(found), errors.Join(errors.New("it appears again and again"), lerr)
	}
	return left, err
}

// removeKind removes the things of one kind side by side, and names those that
// stay: whoever interrupts a run does not wait for long.
func (d docker) removeKind(ctx context.Context, k dockerKind, found []thing) (left []string, err error) {
	failed := make([]error, len(found))
	var all sync.WaitGroup
	for i, t := range found {
		if t.kind.name == k.name {
			all.Go(func() { _, failed[i] = d.text(ctx, slices.Concat(k.removed, []string{t.name})...) })
		}
	}
	all.Wait()
	for i, t := range found {
		if failed[i] != nil {
			left = append(left, t.kind.name+" "+t.name+d.usedBy(ctx, t))
		}
	}
	return left, errors.Join(failed...)
}

var errAgain = errors.New("look again")

// usedBy names the containers that keep a network or volume from being removed.
func (d docker) usedBy(ctx context.Context, t thing) string {
	if t.kind.name == "container" {
		return ""
	}
	users, err := d.lines(ctx, "container", "ls", "--all", "--filter", t.kind.name+"="+t.name, "--format", "{{.Names}}")
	if err != nil || len(users) == 0 {
		return ""
	}
	return " (used by container " + strings.Join(users, ", ") + ")"
}
