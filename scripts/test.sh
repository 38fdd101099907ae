#!/usr/bin/env bash
# Installs what is missing, then runs all the tests. Arguments go to go test: -short leaves out what compiles the sample product.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The packages that link neither cosign nor syft: the race detector is quick
# there, and it is where things run side by side.
mapfile -t INTERNAL < <(go list ./magefiles/internal/... | grep -vE '/(scripts|testkit/proofs)$')
RACE=(
  ./magefiles/product/... ./magefiles/decide/... ./magefiles/bundle/... ./magefiles/doctor/... "${INTERNAL[@]}"
  ./magefiles/publish/registry/... ./magefiles/publish/embedded/... ./magefiles/publish/forge/...
  ./magefiles/publish/announce/... ./magefiles/try/...
)

scripts/setup.sh rust node sign tools sigstore forge packaging images browser
RELEASE_STACK_IMAGES="$(scripts/setup.sh path stack-images)"
export RELEASE_STACK_IMAGES
# What compiles the sample and runs it on Docker is mostly waiting: it goes beside the rest, and its output comes at the end.
SLOW='^(TestTries|TestRehearsal)$'
slow="$(mktemp)"
go test -timeout 60m "$@" -run "$SLOW" ./magefiles/pipeline >"$slow" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null || true; rm -f "$slow"' EXIT
go test -timeout 60m "$@" -skip "$SLOW" ./...
wait "$beside" && passed=yes || passed=
cat "$slow"
[ -n "$passed" ] || exit 1
# Containers are no quicker to race with, and no part of the race: -short.
go test -race -short -timeout 20m "$@" "${RACE[@]}"
