#!/usr/bin/env bash
# Makes the pages of docs/ that come from the catalog and the sources, on a throwaway server: scripts/docs.sh [--check]
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
"$ROOT/scripts/install.sh" "$(pg_config_of "$NEWEST")"
folder=$(as_user mktemp -d /tmp/marketplace-docs-XXXXXX)
trap 'stop_throwaway_server "$folder"' EXIT
start_throwaway_server "$folder"
PATH=$BIN:$PATH PYTHONDONTWRITEBYTECODE=1 "$CACHE/venv/bin/python" scripts/docs "$@"
