#!/usr/bin/env bash
# Builds the peers that take long to build (once, into the cache outside the
# checkout) and runs all Go tests that need one. Such a test is named TestPeer…,
# TestGitea… or TestAdmission…, or lies in a package of Gitea's. Where a peer is
# missing plain `go test` skips it and says so; here that is a failure. Arguments go
# to go test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh tools sigstore forge trivy admission
export RELEASE_TEST_PEERS=1
mapfile -t named < <(grep -rlE --include='*_test.go' '^func Test(Peer|Gitea|Admission)' magefiles | xargs -n1 dirname | sort -u | sed 's|^|./|')
go test -count=1 -timeout 60m "$@" -run '^Test(Peer|Gitea|Admission)' "${named[@]}"
go test -count=1 -timeout 60m "$@" ./magefiles/publish/forge/gitea ./magefiles/internal/testkit/gitea
