#!/usr/bin/env bash
# Installs what a Debian or Ubuntu machine with Go and git still lacks. It looks
# first: where all is there it changes nothing and is done at once.
#
#   scripts/setup.sh [rust|node|sign|tools|sigstore|forge|packaging|docker|images|browser|lint|trivy|admission|all]...
#
#   rust     cargo and rustc for x86_64 and aarch64 Linux, the cross linker, the emulator
#   node     Node.js 18 or later with npm
#   sign     gpg and ssh-keygen, CA certificates
#   tools    cosign, crane and gh, as outside judges of what is published
#   sigstore Fulcio, a timestamp authority and a Rekor log, for keyless signing
#            that needs nobody else
#   forge    Gitea and the runner of its Actions, which tests publish to
#   packaging what installs and judges packages: rpm, dnf, pacman, apko, lintian,
#            rpmlint, and a small Debian to install them in
#   docker   an Engine that answers, and the compose plugin
#   images   docker, and the images that the product's compose files want; where no
#            registry has them, stand-ins made from packages. Prints SERVICE=IMAGE
#            for each stand-in
#   browser  Chromium, where there is no Chrome either
#   lint     shellcheck, golangci-lint and govulncheck
#   trivy    the scanner of that name
#   admission Kyverno's command line and policy-controller's tester, which run
#            admission policies without a cluster
#   all      all of these (the default)
#
#   scripts/setup.sh path NAME           prints where a Go tool lies
#   scripts/setup.sh path stack-images   prints the stand-ins in one line, as
#                                          RELEASE_STACK_IMAGES wants them
#   scripts/setup.sh path debian-root    prints where the files of that Debian lie
#
# Packages come from apt (with sudo where not root), Go tools are built by
# version into ${XDG_CACHE_HOME:-$HOME/.cache}/rustshare-release/bin.
set -euo pipefail

# Name, package, version. Tests look for cosign under this name and version.
TOOLS=(
  "cosign github.com/sigstore/cosign/v2/cmd/cosign v2.6.5"
  "crane github.com/google/go-containerregistry/cmd/crane v0.22.1"
)
# Name, module, version. These are built where their go.mod is the main one, since
# its replacements count. Tests look for them under this name and version.
FORGE=(
  "gitea code.gitea.io/gitea v1.26.0"
  "gitea-runner gitea.com/gitea/runner v1.0.8"
)
# Name, package, version. Tests start them.
SIGSTORE=(
  "fulcio github.com/sigstore/fulcio v1.8.8"
  "timestamp-server github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server v2.1.3"
  "rekor-server github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix v2.2.1"
)
# Debian 12's gh knows no attestations.
GH="gh github.com/cli/cli/v2 v2.83.0"
TRIVY="trivy github.com/aquasecurity/trivy v0.72.0"
# They judge images by their policies as they do in a cluster.
KYVERNO="kyverno github.com/kyverno/kyverno v1.19.1"
POLICY_TESTER="policy-tester github.com/sigstore/policy-controller v0.14.0"
LINT=(
  "golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint v2.15.0"
  "govulncheck golang.org/x/vuln/cmd/govulncheck v1.9.0"
)
TARGETS=(x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu)
RUST_MIN=1.85
NODE_MIN=18
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/rustshare-release"
BIN="$CACHE/bin"
SCRIPTS="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif have sudo; then
    sudo "$@"
  else
    die "not root, and there is no sudo: run as root: $*"
  fi
}

# --- apt ---------------------------------------------------------------------

updated=
apt_update() {
  [ -z "$updated" ] || return 0
  have apt-get || die "there is no apt-get here: install by hand what \`go run . doctor\` lists"
  say "apt-get update"
  # One broken source of somebody else must not stop us.
  as_root apt-get update -qq >&2 || say "apt-get update had errors; going on with the lists that are there"
  updated=yes
}

