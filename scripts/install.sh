#!/bin/sh
# Installs a released binary, once its signature and checksum are verified:
#
#   curl -fsSL https://github.com/kubedoio/rustshare/releases/latest/download/install.sh | sh -s -- [VERSION]
#
# `sh -s -- --help` lists the options. Nothing is installed where anything is in
# doubt; a file that was there before stays as it is then. Needs curl or GNU
# wget, and cosign or openssl.

# --- what is installed ---
# A release carries this script with its own values, and with the public key
# that it is signed with. Without a key the script asks for one (--key).
product='rustshare'
repository='https://github.com/kubedoio/rustshare'
command='rustshare-server'
asset_x86_64='rustshare-backend-x86_64-linux'
asset_aarch64='rustshare-backend-aarch64-linux'
key=''
# Releases that are signed without a key: the workflows that sign stable ones and candidates, as
# in https://github.com/OWNER/NAME/.github/workflows/FILE, and who vouches for
# them; several with spaces between.
stable_workflows=''
candidate_workflows=''
issuer=''
# Where that is not the public Sigstore: the authorities and logs that count, as
# its trusted root in JSON, and what cosign has to be told of them.
trusted_root=''
instance=''
# --- end ---

usage() {
  cat <<EOF
usage: install.sh [OPTION]... [VERSION]

Installs $command of $product; VERSION is like 0.4.0, or nothing for the latest stable one.

  --dir DIR           where to install (default: PREFIX/bin)
  --prefix PREFIX     default: /usr/local
  --from URL          a mirror of $repository; https
  --key FILE          the public key to trust, in place of the one in this script
  --trusted-root FILE what a release without a key is held against, in place of what is in this script
                      (default: the public Sigstore)
  --verifier NAME     cosign or openssl; default: cosign where it is installed
  --allow-downgrade   replace a later version, or one that cannot be told
  --allow-withdrawn   install a version whose makers say not to use it
EOF
}

say() { printf '%s: %s\n' "$product install" "$*" >&2; }

