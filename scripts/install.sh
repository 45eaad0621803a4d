#!/usr/bin/env bash
# Builds the extension and installs it into a PostgreSQL: scripts/install.sh PG_CONFIG [--build | --release | --remove]
# Without an option it is a debug build. --build makes a release and --release installs it, with DESTDIR under that folder.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
pg_config=$1
check_pg_config "$pg_config"

install_debug() {
  local log=$CACHE/install.log patience=
  write_pgrx_stub
  [ -e target/debug ] || patience=", which takes some minutes the first time"
  say "building for $("$pg_config" --version)$patience"
  cargo pgrx install --pg-config "$pg_config" >"$log" 2>&1 || { tail -40 "$log" >&2; die "the build failed; see $log"; }
}

install_release() {
  local stage library scripts
  build
  stage=$("$ROOT/scripts/stage.sh" "$pg_config")
  { read -r library; read -r scripts; } <"$stage/paths"
  install -D -m 755 -t "${DESTDIR:-}$library" "$stage"/lib/*
  install -D -m 644 -t "${DESTDIR:-}$scripts" "$stage"/share/extension/*
}

remove() {
  rm -f "${DESTDIR:-}$("$pg_config" --pkglibdir)/extensions.so"
  rm -f "${DESTDIR:-}$("$pg_config" --sharedir)/extension/extensions".control "${DESTDIR:-}$("$pg_config" --sharedir)/extension/extensions"--*.sql
}

# A finished build needs no compiler: `sudo make install` comes after `make all`.
build() {
  "$ROOT/scripts/stage.sh" "$pg_config" --is-current >/dev/null && return
  "$ROOT/scripts/setup.sh" build
  "$ROOT/scripts/stage.sh" "$pg_config" >/dev/null
}

case ${2:-} in
--build) build ;;
--release) install_release ;;
--remove) remove ;;
*) install_debug ;;
esac
