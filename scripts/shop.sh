#!/usr/bin/env bash
# Builds the extension, starts a throwaway PostgreSQL, and runs examples/shop on it until it is interrupted. PORT says where.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

"$ROOT/scripts/install.sh" "$(pg_config_of "$NEWEST")"

folder=$(as_user mktemp -d /tmp/marketplace-shop-XXXXXX)
trap 'stop_throwaway_server "$folder"' EXIT
trap "exit 0" INT TERM
start_throwaway_server "$folder"
"$BIN/psql" -X -q -d postgres -c 'CREATE DATABASE shop'
PGOPTIONS="-c client_min_messages=warning" "$BIN/psql" -X -q -d shop -f examples/shop/setup.sql >/dev/null

port=${PORT:-8000}
random() { od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'; } # BYTES
export DATABASE_URL="postgresql://shop_backend@/shop?host=$folder" SHOP_URL="http://localhost:$port" SHOP_SECRET
export DESK_DATABASE_URL="postgresql://desk_backend@/shop?host=$folder" DESK_KEYS
SHOP_SECRET=$(random 32)
DESK_KEYS="support=$(random 4),billing=$(random 4),admin=$(random 4)"
say "the shop is on $SHOP_URL; Ctrl-C ends it. The database: $BIN/psql -h $folder -U postgres shop"
say "the desk is on $SHOP_URL/desk, with any name and the key of a level: ${DESK_KEYS//,/, }"
"$CACHE/venv/bin/uvicorn" --app-dir examples/shop --port "$port" --log-level warning shop.main:app || true