die() {
  say "$*; nothing was installed"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# get asks for one address, without following it elsewhere: content goes to the
# file $2, headers to $work/headers.
get() {
  if [ "$loader" = curl ]; then
    curl -sS --proto '=https' --connect-timeout 30 --max-time 3600 -D "$work/headers" -o "$2" -- "$1" 2>"$work/said" </dev/null || return 1
  else
    # It ends with 8 for an answer that is no success; the status tells.
    code=0
    wget -nv -S --max-redirect=0 --tries=3 --timeout=30 -O "$2" -- "$1" 2>"$work/headers" </dev/null || code=$?
    cp "$work/headers" "$work/said"
    [ "$code" -eq 0 ] || [ "$code" -eq 8 ] || return 1
  fi
}

# fetch downloads an address into a file. The address that answered is in $at.
fetch() {
  at=$1 hops=0
  while :; do
    case $at in
      https://*) ;;
      *) die "$1 leads to $at, which is not https" ;;
    esac
    get "$at" "$2" || die "downloading $at failed: $(tail -n 1 "$work/said")"
    status=$(tr -d '\r' <"$work/headers" | sed -n 's|^ *HTTP/[0-9.]* \([0-9][0-9][0-9]\).*|\1|p' | tail -n 1)
    case $status in
      200) return 0 ;;
      301 | 302 | 303 | 307 | 308) ;;
      404) die "$at is not there (404)" ;;
      *) die "$at answers with status ${status:-that cannot be read}" ;;
    esac
    to=$(tr -d '\r' <"$work/headers" | sed -n 's/^ *[Ll][Oo][Cc][Aa][Tt][Ii][Oo][Nn]: *\([^ ]*\).*/\1/p' | tail -n 1)
    case $to in
      //*) to=https:$to ;;
      /*) to=$(printf '%s\n' "$at" | sed 's|^\(https://[^/]*\).*|\1|')$to ;;
    esac
    hops=$((hops + 1))
    [ "$hops" -le 5 ] || die "$1 leads elsewhere more than five times"
    at=$to
  done
}

# whole refuses a file without content, and a page in place of one.
whole() {
  [ -s "$2" ] || die "$1 is empty"
  case $(head -c 200 "$2" | tr -d '\000' | tr 'A-Z\n\r' 'a-z  ') in
    *'<!doctype'* | *'<html'*) die "$1 is a web page and not the file: something on the way answers in place of $from" ;;
  esac
}

# forget unsets the variables from which cosign would take what to trust and what
# to do without.
forget() {
  for name in $(env | grep -E '^(COSIGN|SIGSTORE|TUF)_[A-Z0-9_]*=' | cut -d= -f1); do
    unset "$name"
  done
}

# accepts asks cosign about the list.
accepts() {
  cosign verify-blob --new-bundle-format --bundle "$list.sigstore.json" "$@" "$list" >"$work/said" 2>&1 </dev/null
}

# verify wants the signature of the list.
verify() {
  list="$work/SHA256SUMS"
  if [ "$verifier" = cosign ]; then
    forget
    fetch "$files/SHA256SUMS.sigstore.json" "$list.sigstore.json"
    whole SHA256SUMS.sigstore.json "$list.sigstore.json"
    if [ -n "$key" ]; then
      # An empty root: the key is all that is trusted.
      echo '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}' >"$work/root.json"
      accepts --key "$work/key.pem" --insecure-ignore-tlog=true --trusted-root "$work/root.json" && return 0
    fi
    if [ -n "$issuer" ]; then
      case $version in
        *-*) workflows=$candidate_workflows ;;
        *) workflows=$stable_workflows ;;
      esac
      [ -n "$workflows$key" ] || die "no workflow is known that may sign $tag"
      if [ -z "$root" ] && [ -n "$trusted_root" ]; then
        root="$work/trusted_root.json"
        printf '%s\n' "$trusted_root" >"$root"
      fi
      [ -z "$root" ] || set -- --trusted-root "$root"
      for flag in $instance; do set -- "$@" "$flag"; done
      for workflow in $workflows; do
        accepts --certificate-identity "$workflow@refs/tags/$tag" --certificate-oidc-issuer "$issuer" "$@" && return 0
      done
    fi
    die "cosign does not accept the signature of SHA256SUMS: $(tail -n 1 "$work/said")"
  fi
  fetch "$files/SHA256SUMS.sig" "$list.sig"
  whole SHA256SUMS.sig "$list.sig"
  openssl base64 -d -A -in "$list.sig" -out "$list.der" 2>/dev/null || die "SHA256SUMS.sig is no base64"
  said=$(openssl dgst -sha256 -verify "$work/key.pem" -signature "$list.der" "$list" 2>/dev/null </dev/null) || said=
  [ "$said" = 'Verified OK' ] || die "the signature of SHA256SUMS is not of the key that is trusted"
}

# listed gives the checksum of a file in $sum, from a list in which nothing is
# odd.
listed() {
  if LC_ALL=C grep -Evq '^[0-9a-f]{64}  [A-Za-z0-9][A-Za-z0-9._+~-]*$' "$work/SHA256SUMS"; then
    die "SHA256SUMS holds a line that is no checksum and name"
  fi
  sum=$(awk -v name="$1" '$2 == name { print $1 }' "$work/SHA256SUMS")
  case $sum in
    '') die "SHA256SUMS does not list $1" ;;
    *[!0-9a-f]*) die "SHA256SUMS lists $1 more than once" ;;
  esac
}

# version_of gives in $found the X.Y.Z that a program prints with --version, or
# nothing.
version_of() {
  found=
  said=$(env -i PATH=/usr/bin:/bin "$1" --version 2>/dev/null </dev/null | head -c 4000 | tr -d '\000') || said=
  for word in $said; do
    case ${word#v} in
      *[!0-9.]*) ;;
      [0-9]*.[0-9]*.[0-9]*)
        found=${word#v}
        return 0
        ;;
    esac
  done
}

# older tells whether version $1 comes before $2, both X.Y.Z.
older() {
  for field in 1 2 3; do
    a=$(printf '%s\n' "$1" | cut -d. -f"$field") b=$(printf '%s\n' "$2" | cut -d. -f"$field")
    [ "$a" -eq "$b" ] || {
      [ "$a" -lt "$b" ]
      return
    }
  done
  return 1
}

# options reads the command line.
options() {
  version='' dir='' prefix=/usr/local from=$repository verifier='' root='' downgrade='' withdrawn=''
  while [ $# -gt 0 ]; do
    case $1 in
      --dir | --prefix | --from | --key | --verifier | --trusted-root)
        [ -n "${2:-}" ] || die "$1 wants a value"
        case $1 in
          --dir) dir=$2 ;;
          --prefix) prefix=$2 ;;
          --from) from=${2%/} ;;
          --verifier) verifier=$2 ;;
          --trusted-root) root=$2 ;;
          --key)
            key=$(cat -- "$2" 2>/dev/null) || die "the key $2 cannot be read"
            issuer='' # nobody else counts then
            ;;
        esac
        shift
        ;;
      --allow-downgrade) downgrade=yes ;;
      --allow-withdrawn) withdrawn=yes ;;
      -h | --help)
        usage
        exit 0
        ;;
      -*) die "$1 is no option of this script (--help lists them)" ;;
      *)
        [ -z "$version" ] || die "one version can be installed, and two were given: $version and $1"
        version=${1#v}
        case $version in
          '' | *[!0-9A-Za-z.-]*) die "\"$1\" is no version: want one like 0.4.0" ;;
        esac
        printf '%s\n' "$version" | grep -Eq '^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}(-[0-9A-Za-z]+([.-][0-9A-Za-z]+)*)?$' ||
          die "\"$1\" is no version: want one like 0.4.0"
        ;;
    esac
    shift
  done
  dir=${dir:-$prefix/bin}
  case $dir in
    /*) ;;
    *) dir=$PWD/$dir ;;
  esac
  case $from in
    https://?*) ;;
    *) die "$from is no https address" ;;
  esac
}

# means finds what this machine has to load and verify with.
means() {
  for tool in awk cat chmod cp cut env grep head mktemp mv od rm sed sha256sum tail tr uname; do
    have "$tool" || die "$tool is missing: install it"
  done
  if have curl; then
    loader=curl
  elif have wget && wget --version 2>/dev/null </dev/null | grep -q '^GNU Wget'; then
    loader=wget # others do not look at certificates
  else
    die "neither curl nor GNU wget is here: install one of them"
  fi
  [ -n "$key" ] || [ -n "$issuer" ] ||
    die "this script holds no key to trust: take the install.sh of a release page, or pass --key FILE with the product's cosign.pub"
  case $verifier in
    '')
      if have cosign; then
        verifier=cosign
      elif [ -n "$key" ] && have openssl; then
        verifier=openssl
      elif [ -n "$key" ]; then
        die "the signature cannot be verified here: install openssl, or cosign"
      else
        die "the signature cannot be verified here: install cosign"
      fi
      ;;
    cosign | openssl)
      have "$verifier" || die "$verifier is missing: install it"
      [ -n "$key" ] || [ "$verifier" = cosign ] || die "this release is not signed with a key: openssl cannot verify it, cosign can"
      ;;
    *) die "--verifier is $verifier: want cosign or openssl" ;;
  esac
  os=$(uname -s) machine=$(uname -m)
  [ "$os" = Linux ] || die "this is $os, and there are binaries for Linux alone"
  case $machine in
    x86_64 | amd64) asset=$asset_x86_64 elf=3e00 ;;
    aarch64 | arm64) asset=$asset_aarch64 elf=b700 ;;
    *) asset='' ;;
  esac
  [ -n "$asset" ] || die "there is no binary for $machine"
}

# choose finds the version where none was given, and refuses one that was
# withdrawn. The page is asked each time: the banner stands there.
choose() {
  if [ -z "$version" ]; then
    fetch "$from/releases/latest" "$work/page"
    version=$(printf '%s\n' "$at" | sed -n 's|.*/releases/tag/v\([0-9][0-9]*\.[0-9][0-9]*\.[0-9][0-9]*\)$|\1|p')
    [ -n "$version" ] || die "$from/releases/latest leads to $at, which names no stable version: give one"
  else
    fetch "$from/releases/tag/v$version" "$work/page"
  fi
  tag=v$version core=${version%%-*} files=$from/releases/download/v$version
  [ -s "$work/page" ] || die "the page of $tag is empty"
  if [ -z "$withdrawn" ] && grep -qF 'Do not use this release.' "$work/page"; then
    die "$tag is withdrawn: $at says why, and what to use (--allow-withdrawn installs it all the same)"
  fi
}

