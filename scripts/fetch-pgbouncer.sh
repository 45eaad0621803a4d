#!/usr/bin/env bash
# Unpacks PgBouncer under .cache/pgbouncer without installing it in the system. Debian trixie has the first that keeps
# prepared statements in transaction mode (1.21 or newer).
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian.sh
source "$ROOT/scripts/debian.sh"

folder=$CACHE/pgbouncer
recipe=$(declare -f unpack_from_debian use_own_libraries | cksum)
[ "$(cat "$folder/.complete" 2>/dev/null)" = "$recipe" ] && exit
say "fetching PgBouncer into ${folder#"$ROOT"/}"
rm -rf "$folder" && mkdir -p "$folder" "$DOWNLOADS"
unpack_from_debian "$folder" trixie pgbouncer
use_own_libraries "$folder" "$folder/usr/sbin"
"$folder/usr/sbin/pgbouncer" --version >/dev/null || die "PgBouncer does not start"
echo "$recipe" >"$folder/.complete"
