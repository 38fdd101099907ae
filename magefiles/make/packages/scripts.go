package packages

import (
	"strings"

	"github.com/kubedoio/rustshare-release/magefiles/product"
)

// The maintainer scripts, as nfpm names them.
const (
	preInstall  = "preinstall"
	postInstall = "postinstall"
	preRemove   = "preremove"
	postRemove  = "postremove"
)

// scripts gives the maintainer scripts of a format. They are POSIX sh, may run
// any number of times, and want no systemd that runs: a chroot has none. They
// make the account, and never start or enable the service, which wants settings
// first. The account and the data stay when the package goes. pacman has hooks
// of its own for all of it.
func scripts(p product.Product, f product.PackageFormat) map[string]string {
	texts := map[product.PackageFormat]map[string]string{
		product.Deb: {postInstall: debPostInstall, preRemove: debPreRemove, postRemove: debPostRemove},
		product.RPM: {preInstall: rpmPreInstall, postInstall: rpmPostInstall, preRemove: rpmPreRemove, postRemove: rpmPostRemove},
		product.APK: {preInstall: apkPreInstall, preRemove: apkPreRemove},
	}
	out := map[string]string{}
	for name, text := range texts[f] {
		out[name] = strings.NewReplacer("NAME", p.Name, "STATE", stateDir(p)).Replace(text)
	}
	return out
}

const debPostInstall = `#!/bin/sh
set -e

if [ "$1" = configure ]; then
	if ! getent passwd NAME >/dev/null; then
		adduser --system --group --quiet --no-create-home --home STATE NAME
	fi
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		if [ -n "$2" ]; then
			deb-systemd-invoke try-restart NAME.service >/dev/null || true
		fi
	fi
fi
`

const debPreRemove = `#!/bin/sh
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop NAME.service >/dev/null || true
fi
`

const debPostRemove = `#!/bin/sh
set -e

if [ "$1" = purge ]; then
	rm -f /etc/systemd/system/multi-user.target.wants/NAME.service
fi
if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi
`

const rpmPreInstall = `getent passwd NAME >/dev/null ||
	useradd --system --user-group --no-create-home --home-dir STATE --shell /sbin/nologin NAME
`

const rpmPostInstall = `if [ -d /run/systemd/system ]; then
	systemctl daemon-reload >/dev/null 2>&1 || :
fi
`

const rpmPreRemove = `if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
	systemctl --no-reload disable --now NAME.service >/dev/null 2>&1 || :
fi
`

const rpmPostRemove = `if [ -d /run/systemd/system ]; then
	systemctl daemon-reload >/dev/null 2>&1 || :
	if [ "$1" -ge 1 ]; then
		systemctl try-restart NAME.service >/dev/null 2>&1 || :
	fi
fi
`

const apkPreInstall = `#!/bin/sh
addgroup -S NAME 2>/dev/null
adduser -S -D -H -h STATE -s /sbin/nologin -G NAME -g NAME NAME 2>/dev/null
exit 0
`

const apkPreRemove = `#!/bin/sh
if [ -x /sbin/rc-service ]; then
	rc-service --ifstarted NAME stop >/dev/null 2>&1
fi
exit 0
`
