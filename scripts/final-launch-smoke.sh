#!/usr/bin/env bash
# Goes on the launch journey through a running product, by the suite's target smoke:launch. No arguments; variables:
#
#   BASE_URL        where it answers (default: http://localhost:8080)
#   ADMIN_EMAIL     (admin@localhost), ADMIN_PASSWORD or RUSTSHARE_ADMIN_PASSWORD
#   VIEWER_EMAIL    (viewer@localhost), VIEWER_PASSWORD or RUSTSHARE_DEMO_VIEWER_PASSWORD
#   REPORT_DIR      where the report goes (default: dist/smoke)
#   RELEASE_SUITE   the suite's checkout, see suite.sh
#
# Exit codes: 0 passed, 1 failed, 2 a wrong call.
set -euo pipefail

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
  exit 0
fi
if [[ $# -gt 0 ]]; then
  echo "$0 takes no arguments, but got $1: it reads variables, see $0 --help" >&2
  exit 2
fi
if [[ -n ${REPORT_DIR:-} ]]; then # the target works in another directory
  mkdir -p -- "$REPORT_DIR"
  REPORT_DIR=$(CDPATH='' cd -- "$REPORT_DIR" && pwd)
  export REPORT_DIR
fi
exec "$(dirname "${BASH_SOURCE[0]}")/suite.sh" smoke:launch "-url=${BASE_URL:-http://localhost:8080}"
