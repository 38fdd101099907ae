#!/bin/sh
# Entry point of the stand-in for RustFS: an S3 server over directories, with the
# variables of RustFS. What a directory cannot say about an object (type, ETag)
# lies in files beside it, not in extended attributes: some filesystems have none,
# and tar leaves them out.
set -eu
[ "$#" -eq 0 ] || exec "$@"

volume="${RUSTFS_VOLUMES:-/data}"
: "${RUSTFS_ACCESS_KEY:?is not set}" "${RUSTFS_SECRET_KEY:?is not set}"
mkdir -p "$volume/buckets" "$volume/metadata"
export ROOT_ACCESS_KEY="$RUSTFS_ACCESS_KEY" ROOT_SECRET_KEY="$RUSTFS_SECRET_KEY"
unset RUSTFS_ACCESS_KEY RUSTFS_SECRET_KEY
exec versitygw --port "${RUSTFS_ADDRESS:-:9000}" posix --sidecar "$volume/metadata" "$volume/buckets"
