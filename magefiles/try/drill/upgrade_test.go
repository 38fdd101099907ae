package drill_test

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/kubedoio/rustshare-release/magefiles/try/backup"
	"github.com/kubedoio/rustshare-release/magefiles/try/drill"
	"github.com/kubedoio/rustshare-release/magefiles/try/stack"
)

func stream(content []byte) backup.Stream {
	return func(_ context.Context, w io.Writer) error {
		_, err := w.Write(content)
		return err
	}
}

func upgrading(t *testing.T) (*opener, drill.UpgradeOptions) {
	o := &opener{t: t}
	return o, drill.UpgradeOptions{
		Open: o.open, Admin: admin, Viewer: viewer, Scratch: t.TempDir(),
		Previous: drill.Release{Version: "0.1.1", Digest: "sha256:old"}, Candidate: drill.Release{Version: "0.2.0", Digest: "sha256:new"},
	}
}

func TestUpgrade(t *testing.T) {
	open, o := upgrading(t)
	run := begin(t)
	if err := run.End(drill.Upgrade(t.Context(), run, o)); err != nil {
		t.Fatal(err)
	}
	if len(open.opened) != 2 || !open.asked[0].Previous || open.asked[1].Previous || open.asked[1].Snapshot == "" {
		t.Fatalf("asked for %+v", open.asked)
	}
	if open.asked[1].Secrets["JWT_SECRET"] != open.opened[0].Secrets()["JWT_SECRET"] {
		t.Error("the candidate has other secrets than the data")
	}
	for i, want := range [][]string{
		{"start", "stop backend", "snapshot", "dump", "pack", "destroy"},
		{"replay", "replace objects", "start", "ready", "leaks", "destroy"},
	} {
		if got := open.opened[i].Asked; !slices.Equal(got, want) {
			t.Errorf("instance %d was asked %q, expected %q", i, got, want)
		}
	}
	var steps []string
	for _, s := range run.Steps {
		steps = append(steps, s.Name)
	}
	if want := []string{
		"open the previous release", "start the previous release", "pilot journey on the previous release", "stop it and copy its data", "tear down the previous release",
		"open the candidate with that data", "start the candidate", "data of the previous release", "beta journey on the candidate", "search the logs for secrets", "tear down the candidate",
	}; !slices.Equal(steps, want) {
		t.Errorf("the steps are %q, expected %q", steps, want)
	}
	for key, want := range map[string]string{"previous version": "0.1.1", "previous image": "sha256:old", "version": "0.2.0", "image": "sha256:new"} {
		if run.Facts[key] != want {
			t.Errorf("%s is %q, expected %q", key, run.Facts[key], want)
		}
	}
	if left, err := os.ReadDir(o.Scratch); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUpgradeFails(t *testing.T) {
	const back = "0.2.0 (sha256:new) cannot take over the data of 0.1.1 (sha256:old): do not release it; since migrations are forward-only, " +
		"going back from it means restoring the backup from before the upgrade with the previous image sha256:old: "
	broken := errors.New("it is broken")
	previous := func(change func(*instance)) func(*instance, drill.Opening) {
		return func(i *instance, o drill.Opening) {
			if o.Previous {
				change(i)
			}
		}
	}
	candidate := func(change func(*instance)) func(*instance, drill.Opening) {
		return func(i *instance, o drill.Opening) {
			if !o.Previous {
				change(i)
			}
		}
	}
	for name, row := range map[string]struct {
		prepare func(*instance, drill.Opening)
		want    []string
		opened  int
	}{
		"candidate does not start": {candidate(func(i *instance) { i.Fail["start"] = broken }), []string{"start the candidate: " + back + "it is broken"}, 2},
		"candidate is not ready":   {candidate(func(i *instance) { i.Fail["ready"] = broken }), []string{"start the candidate: " + back + "it is broken"}, 2},
		"data is lost":             {candidate(func(i *instance) { clear(i.Notes) }), []string{"data of the previous release: " + back}, 2},
		"candidate leaks": {candidate(func(i *instance) { i.Say(stack.Backend, i.Secrets()["JWT_SECRET"]) }),
			[]string{"search the logs for secrets: the backend logged the value of JWT_SECRET"}, 2},
		"candidate stays":           {candidate(func(i *instance) { i.Fail["destroy"] = broken }), []string{"tear down the candidate: it is broken"}, 2},
		"previous does not start":   {previous(func(i *instance) { i.Fail["start"] = broken }), []string{"start the previous release: it is broken"}, 1},
		"previous has other words":  {previous(func(i *instance) { clear(i.Accounts) }), []string{"pilot journey on the previous release: "}, 1},
		"previous cannot be copied": {previous(func(i *instance) { i.Fail["dump"] = broken }), []string{"stop it and copy its data: it is broken"}, 1},
		"previous stays":            {previous(func(i *instance) { i.Fail["destroy"] = broken }), []string{"tear down the previous release: it is broken"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			open, o := upgrading(t)
			open.prepare = row.prepare
			run := begin(t)
			wants(t, run.End(drill.Upgrade(t.Context(), run, o)), row.want...)
			if len(open.opened) != row.opened {
				t.Errorf("%d instances were opened, expected %d", len(open.opened), row.opened)
			}
			if left, err := os.ReadDir(o.Scratch); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

func TestUpgradeNotApplicable(t *testing.T) {
	open, o := upgrading(t)
	open.err = &drill.NotApplicableError{Reason: "there is no stable release before 0.2.0"}
	run := begin(t)
	if err := run.End(drill.Upgrade(t.Context(), run, o)); err != nil {
		t.Fatal(err)
	}
	if run.Status != drill.NotApplicable || len(run.Steps) != 1 || run.Steps[0].Detail != open.err.Error() {
		t.Errorf("the run is %+v", run)
	}
}