# room makes a place for the work, in the directory of the result: it becomes
# complete by a rename there.
room() {
  [ -d "$dir" ] || die "$dir is no directory: make it, or name another one with --dir"
  [ ! -d "$dir/$command" ] || die "$dir/$command is a directory"
  umask 077
  work=$(mktemp -d "$dir/.$command.XXXXXX" 2>/dev/null) || die "$dir cannot be written to: use sudo, or --dir with a directory of your own"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '%s\n' "$key" >"$work/key.pem"
}

# binary downloads the one file and wants it to be what the signed list says.
binary() {
  file="$work/$command"
  listed "$asset"
  fetch "$files/$asset" "$file"
  whole "$asset" "$file"
  have_sum=$(sha256sum "$file" | cut -d' ' -f1)
  [ "$have_sum" = "$sum" ] || die "$asset has the checksum $have_sum, and the signed list says $sum"
  # ELF, 64 bits, little-endian, and then the machine.
  head=$(od -An -v -tx1 -N20 "$file" | tr -d ' \n')
  case $head in
    7f454c460201*"$elf") ;;
    *) die "$asset is no program for $machine" ;;
  esac
  chmod 755 "$file"
  version_of "$file"
  [ "$found" = "$core" ] || die "$asset calls itself ${found:-nothing that can be read}, and $core is wanted: another release stands under this name"
}

# replace gives the file its name.
replace() {
  target="$dir/$command"
  if [ -e "$target" ]; then
    if [ "$(sha256sum "$target" | cut -d' ' -f1)" = "$sum" ]; then
      say "$target is $version already"
      return 0
    fi
    if [ -z "$downgrade" ]; then
      version_of "$target"
      [ -n "$found" ] || die "$target does not tell its version: --allow-downgrade replaces it"
      if older "$core" "$found"; then
        die "$target is $found, and $core is older: --allow-downgrade replaces it"
      fi
    fi
  fi
  mv -f "$file" "$target" || die "$target cannot be written"
  say "$command $version is in $dir, verified by $verifier"
}

main() {
  set -euf
  unset IFS CDPATH
  LC_ALL=C
  export LC_ALL
  options "$@"
  means
  room
  choose
  fetch "$files/SHA256SUMS" "$work/SHA256SUMS"
  whole SHA256SUMS "$work/SHA256SUMS"
  verify
  binary
  replace
}

# In braces: a script that was cut short runs nothing.
{ main "$@"; exit 0; }
