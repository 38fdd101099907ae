#!/bin/sh
# Entry point of the stand-in for the official image of PostgreSQL: a cluster in
# the volume, made at the first start from POSTGRES_DB, POSTGRES_USER and
# POSTGRES_PASSWORD, and a password for everybody who comes over the network.
set -eu
[ "$#" -eq 0 ] || exec "$@"

volume=/var/lib/postgresql/data
cluster="$volume/cluster"
user="${POSTGRES_USER:-postgres}"
database="${POSTGRES_DB:-$user}"

mkdir -p "$volume"
chown postgres:postgres "$volume" /run/postgresql
if [ ! -d "$cluster" ]; then
  if [ -z "${POSTGRES_PASSWORD:-}" ]; then
    echo 'the volume holds no database yet, and POSTGRES_PASSWORD is not set: set it' >&2
    exit 1
  fi
  password="$(mktemp)"
  printf '%s\n' "$POSTGRES_PASSWORD" >"$password"
  chown postgres "$password"
  rm -rf "$cluster.new"
  setpriv --reuid=postgres --regid=postgres --init-groups \
    initdb --pgdata="$cluster.new" --username="$user" --pwfile="$password" \
    --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  rm "$password"
  echo 'host all all all scram-sha-256' >>"$cluster.new/pg_hba.conf"
  if [ "$database" != postgres ]; then
    # Without a server, which somebody could take for the real one.
    printf 'CREATE DATABASE "%s"\n' "$(printf %s "$database" | sed 's/"/""/g')" |
      setpriv --reuid=postgres --regid=postgres --init-groups postgres --single -D "$cluster.new" postgres >/dev/null
  fi
  mv "$cluster.new" "$cluster"
fi

unset POSTGRES_PASSWORD
setpriv --reuid=postgres --regid=postgres --init-groups postgres -D "$cluster" -c listen_addresses='*' &
server=$!
# SIGTERM would have it wait for its clients; SIGINT ends their sessions.
trap 'kill -INT "$server"' TERM INT
# A signal ends the waiting, not the server.
while
  status=0
  wait "$server" || status=$?
  kill -0 "$server" 2>/dev/null
do :; done
exit "$status"
