#!/usr/bin/env bash
# Installs what is missing, then lives through whole releases of the sample product. Arguments go to the target: -keep=DIR, -like=DIR.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/install.sh rust node sign
exec go run . rehearse "$@"
