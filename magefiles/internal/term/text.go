package term

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Elapsed writes a duration for people: "0.3s", "12.3s", "4m05s", "1h02m".
func Elapsed(d time.Duration) string {
	switch {
	case d < 0:
		d = 0
	case d >= time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	if s := d.Round(100 * time.Millisecond); s < time.Minute {
		return fmt.Sprintf("%.1fs", s.Seconds())
	}
	d = d.Round(time.Second)
	if d >= time.Hour {
		return Elapsed(d)
	}
	return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
}

// Bytes writes a size for people, in powers of ten: "512 B", "17.0 MB".
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB"} {
		if f /= 1000; f < 999.95 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

// Progress writes how much of a total is done; a total of 0 is not known.
func Progress(moved, total int64) string {
	if total <= 0 {
		return Bytes(moved)
	}
	return fmt.Sprintf("%s of %s (%d %%)", Bytes(moved), Bytes(total), int(float64(moved)*100/float64(total)))
}

// control is what a program may say to a terminal and must not say through us:
// escape sequences, and control characters other than tab and line end.
var control = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f]|[\x{80}-\x{9f}]`)

func printable(s string) string {
	return control.ReplaceAllString(strings.ToValidUTF8(s, "?"), "")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
