package run

import "testing"

func TestShowsTime(t *testing.T) {
	for kv, want := range map[string]bool{
		"LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1": true,
		"LD_PRELOAD=/tmp/evil.so":                     false,
		"LD_PRELOAD=/tmp/evil.so:/x/libfaketime.so.1": false,
		"LD_PRELOAD=/tmp/libfaketime.so /tmp/evil.so": false,
		"LD_PRELOAD":                     false,
		"FAKETIME=+400d":                 true,
		"FAKETIME_SAVE_FILE=/etc/passwd": false,
		"PATH=/usr/bin":                  false,
	} {
		if got := ShowsTime(kv); got != want {
			t.Errorf("%s: %t", kv, got)
		}
	}
}
