#!/usr/bin/env bash
# Makes the upgrade script to this version from sql/upgrades and the functions as they are now.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
pg_config=$(pg_config_of "$NEWEST")
scripts/install.sh "$pg_config"
cargo run --quiet --package harness --example upgrade_script -- "$("$pg_config" --sharedir)/extension"
