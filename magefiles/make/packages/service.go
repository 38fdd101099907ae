package packages

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/internal/shellword"
	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// lines collects text line by line.
type lines struct{ strings.Builder }

func (l *lines) add(format string, args ...any) {
	fmt.Fprintf(l, format, args...)
	l.WriteByte('\n')
}

func (l *lines) bytes() []byte { return []byte(l.String()) }

// command is the binary with its arguments, which need no quotes.
func command(p product.Product) string {
	return strings.Join(append([]string{binaryPath(p)}, p.Packages.Service.Args...), " ")
}

// hardening takes from the service what a server that talks to the network and
// writes to its own directory does not need (systemd.exec(5)).
var hardening = []string{
	"NoNewPrivileges=yes",
	"ProtectSystem=strict",
	"ProtectHome=yes",
	"ProtectProc=invisible",
	"ProcSubset=pid",
	"PrivateTmp=yes",
	"PrivateDevices=yes",
	"PrivateMounts=yes",
	"PrivateIPC=yes",
	"ProtectClock=yes",
	"ProtectHostname=yes",
	"ProtectKernelLogs=yes",
	"ProtectKernelModules=yes",
	"ProtectKernelTunables=yes",
	"ProtectControlGroups=yes",
	"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
	"RestrictNamespaces=yes",
	"RestrictRealtime=yes",
	"RestrictSUIDSGID=yes",
	"RemoveIPC=yes",
	"LockPersonality=yes",
	"MemoryDenyWriteExecute=yes",
	"KeyringMode=private",
	"SystemCallArchitectures=native",
	"SystemCallFilter=@system-service",
	"SystemCallFilter=~@privileged @resources",
	"SystemCallErrorNumber=EPERM",
}

// unit writes the systemd unit (systemd.service(5)).
func unit(p product.Product) []byte {
	s := p.Packages.Service
	var l lines
	l.add("[Unit]")
	l.add("Description=%s", strings.ReplaceAll(p.Title, "%", "%%"))
	l.add("Documentation=man:%s(8) %s", p.Cargo.Binary, homepage(p))
	l.add("Wants=network-online.target")
	l.add("After=%s", strings.Join(append([]string{"network-online.target"}, s.After...), " "))
	l.add("")
	l.add("[Service]")
	l.add("Type=exec")
	l.add("User=%s", p.Name)
	l.add("Group=%s", p.Name)
	for _, k := range slices.Sorted(maps.Keys(s.Env)) {
		l.add("Environment=%s=%s", k, s.Env[k])
	}
	l.add("# Root reads it, before the service becomes %s.", p.Name)
	l.add("EnvironmentFile=%s", settingsFile(p))
	l.add("ExecStart=%s", command(p))
	l.add("Restart=on-failure")
	l.add("RestartSec=2s")
	l.add("StateDirectory=%s", p.Name)
	l.add("StateDirectoryMode=0750")
	l.add("WorkingDirectory=%s", stateDir(p))
	l.add("UMask=0077")
	l.add("")
	l.add("# What it does not need. `systemd-analyze security %s` shows the rest.", p.Name)
	l.add("CapabilityBoundingSet=%s", strings.Join(s.Capabilities, " "))
	l.add("AmbientCapabilities=%s", strings.Join(s.Capabilities, " "))
	if len(s.Capabilities) == 0 {
		l.add("PrivateUsers=yes") // which takes all capabilities of the host away
	}
	for _, h := range hardening {
		l.add("%s", h)
	}
	l.add("")
	l.add("[Install]")
	l.add("WantedBy=multi-user.target")
	return l.bytes()
}

// sysusers writes the account for systemd-sysusers (sysusers.d(5)).
func sysusers(p product.Product) []byte {
	return fmt.Appendf(nil, "u %s - \"%s\" %s\n", p.Name, p.Title, stateDir(p))
}

// openRC writes the init script for OpenRC (openrc-run(8)).
func openRC(p product.Product) []byte {
	s := p.Packages.Service
	var l lines
	l.add("#!/sbin/openrc-run")
	l.add("")
	l.add("name=%s", shellword.Quote(p.Title))
	l.add("description=%s", shellword.Quote(p.Description))
	l.add("supervisor=supervise-daemon")
	l.add("command=%s", shellword.Quote(binaryPath(p)))
	if len(s.Args) > 0 {
		l.add("command_args=%s", shellword.Quote(strings.Join(s.Args, " ")))
	}
	l.add(`command_user="%s:%s"`, p.Name, p.Name)
	if len(s.Capabilities) > 0 {
		l.add(`capabilities="%s"`, openRCCapabilities(s.Capabilities))
	}
	l.add("directory=%s", shellword.Quote(stateDir(p)))
	l.add("umask=0077")
	l.add("respawn_delay=2")
	l.add("supervise_daemon_args=--no-new-privs") // the variable for it is misspelt in some versions
	l.add(`output_logger="logger -t %s"`, p.Name)
	l.add(`error_logger="logger -t %s"`, p.Name)
	l.add("required_files=%s", shellword.Quote(settingsFile(p)))
	l.add("")
	l.add("depend() {")
	l.add("	need net")
	l.add("	use dns logger")
	after := []string{"firewall"}
	for _, u := range s.After {
		if name, ok := strings.CutSuffix(u, ".service"); ok {
			after = append(after, name)
		}
	}
	l.add("	after %s", strings.Join(after, " "))
	l.add("}")
	l.add("")
	l.add("start_pre() {")
	l.add(`	checkpath --directory --owner %s:%s --mode 0750 "$directory" || return 1`, p.Name, p.Name)
	l.add("	set -a")
	for _, k := range slices.Sorted(maps.Keys(s.Env)) {
		l.add("	%s=%s", k, s.Env[k])
	}
	l.add("	. %s", settingsFile(p))
	l.add("	set +a")
	l.add("}")
	return l.bytes()
}

func openRCCapabilities(names []string) string {
	var out []string
	for _, n := range names {
		out = append(out, "^"+strings.ToLower(n))
	}
	return strings.Join(out, ",")
}

// settings writes the environment file as it is first installed. systemd and
// a shell read it alike.
func settings(p product.Product) []byte {
	var l lines
	l.add("# Settings of %s, one NAME=value a line; %s(8) names them all.", p.Title, p.Cargo.Binary)
	l.add("# A value with other characters than letters, digits and ./:@_- belongs in")
	l.add("# single quotes. An upgrade leaves this file alone. It holds secrets: only root")
	l.add("# reads it.")
	for _, s := range p.Packages.Service.Settings {
		l.add("")
		for _, line := range wrap(s.About, 76) {
			l.add("# %s", line)
		}
		if s.Value == "" {
			l.add("#%s=", s.Name)
		} else {
			l.add("%s=%s", s.Name, s.Value)
		}
	}
	return l.bytes()
}

// wrap breaks text into lines of a width; a longer word stands alone.
func wrap(text string, width int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			out = append(out, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		out = append(out, line)
	}
	return out
}
