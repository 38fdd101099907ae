#!/usr/bin/env bash
# Installs what is missing, then lives through whole releases of the sample product. Arguments go to the target: -keep=DIR, -like=DIR.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh rust node sign
# Where Docker has images for the services, things are tried on Docker.
if [ -z "${RELEASE_STACK_IMAGES:-}" ] && images="$(scripts/setup.sh path stack-images 2>/dev/null)"; then
  export RELEASE_STACK_IMAGES="$images"
fi
exec go run . rehearse "$@"
