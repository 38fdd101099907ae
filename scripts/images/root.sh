#!/bin/sh
# Makes the files of the stand-ins, as root, in an empty directory:
#   root.sh SUITE MIRROR DIRECTORY   leaves DIRECTORY/root.tar
set -eu
umask 022
suite="$1" mirror="$2" dir="$3"
here="$(cd "$(dirname "$0")" && pwd)"

debootstrap --variant=minbase --include=postgresql,nginx "$suite" "$dir/root" "$mirror"
cd "$dir/root"
rm -rf var/cache/apt/* var/lib/apt/lists/* usr/share/doc/* usr/share/man/* usr/share/locale/* etc/nginx/sites-enabled/*
# A quarter of it all is a compiler of queries, which PostgreSQL does without.
rm -rf usr/lib/postgresql/*/lib/llvmjit.so usr/lib/postgresql/*/lib/bitcode usr/lib/*/libLLVM*
# The distribution's own commands look for clusters that it made.
for program in usr/lib/postgresql/*/bin/*; do
  ln -s "/$program" usr/local/bin/
done
ln -sf /dev/stdout var/log/nginx/access.log
ln -sf /dev/stderr var/log/nginx/error.log
install -m 644 "$here/nginx.conf" etc/nginx/nginx.conf
install -m 755 -d stand-in
install -m 755 "$here/postgres.sh" "$here/s3.sh" "$here/nginx.sh" stand-in/
tar --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -cf "$dir/root.tar" .
cd "$dir"
rm -rf root
