#!/usr/bin/env bash
# Lists the crates that the library contains, with the texts of their licences, in THIRD-PARTY-LICENSES:
# scripts/licenses.sh [--check]
# --check only compares the names and versions there with what is built, which needs no cargo-about.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

if [ "${1:-}" != --check ]; then
  cargo about generate --locked --offline --no-default-features --features "pg$NEWEST" \
    --config packaging/about.toml --output-file THIRD-PARTY-LICENSES packaging/about.hbs
fi

listed() { sed -n 's/^\([A-Za-z0-9_-]* [0-9][^ ]*\): .*/\1/p' THIRD-PARTY-LICENSES | sort -u; }
built() {
  cargo tree --locked --package extensions --edges normal --no-default-features --features "pg$NEWEST" --prefix none --format '{p}' |
    grep -v ' (/' | sed 's/ v/ /; s/ (.*//' | sort -u # what lies in a folder is ours
}
differences=$(diff <(listed) <(built)) || die "THIRD-PARTY-LICENSES is not up to date, run make licenses:
$differences"
