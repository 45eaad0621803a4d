#!/usr/bin/env bash
# Builds a release for a PostgreSQL and lays out its files: scripts/stage.sh PG_CONFIG [--is-current]
# Prints the folder; under it are lib/, share/extension/ and `paths`, which says where these two belong.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
pg_config=$1
check_pg_config "$pg_config"

stage=target/stage/$(readlink -f "$(command -v "$pg_config")" | cksum | cut -d' ' -f1)
log=$stage.log
inputs=(src crates sql Cargo.toml Cargo.lock extensions.control "$0")

# `sudo make install` comes after `make`, and root often has no cargo: an up-to-date build is not repeated.
is_current() { [ -e "$stage/paths" ] && [ -z "$(find "${inputs[@]}" -newer "$stage/paths" -print -quit)" ]; }

# Otherwise the library's messages would contain the paths of this machine, and differ from one checkout to the next.
forget_paths() {
  local cargo=${CARGO_HOME:-$HOME/.cargo}
  case $ROOT$cargo in *[[:space:]]*) return ;; esac
  export CARGO_BUILD_RUSTFLAGS="--remap-path-prefix=$cargo/registry/src=/cargo --remap-path-prefix=$ROOT=/extensions"
  export CFLAGS="${CFLAGS:-} -ffile-prefix-map=$cargo/registry/src=/cargo -ffile-prefix-map=$ROOT=/extensions"
}

build() {
  local raw=$stage/raw
  rm -rf "$stage" && mkdir -p "$stage/lib" "$stage/share/extension"
  say "building a release for $("$pg_config" --version)"
  write_pgrx_stub
  forget_paths
  cargo pgrx package --pg-config "$pg_config" --out-dir "$raw" >"$log" 2>&1 || { tail -40 "$log" >&2; die "the build failed; see $log"; }
  find "$raw" -name 'extensions.so' -exec install -m 755 -t "$stage/lib" {} +
  strip --strip-unneeded "$stage/lib/extensions.so"
  find "$raw" \( -name 'extensions.control' -o -name 'extensions--*.sql' \) -exec install -m 644 -t "$stage/share/extension" {} +
  # So that an earlier version can still be installed, and then updated.
  install -m 644 -t "$stage/share/extension" sql/released/extensions--*.sql
  rm -rf "$raw"
  printf '%s\n%s\n' "$("$pg_config" --pkglibdir)" "$("$pg_config" --sharedir)/extension" >"$stage/paths"
}

if [ "${2:-}" = --is-current ]; then is_current && exit 0 || exit 1; fi
is_current || build
echo "$ROOT/$stage"
