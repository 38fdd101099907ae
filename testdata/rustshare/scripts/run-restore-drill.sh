#!/usr/bin/env bash
# Restores a backup into an isolated copy of the product and looks whether it works, by the suite's target drill:restore.
#
#   scripts/run-restore-drill.sh [BACKUP_DIR]
#
#   BACKUP_DIR                the same as a variable (default: the newest below the product's backups/)
#   DRILL_KEEP_STACK=true     leaves the copy up
#   ADMIN_EMAIL               (admin@localhost), ADMIN_PASSWORD or RUSTSHARE_ADMIN_PASSWORD
#   VIEWER_EMAIL              (viewer@localhost), VIEWER_PASSWORD or RUSTSHARE_DEMO_VIEWER_PASSWORD
#   PUBLIC_SHARE_TOKEN        the public link that is tried, PUBLIC_SHARE_PASSWORD its password
#   ALLOW_SKIP_PUBLIC_SHARE=true   is content with a backup without a public link
#   SMOKE_REPORT              the report of the journey whose data must be found again
#   REPORT_DIR                where the report goes (default: below dist)
#   RELEASE_SUITE             the suite's checkout, see suite.sh
#
# Exit codes: 0 passed, 1 failed, 2 a wrong call.
set -euo pipefail

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
  exit 0
fi
if [[ $# -gt 1 || ${1:-} == -* ]]; then
  echo "usage: $0 [BACKUP_DIR], see $0 --help" >&2
  exit 2
fi

here=$(CDPATH='' cd -- "$(dirname "${BASH_SOURCE[0]}")" && pwd)
product=$(dirname "$here")
if [[ -d $product/magefiles/targets ]]; then # called from the suite
  product=$(git rev-parse --show-toplevel 2>/dev/null) || product=$PWD
fi
backup=${1:-${BACKUP_DIR:-}}
if [[ -z $backup ]]; then # named by UTC stamps: the last one is the newest
  backup=$(LC_ALL=C; for d in "$product"/backups/*/; do [[ -f ${d}manifest.env ]] && newest=$d; done; echo "${newest:-}")
  if [[ -z $backup ]]; then
    echo "there is no backup below $product/backups: make one with the target drill:backup, or name its directory" >&2
    exit 2
  fi
fi
if [[ ! -d $backup ]]; then
  echo "the backup $backup is no directory" >&2
  exit 2
fi

# The target works in another directory.
backup=$(CDPATH='' cd -- "$backup" && pwd)
if [[ -n ${REPORT_DIR:-} ]]; then
  mkdir -p -- "$REPORT_DIR"
  REPORT_DIR=$(CDPATH='' cd -- "$REPORT_DIR" && pwd)
  export REPORT_DIR
fi
if [[ -n ${SMOKE_REPORT:-} ]]; then
  if [[ ! -f $SMOKE_REPORT ]]; then
    echo "SMOKE_REPORT is $SMOKE_REPORT, which is no file" >&2
    exit 2
  fi
  SMOKE_REPORT=$(CDPATH='' cd -- "$(dirname -- "$SMOKE_REPORT")" && pwd)/$(basename -- "$SMOKE_REPORT")
  export SMOKE_REPORT
fi
exec "$here/suite.sh" drill:restore "$backup"
