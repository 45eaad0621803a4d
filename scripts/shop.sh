#!/usr/bin/env bash
# Builds the extension, starts a throwaway PostgreSQL, and runs examples/shop on it until it is interrupted. PORT says where.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

pg_config=$(pg_config_of "$NEWEST")
bin=$(dirname "$pg_config")
"$ROOT/scripts/install.sh" "$pg_config"

folder=$(as_user mktemp -d /tmp/marketplace-shop-XXXXXX)
stop() {
  as_user "$bin/pg_ctl" -D "$folder/data" -m immediate -s stop 2>/dev/null || true
  rm -rf "$folder"
}
trap stop EXIT
trap "exit 0" INT TERM
as_user "$bin/initdb" -D "$folder/data" -U postgres -E UTF8 --locale=C.UTF-8 --no-sync >"$CACHE/shop.log" 2>&1 ||
  { cat "$CACHE/shop.log" >&2; die "initdb failed"; }
# Only a socket in the folder: no port of the machine is taken but the shop's.
as_user "$bin/pg_ctl" -D "$folder/data" -l "$folder/data/log" -w -s start \
  -o "-c listen_addresses= -c unix_socket_directories=$folder -c fsync=off" || { cat "$folder/data/log" >&2; die "the server does not start"; }
export PGHOST=$folder PGUSER=postgres
unset PGPORT PGSERVICE
"$bin/psql" -X -q -d postgres -c 'CREATE DATABASE shop'
"$bin/psql" -X -q -d shop -f examples/shop/setup.sql >/dev/null

port=${PORT:-8000}
export DATABASE_URL="postgresql://shop_backend@/shop?host=$folder" SHOP_URL="http://localhost:$port" SHOP_SECRET
SHOP_SECRET=$(od -An -tx1 -N32 /dev/urandom | tr -d ' \n')
say "the shop is on $SHOP_URL; Ctrl-C ends it. The database: $bin/psql -h $folder -U postgres shop"
"$CACHE/venv/bin/uvicorn" --app-dir examples/shop --port "$port" --log-level warning shop.main:app || true
