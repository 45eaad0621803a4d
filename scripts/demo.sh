#!/usr/bin/env bash
# Builds the extension, starts a throwaway PostgreSQL and runs demo/demo.sql there. KEEP=1 leaves the server running.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

"$ROOT/scripts/install.sh" "$(pg_config_of "$NEWEST")"

folder=$(as_user mktemp -d /tmp/marketplace-demo-XXXXXX)
trap 'stop_throwaway_server "$folder"' EXIT

say "starting PostgreSQL $NEWEST in $folder"
start_throwaway_server "$folder"
export PGDATABASE=marketplace
"$BIN/psql" -X -q -d postgres -c 'CREATE DATABASE marketplace'
"$BIN/psql" -X -v ON_ERROR_STOP=1 -f demo/demo.sql

if [ -n "${KEEP:-}" ]; then
  trap - EXIT
  say "the server is still running; connect with
    $BIN/psql -h $folder -U postgres marketplace
  and end it with
    kill -QUIT $(head -1 "$folder/data/postmaster.pid") && rm -r $folder"
fi
