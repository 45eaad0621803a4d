#!/usr/bin/env bash
# Tests a coordinator and two workers on a PostgreSQL that has Citus, which no package registry holds: scripts/test-citus.sh [PG_CONFIG]
# Without PG_CONFIG it says that it was skipped.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
pg_config=${1:-}
if [ -z "$pg_config" ]; then
  say "skipped: name a PostgreSQL with Citus by CITUS_PG_CONFIG=/path/to/pg_config"
  exit 0
fi
[ -x "$(command -v "$pg_config")" ] || die "there is no pg_config at $pg_config"
[ -e "$("$pg_config" --pkglibdir)/citus.so" ] || die "$("$pg_config" --version) at $pg_config has no Citus: its library folder holds no citus.so"
scripts/setup.sh build
scripts/install.sh "$pg_config"
CITUS_PG_CONFIG=$pg_config as_user cargo test --quiet --package harness --test citus -- --nocapture
