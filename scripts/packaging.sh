# shellcheck shell=bash
# A part of the group packaging of scripts/setup.sh, which reads this file: what
# judges packages of other distributions, and the files of a small Debian that
# tests install packages in.

# What the Debian has besides its base: accounts, two service managers, and the
# small programs that Alpine has in the place of GNU's.
ROOT_PACKAGES=systemd,adduser,openrc,busybox-static

# Debian has no apk. This one makes roots of Alpine's packages.
APKO="apko chainguard.dev/apko v0.30.0"

install_apko() {
  local name module version
  read -r name module version <<<"$APKO"
  go_module "$name" "$module" "$version" . "-X sigs.k8s.io/release-utils/version.gitVersion=$version" ''
}

debian_root() { echo "$CACHE/roots/debian-$(codename).tar"; }

install_roots() {
  local root tmp suite
  packages pacman-package-manager debsig-verify
  root="$(debian_root)"
  [ ! -f "$root" ] || return 0
  suite="$(codename)"
  mkdir -p "$CACHE/roots"
  tmp="$(mktemp -d "$CACHE/roots/.build-XXXXXX")"
  say "debootstrap $suite (this can take minutes, once)"
  if ! as_root debootstrap --variant=minbase --include="$ROOT_PACKAGES" "$suite" "$tmp/root" "$(mirror_of "$suite")" >"$tmp/log" 2>&1 ||
    ! as_root tar -C "$tmp/root" --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' -cf "$tmp/root.tar" .; then
    tail -n 20 "$tmp/log" >&2
    die "making the files of a small Debian failed; the log is $tmp/log"
  fi
  mv "$tmp/root.tar" "$root"
  as_root rm -rf "$tmp"
}
