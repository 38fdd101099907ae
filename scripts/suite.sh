#!/usr/bin/env bash
# Runs a target of the release suite on the product's checkout:
#
#   scripts/suite.sh TARGET [ARGUMENT]...
#
# Copied into the product's scripts/ it works on that checkout, and looks for the suite in $RELEASE_SUITE, in $RUNNER_TEMP/suite (where the
# action fetches it), and in rustshare-release beside the checkout. Left in the suite it works on the checkout that it is called in.
# Variables are handed on as they are, and so is the exit code: 0 done, 1 failed, 2 a wrong call.
set -euo pipefail

if [[ $# -eq 0 || $1 == -* ]]; then
  echo "usage: $0 TARGET [ARGUMENT]..." >&2
  exit 2
fi

home=$(CDPATH='' cd -- "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
product=$home
if [[ -d $home/magefiles/targets ]]; then
  suite=$home
  product=$(git rev-parse --show-toplevel 2>/dev/null) || product=$PWD
elif [[ -n ${RELEASE_SUITE:-} ]]; then
  suite=$RELEASE_SUITE
elif [[ -n ${RUNNER_TEMP:-} && -d $RUNNER_TEMP/suite ]]; then
  suite=$RUNNER_TEMP/suite
else
  suite=$(dirname "$home")/rustshare-release
fi
if [[ ! -d $suite/magefiles/targets ]]; then
  echo "$suite is no checkout of the release suite: clone https://github.com/kubedoio/rustshare-release there, or name another one with RELEASE_SUITE" >&2
  exit 1
fi

CDPATH='' cd -- "$suite"
exec go tool mage -w "$product" "$@"
