#!/usr/bin/env bash
# Unpacks postgres_exporter and Prometheus' promtool under .cache/monitoring without installing them in the system.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian.sh
source "$ROOT/scripts/debian.sh"

folder=$CACHE/monitoring
recipe=$(declare -f unpack_from_debian | cksum)
[ "$(cat "$folder/.complete" 2>/dev/null)" = "$recipe" ] && exit
say "fetching postgres_exporter and promtool into ${folder#"$ROOT"/}"
rm -rf "$folder" && mkdir -p "$folder/packages" "$DOWNLOADS"
unpack_from_debian "$folder/packages" bookworm prometheus-postgres-exporter prometheus
for program in prometheus-postgres-exporter promtool; do
  mv "$folder/packages/usr/bin/$program" "$folder"
  "$folder/$program" --version >/dev/null 2>&1 || die "$program does not start"
done
rm -r "$folder/packages"
echo "$recipe" >"$folder/.complete"