installed() { [[ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null)" == ii* ]]; }

# candidate prints the version that apt would install.
candidate() { apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'; }

# packages installs those of its arguments that are missing.
packages() {
  local missing=() p
  for p in "$@"; do
    installed "$p" || missing+=("$p")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  apt_update
  say "apt-get install ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "${missing[@]}" >&2
}

# --- rust --------------------------------------------------------------------

# rustcs prints every rustc of this machine.
rustcs() {
  {
    command -v rustc || true
    echo /usr/bin/rustc
    ls -1 "${RUSTUP_HOME:-$HOME/.rustup}"/toolchains/*/bin/rustc 2>/dev/null || true
  } | awk '!seen[$0]++' | while read -r r; do
    if [ -x "$r" ]; then echo "$r"; fi
  done
}

# has_targets tells whether one rustc has the standard library of every target.
has_targets() {
  local r t dir ok
  while read -r r; do
    ok=yes
    for t in "${TARGETS[@]}"; do
      dir="$("$r" --print target-libdir --target "$t" 2>/dev/null)" || dir=
      compgen -G "$dir/libstd-*.rlib" >/dev/null || ok=
    done
    if [ -n "$ok" ] && [ -x "$(dirname "$r")/cargo" ]; then return 0; fi
  done < <(rustcs)
  return 1
}

# foreign has dpkg know a second architecture.
foreign() {
  dpkg --print-foreign-architectures | grep -qx "$1" && return 0
  say "dpkg --add-architecture $1"
  as_root dpkg --add-architecture "$1"
  updated=
}

# Ubuntu keeps other architectures on another server: adding one there breaks
# apt-get update.
is_debian() { grep -qx 'ID=debian' /etc/os-release; }

install_rust() {
  local arch other linker libc
  arch="$(uname -m)"
  case "$arch" in
    x86_64) other=arm64 linker=aarch64-linux-gnu-gcc libc=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross) ;;
    aarch64) other=amd64 linker=x86_64-linux-gnu-gcc libc=(gcc-x86-64-linux-gnu libc6-dev-amd64-cross) ;;
    *) die "this machine is $arch; binaries can be made on x86_64 and aarch64" ;;
  esac
  have gcc || packages gcc libc6-dev
  have "$linker" || packages "${libc[@]}"
  have objcopy || packages binutils
  have file || packages file
  have qemu-aarch64-static || have qemu-aarch64 || packages qemu-user-static
  have faketime || packages faketime # for verify:reproducible

  has_targets && return 0
  [ -n "$(candidate rustc-web)" ] || apt_update
  if [ -n "$(candidate rustc-web)" ]; then
    foreign "$other"
    packages rustc-web cargo-web libstd-rust-web-dev "libstd-rust-web-dev:$other"
  elif is_debian && dpkg --compare-versions "$(candidate rustc)" ge "$RUST_MIN"; then
    foreign "$other"
    packages rustc cargo libstd-rust-dev "libstd-rust-dev:$other"
  elif have rustup; then
    say "no rustc-web here: rustup target add ${TARGETS[*]}"
    rustup toolchain list | grep -q . || rustup toolchain install stable --profile minimal >&2
    rustup target add "${TARGETS[@]}" >&2
  else
    die "this system has neither a package of Rust $RUST_MIN or later for both targets (Debian 12 has rustc-web) nor rustup: install rustup from https://rustup.rs, then run this again"
  fi
  has_targets || die "rustc was installed, but none has the standard library of both ${TARGETS[*]}; \`rustc --print target-libdir --target ${TARGETS[1]}\` shows where it is looked for"
}

# --- node --------------------------------------------------------------------

node_major() {
  local v
  v="$(node --version 2>/dev/null)" || v=v0
  v="${v#v}"
  echo "${v%%.*}"
}

install_node() {
  if ! have node; then
    packages nodejs
  fi
  [ "$(node_major)" -ge "$NODE_MIN" ] ||
    die "$(command -v node) is $(node --version); $NODE_MIN or later is needed: see https://nodejs.org/en/download"
  # NodeSource's nodejs brings npm along, and Debian's npm would remove it.
  have npm || packages npm
}

# --- Go tools ----------------------------------------------------------------

# go_tool builds one tool where its very version is not there yet. The build is
# done beside its final place and moved: what has the name is whole.
go_tool() {
  local name="$1" package="$2" version="$3" tmp
  [ ! -x "$BIN/$name-$version" ] || return 0
  have go || die "go is not on the PATH: install Go 1.26 or later from https://go.dev/dl"
  say "building $name $version (this can take minutes, once)"
  mkdir -p "$BIN"
  tmp="$(mktemp -d "$BIN/.build-XXXXXX")"
  # The caller's flags are for another module. The directory must be outside any.
  if ! (cd "$tmp" && env -u GOOS -u GOARCH GOFLAGS=-trimpath GOWORK=off GOBIN="$tmp" go install "$package@$version" >&2); then
    rm -rf "$tmp"
    die "building $package@$version failed; its output stands above"
  fi
  # Go names a program after the last element of its package.
  mv "$tmp"/* "$BIN/$name-$version"
  rm -rf "$tmp"
}

go_tools() {
  local line name package version
  for line in "$@"; do
    read -r name package version <<<"$line"
    go_tool "$name" "$package" "$version"
  done
}

# go_module builds a program (name, module, version, package, linker flags, tags)
# in a copy of its module's directory, where its very version is not there yet.
# More arguments are directories that the program reads when it runs: they are
# kept in NAME-VERSION-static.
go_module() {
  local name="$1" module="$2" version="$3" package="$4" ldflags="$5" tags="$6" tmp dir
  shift 6
  if [ -x "$BIN/$name-$version" ] && { [ "$#" -eq 0 ] || [ -d "$BIN/$name-$version-static" ]; }; then
    return 0
  fi
  have go || die "go is not on the PATH: install Go 1.26 or later from https://go.dev/dl"
  have gcc || packages gcc libc6-dev
  say "building $name $version (this can take ten minutes, once)"
  mkdir -p "$BIN"
  tmp="$(mktemp -d "$BIN/.build-XXXXXX")"
  # The caller's flags are for another module.
  dir="$(cd "$tmp" && env GOFLAGS= GOWORK=off go mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')" || dir=
  if [ -z "$dir" ] || ! cp -r "$dir" "$tmp/source" || ! chmod -R u+w "$tmp/source" || ! (
    cd "$tmp/source" && env -u GOOS -u GOARCH GOFLAGS= GOWORK=off CGO_ENABLED=1 \
      go build -trimpath -tags "$tags" -ldflags="-s -w $ldflags" -o "$tmp/$name" "$package" >&2
  ); then
    rm -rf "$tmp"
    die "building $module@$version failed; its output stands above"
  fi
  # The program comes last: where it lies, all of it does.
  if [ "$#" -gt 0 ]; then
    mkdir "$tmp/static"
    (cd "$tmp/source" && mv "$@" "$tmp/static")
    rm -rf "$BIN/$name-$version-static"
    mv "$tmp/static" "$BIN/$name-$version-static"
  fi
  mv "$tmp/$name" "$BIN/$name-$version"
  rm -rf "$tmp"
}

install_forge() {
  local line name module version
  for line in "${FORGE[@]}"; do
    read -r name module version <<<"$line"
    case "$name" in
      gitea) go_module "$name" "$module" "$version" . "-X main.Version=${version#v}" 'sqlite sqlite_unlock_notify' templates options public ;;
      *) go_module "$name" "$module" "$version" . "-X main.Version=${version#v}" '' ;;
    esac
  done
}

install_sigstore() {
  go_tools "${SIGSTORE[@]}"
}

install_trivy() {
  local name module version
  read -r name module version <<<"$TRIVY"
  GOEXPERIMENT=jsonv2 go_module "$name" "$module" "$version" ./cmd/trivy "-X github.com/aquasecurity/trivy/pkg/version/app.ver=${version#v}" ''
}

install_admission() {
  local name module version
  read -r name module version <<<"$KYVERNO"
  go_module "$name" "$module" "$version" ./cmd/cli/kubectl-kyverno "-X github.com/kyverno/kyverno/pkg/version.BuildVersion=${version#v}" ''
  read -r name module version <<<"$POLICY_TESTER"
  go_module "$name" "$module" "$version" ./cmd/tester '' ''
}

install_packaging() {
  packages curl wget openssl jq gpg gpgv binutils rpm dnf rpmlint lintian debsigs debootstrap dash busybox-static python3 zstd faketime libarchive-tools
  install_apko
  install_roots
}

install_browser() {
  local program
  for program in chromium chromium-browser google-chrome google-chrome-stable; do
    ! have "$program" || return 0
  done
  packages chromium
}

install_sign() {
  have git || packages git
  have gpg || packages gnupg
  have ssh-keygen || packages openssh-client
  [ -s /etc/ssl/certs/ca-certificates.crt ] || packages ca-certificates
}

install_tools() {
  local name module version
  go_tools "${TOOLS[@]}"
  read -r name module version <<<"$GH"
  go_module "$name" "$module" "$version" ./cmd/gh "-X github.com/cli/cli/v2/internal/build.Version=${version#v}" ''
}

install_lint() {
  have shellcheck || packages shellcheck
  go_tools "${LINT[@]}"
}

# shellcheck source=scripts/docker.sh
. "$SCRIPTS/docker.sh"
# shellcheck source=scripts/packaging.sh
. "$SCRIPTS/packaging.sh"

tool_path() {
  local line name version
  for line in "${TOOLS[@]}" "${SIGSTORE[@]}" "${FORGE[@]}" "${LINT[@]}" "$COMPOSE" "$S3" "$TRIVY" "$GH" "$KYVERNO" "$POLICY_TESTER" "$APKO"; do
    read -r name _ version <<<"$line"
    if [ "$name" = "$1" ]; then
      echo "$BIN/$name-$version"
      return 0
    fi
  done
  die "\"$1\" is no tool that is built here"
}

# -----------------------------------------------------------------------------

if [ "${1:-}" = path ]; then
  case "${2:-}" in
    stack-images) stack_images ;;
    debian-root) debian_root ;;
    *) tool_path "${2:-}" ;;
  esac
  exit 0
fi
[ "$#" -gt 0 ] || set -- all
for group in "$@"; do
  case "$group" in
    rust) install_rust ;;
    node) install_node ;;
    sign) install_sign ;;
    tools) install_tools ;;
    sigstore) install_sigstore ;;
    forge) install_forge ;;
    packaging) install_packaging ;;
    docker) install_docker ;;
    images) install_images ;;
    browser) install_browser ;;
    lint) install_lint ;;
    trivy) install_trivy ;;
    admission) install_admission ;;
    all)
      install_rust
      install_node
      install_sign
      install_tools
      install_sigstore
      install_forge
      install_packaging
      install_images >/dev/null
      install_browser
      install_lint
      install_trivy
      install_admission
      ;;
    *) die "\"$group\" is none of rust, node, sign, tools, sigstore, forge, packaging, docker, images, browser, lint, trivy, admission, all" ;;
  esac
done
say "$*: all there"
