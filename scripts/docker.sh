# shellcheck shell=bash
# The groups docker and images of scripts/setup.sh, which reads this file:
# Docker's Engine with the compose plugin, and the images that the product's
# compose files want.

COMPOSE="docker-compose github.com/docker/compose/v2 v2.40.3"
S3="versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0"
# Service of the compose files, its image there, and the stand-in for machines
# that reach no registry: scripts/images/STAND-IN.sh is its entry point.
IMAGES=(
  "postgres postgres:16-alpine postgres"
  "rustfs rustfs/rustfs:1.0.0 s3"
  "nginx nginx:1.27-alpine nginx"
)

# --- the Engine --------------------------------------------------------------

engine_answers() { timeout 20 docker version >/dev/null 2>&1; }

install_docker() {
  install_engine
  install_compose
}

install_engine() {
  engine_answers && return 0
  [ -z "${DOCKER_HOST:-}" ] || die "no Engine answers at DOCKER_HOST=$DOCKER_HOST: start it, or unset DOCKER_HOST for one on this machine"
  have dockerd || packages docker.io
  # The package only recommends it, and dockerd ends without it.
  have iptables || packages iptables
  have docker || die "dockerd is here, and its client docker is not: see https://docs.docker.com/engine/install"
  engine_answers || start_engine
}

# start_engine starts dockerd in the background, where it outlives this script.
start_engine() {
  local log="$CACHE/dockerd.log" end=$((SECONDS + 60))
  mkdir -p "$CACHE"
  if [ -d /run/systemd/system ]; then
    log="journalctl -u docker"
    as_root systemctl start docker >&2 || true
  else # where one is starting already, this one ends at once
    say "starting dockerd, log in $log"
    as_root setsid -f dockerd </dev/null >"$log" 2>&1
  fi
  until engine_answers; do
    if [ "$SECONDS" -ge "$end" ]; then
      [ ! -f "$log" ] || tail -n 20 "$log" >&2
      die "Docker's Engine does not answer after 60 s: see $log; where it answers root only, add $(id -un) to the group docker"
    fi
    sleep 0.5
  done
}

install_compose() {
  local name module version plugins="${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins"
  ! docker compose version >/dev/null 2>&1 || return 0
  read -r name module version <<<"$COMPOSE"
  go_module "$name" "$module" "$version" ./cmd "-X $module/internal.Version=$version" ''
  mkdir -p "$plugins"
  ln -sf "$BIN/$name-$version" "$plugins/docker-compose"
  docker compose version >&2 || die "$plugins/docker-compose is there, and \`docker compose\` does not find it: $(command -v docker) may be too old"
}

# --- images ------------------------------------------------------------------

# recipe prints the version of the stand-ins: another one where what they are
# made from is another.
recipe() { (codename && echo "$S3" && cat "$SCRIPTS"/images/*) | sha256sum | cut -c1-12; }

codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# stack_images prints SERVICE=IMAGE for every service whose own image is not
# there and that has a stand-in, joined by commas.
stack_images() {
  local line service image stand_in version list=()
  version="$(recipe)"
  for line in "${IMAGES[@]}"; do
    read -r service image stand_in <<<"$line"
    has_image "$image" && continue
    has_image "rustshare-release/$stand_in:$version" ||
      die "there is neither $image nor its stand-in rustshare-release/$stand_in:$version: run scripts/setup.sh images"
    list+=("$service=rustshare-release/$stand_in:$version")
  done
  (IFS=, && echo "${list[*]:-}")
}

install_images() {
  local line image stand_in version files root='' registry=yes missing=()
  install_engine
  version="$(recipe)"
  files="$CACHE/images/$version.tar"
  for line in "${IMAGES[@]}"; do
    read -r _ image stand_in <<<"$line"
    if has_image "$image" || has_image "rustshare-release/$stand_in:$version"; then
      continue
    fi
    # The first that does not come says that the others will not come either.
    if [ -n "$registry" ]; then
      say "docker pull $image"
      timeout 120 docker pull -q "$image" >&2 && continue
      registry=
    fi
    missing+=("$stand_in")
  done
  # Packages unpack while Go compiles.
  if [ "${#missing[@]}" -gt 0 ] && [ ! -f "$files" ] && ! has_image "rustshare-release/root:$version"; then
    have debootstrap || packages debootstrap
    apt_update
    make_root "$files" &
    root=$!
  fi
  install_compose
  if [ "${#missing[@]}" -gt 0 ]; then
    # Without C it runs whatever the C library in the image is.
    CGO_ENABLED=0 go_tools "$S3"
    [ -z "$root" ] || wait "$root" || exit 1
    for stand_in in "${missing[@]}"; do
      make_stand_in "$stand_in" "$version" "$files"
    done
  fi
  stack_images | tr , '\n'
}

# make_stand_in makes one image. All of them have the same files, imported once.
make_stand_in() {
  local root="rustshare-release/root:$2" container
  if ! has_image "$root"; then
    say "docker import $3"
    docker import "$3" "$root" >/dev/null
  fi
  container="$(docker create --entrypoint "/stand-in/$1.sh" "$root")"
  [ "$1" != s3 ] || docker cp "$(tool_path versitygw)" "$container:/usr/local/bin/versitygw"
  docker commit "$container" "rustshare-release/$1:$2" >/dev/null
  docker rm "$container" >/dev/null
}

# mirror_of prints where this machine gets a distribution's packages from.
mirror_of() {
  local mirror
  # shellcheck disable=SC2016 # apt-get fills these in.
  mirror="$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' | awk -v suite="$1" '$1 == suite && $2 == "main" { print $3; exit }')"
  [ -n "$mirror" ] || die "apt knows no mirror of \"$1\" main, which the files are made from: see /etc/apt/sources.list"
  echo "$mirror"
}

# make_root makes the files of the stand-ins from this distribution's packages.
make_root() {
  local tmp mirror suite
  suite="$(codename)"
  mirror="$(mirror_of "$suite")"
  mkdir -p "$CACHE/images"
  tmp="$(mktemp -d "$CACHE/images/.build-XXXXXX")"
  say "debootstrap $suite with postgresql and nginx (this can take minutes, once)"
  if ! as_root "$SCRIPTS/images/root.sh" "$suite" "$mirror" "$tmp" >"$tmp/log" 2>&1; then
    tail -n 20 "$tmp/log" >&2
    die "making the files of the images failed; the log is $tmp/log"
  fi
  mv "$tmp/root.tar" "$1"
  find "$CACHE/images" -maxdepth 1 -name '*.tar' ! -path "$1" -delete
  rm -rf "$tmp"
}
