package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// volumeSuffix is that of the files of a snapshot, one for each volume.
const volumeSuffix = ".tar"

// Snapshot writes a tar file for each named volume. All that uses one, and the
// backend, is stopped meanwhile and started again where it ran.
func (c *Compose) Snapshot(ctx context.Context, dir string) (err error) {
	if !c.created {
		return errors.New("the stack was not started: there is nothing to make a snapshot of")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the snapshot's directory: %w", err)
	}
	if there, err := os.ReadDir(dir); err != nil {
		return fmt.Errorf("looking at the snapshot's directory: %w", err)
	} else if len(there) > 0 {
		return fmt.Errorf("a snapshot needs an empty directory, and %s has %s in it", dir, there[0].Name())
	}
	using := []string{c.o.Compose.Backend}
	for volume := range maps.Keys(c.config.Volumes) {
		for _, s := range c.services() {
			if slices.ContainsFunc(c.config.Services[s].Volumes, func(v composeMount) bool { return v.Source == volume }) && !slices.Contains(using, s) {
				using = append(using, s)
			}
		}
	}
	var stopped []Service
	defer func() {
		if len(stopped) == 0 {
			return
		}
		if startErr := c.Start(ctx, stopped...); startErr != nil {
			err = errors.Join(err, fmt.Errorf("starting the services after a snapshot: %w", startErr))
		}
	}()
	for _, name := range using {
		if !c.wanted[name] {
			continue
		}
		if err := c.Stop(ctx, c.serviceOf(name)); err != nil {
			return fmt.Errorf("stopping the services for a snapshot: %w", err)
		}
		stopped = append(stopped, c.serviceOf(name))
	}
	for _, volume := range slices.Sorted(maps.Keys(c.config.Volumes)) {
		if err := c.saveVolume(ctx, volume, filepath.Join(dir, volume+volumeSuffix)); err != nil {
			return errors.Join(fmt.Errorf("saving volume %s: %w", volume, err), emptyDir(dir))
		}
	}
	return nil
}

func (c *Compose) saveVolume(ctx context.Context, volume, path string) error {
	id, target, err := c.mounted(ctx, volume)
	if err != nil || id == "" {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(c.copyOut(ctx, id, target, f), f.Close())
}

// mounted is the container that a volume is mounted in, and where; empty for a
// volume that no service uses.
func (c *Compose) mounted(ctx context.Context, volume string) (id, target string, err error) {
	name, target, ok := c.mount(volume)
	if !ok {
		return "", "", nil
	}
	k, err := c.container(ctx, name)
	if err == nil && k.id == "" {
		err = fmt.Errorf("service %s has no container", name)
	}
	return k.id, target, err
}

// copyOut writes what is in a directory of a container, which may be stopped,
// as a tar stream; copyIn unpacks one there. Neither needs a program in it.
func (c *Compose) copyOut(ctx context.Context, id, dir string, to io.Writer) error {
	return c.docker.stream(ctx, nil, to, "container", "cp", id+":"+strings.TrimSuffix(dir, "/")+"/.", "-")
}

func (c *Compose) copyIn(ctx context.Context, id, dir string, from io.Reader) error {
	return c.docker.stream(ctx, from, nil, "container", "cp", "-", id+":"+dir)
}

// checkSnapshot looks whether the snapshot to begin with is one of this stack.
func (c *Compose) checkSnapshot() error {
	if c.o.Snapshot == "" {
		return nil
	}
	volumes, err := c.snapshotVolumes()
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if _, _, ok := c.mount(v); !ok {
			return fmt.Errorf("%s has a volume %q, which no service of the compose files uses", c.o.Snapshot, v)
		}
	}
	return nil
}

func (c *Compose) snapshotVolumes() ([]string, error) {
	there, err := os.ReadDir(c.o.Snapshot)
	if err != nil {
		return nil, fmt.Errorf("reading the snapshot: %w", err)
	}
	var volumes []string
	for _, f := range there {
		name, ok := strings.CutSuffix(f.Name(), volumeSuffix)
		if !ok || !f.Type().IsRegular() {
			return nil, fmt.Errorf("%s is not a snapshot of a compose stack: it has %s, expected files that end in %s", c.o.Snapshot, f.Name(), volumeSuffix)
		}
		volumes = append(volumes, name)
	}
	if len(volumes) == 0 {
		return nil, fmt.Errorf("%s is not a snapshot of a compose stack: it is empty", c.o.Snapshot)
	}
	return volumes, nil
}

// restoreSnapshot fills the volumes of containers that never ran.
func (c *Compose) restoreSnapshot(ctx context.Context) error {
	if c.o.Snapshot == "" {
		return nil
	}
	volumes, err := c.snapshotVolumes()
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if err := c.loadVolume(ctx, v); err != nil {
			return fmt.Errorf("restoring volume %s: %w", v, err)
		}
	}
	return nil
}

func (c *Compose) loadVolume(ctx context.Context, volume string) error {
	id, target, err := c.mounted(ctx, volume)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(c.o.Snapshot, volume+volumeSuffix))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	return c.copyIn(ctx, id, target, f)
}
