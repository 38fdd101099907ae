package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ownerLabel is on everything that a compose stack makes. Its value tells whose
// it is, see [owner].
const ownerLabel = "com.github.kubedoio.release.try"

// kept follows the owner of a stack that is left behind on purpose.
const kept = ".kept"

// imageRepository is the name of loaded images. Nothing can be pulled from it.
const imageRepository = "try.invalid/image"

// owner names this process: the machine, its id there, and when it started,
// since ids are given again. It can stand in a label and in an image's tag.
func owner() string {
	return fmt.Sprintf("%s.%d.%s", machine(), os.Getpid(), started(os.Getpid()))
}

// machine stands for this machine since it was started, or this container: all
// that has the same process ids.
func machine() string {
	name, _ := os.Hostname() // what cannot be read does not tell machines apart
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	ids, _ := os.Readlink("/proc/self/ns/pid")
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s", name, boot, ids))
	return hex.EncodeToString(sum[:6])
}

// started is when a process started, in ticks since the machine did, "gone"
// where there is none, and "0" on machines that do not tell.
func started(pid int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	// The second field is the program's name in brackets, which may hold any.
	fields := strings.Fields(string(stat)[strings.LastIndex(string(stat), ")")+1:])
	if err == nil && len(fields) > 19 {
		return fields[19]
	}
	if _, here := os.Stat("/proc/self/stat"); err != nil && here == nil {
		return "gone"
	}
	p, err := os.FindProcess(pid)
	if err != nil || errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return "gone"
	}
	return "0"
}

// dead says whether a label or tag is that of a process of this machine that is
// no more. In doubt it is not.
func dead(value string) bool {
	part := strings.Split(value, ".")
	if len(part) < 3 || part[0] != machine() || strings.HasSuffix(value, kept) {
		return false
	}
	pid, err := strconv.Atoi(part[1])
	return err == nil && pid > 0 && started(pid) != part[2]
}

// Stale removes what stacks of this machine left in Docker whose process was
// killed since the machine was started, and names it. What others made, and what was kept on purpose, is not
// touched.
func Stale(ctx context.Context) (removed []string, err error) {
	d := docker{}
	owners := map[string]bool{}
	for _, k := range kinds {
		found, err := d.lines(ctx, append(k.list("label="+ownerLabel), "--format", `{{.Label "`+ownerLabel+`"}}`)...)
		if err != nil {
			return nil, fmt.Errorf("looking for %ss of dead runs: %w", k.name, err)
		}
		for _, o := range found {
			owners[o] = true
		}
	}
	for o := range owners {
		if !dead(o) {
			continue
		}
		found, err := d.things(ctx, "label="+ownerLabel+"="+o)
		if err != nil {
			return removed, err
		}
		left, err := d.remove(ctx, "label="+ownerLabel+"="+o)
		if err != nil {
			return removed, &LeftoverError{Paths: left, Err: err}
		}
		removed = append(removed, names(found)...)
	}
	tags, err := d.lines(ctx, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", imageRepository)
	if err != nil {
		return removed, fmt.Errorf("looking for images of dead runs: %w", err)
	}
	for _, ref := range tags {
		if _, tag, _ := strings.Cut(ref, ":"); !dead(tag) {
			continue
		}
		// A stack that was kept on purpose still runs it.
		users, err := d.lines(ctx, "container", "ls", "--all", "--filter", "ancestor="+ref, "--format", "{{.Names}}")
		if err != nil {
			return removed, fmt.Errorf("asking who uses the image %s: %w", ref, err)
		}
		if len(users) > 0 {
			continue
		}
		err = (&Image{Ref: ref}).Remove(ctx)
		if err != nil && strings.Contains(err.Error(), "conflict") { // somebody began to use it just now
			continue
		}
		if err != nil {
			return removed, err
		}
		removed = append(removed, "image "+ref)
	}
	return removed, nil
}
