#!/usr/bin/env bash
# Builds a release into a copy of the newest PostgreSQL, starts a private server and measures there:
# scripts/bench.sh [options of benches/bench.py]
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

# The servers of the tests contain a debug build.
server=$CACHE/bench/$NEWEST
[ -e "$server/.complete" ] || { mkdir -p "$CACHE/bench" && cp -a "$SERVERS/$NEWEST" "$server"; }
BIN=$(readlink -f "$server/pginstall/bin")
"$ROOT/scripts/install.sh" "$BIN/pg_config" --release
cargo build --quiet --release --package wire
WIRE=${CARGO_TARGET_DIR:-$ROOT/target}/release/wire

folder=$CACHE/bench/data-$NEWEST
socket=$(as_user mktemp -d /tmp/marketplace-bench-XXXXXX)
stop() {
  as_user "$BIN/pg_ctl" -D "$folder" -m fast -w -s stop 2>/dev/null || true
  rm -rf "$socket"
}
trap stop EXIT
[ -e "$folder/PG_VERSION" ] || as_user "$BIN/initdb" -D "$folder" -U postgres -E UTF8 --locale=C.UTF-8 >"$CACHE/bench.log"
# The applications of benches/wire also connect by TCP, through the machine's own interface.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# Commits do not wait for the disk: the benchmark compares work, and disk latency would hide the differences.
as_user "$BIN/pg_ctl" -D "$folder" -l "$CACHE/bench/log" -w -s start -o "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$socket \
  -c shared_buffers=4GB -c max_wal_size=8GB -c synchronous_commit=off -c max_connections=100 -c autovacuum=on -c jit=off \
  -c checkpoint_timeout=30min"
export BIN WIRE PGHOST=$socket PGPORT=$port PGUSER=postgres
unset PGSERVICE PGDATABASE
"$CACHE/venv/bin/python" benches/bench.py "$@"
