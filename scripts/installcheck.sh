#!/usr/bin/env bash
# Tries the installed extension out in a running server, which libpq's variables name, in a database that is dropped again:
# scripts/installcheck.sh PG_CONFIG
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$("$1" --bindir)
database=extensions_installcheck

"$bin/createdb" "$database"
trap '"$bin/dropdb" "$database"' EXIT
"$bin/psql" -X -q -v ON_ERROR_STOP=1 -d "$database" -c 'CREATE SCHEMA marketplace' \
  -c 'CREATE EXTENSION extensions SCHEMA marketplace' -f tests/packages/marketplace.sql >/dev/null
echo "the extension works in $("$1" --version)"
