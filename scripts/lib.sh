# Sourced by the other scripts: places, messages, and how to be an ordinary user.
# shellcheck shell=bash
# shellcheck disable=SC2034  # what is set here is used by those who source it
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${EXTENSIONS_CACHE:-$ROOT/.cache}
SERVERS=$CACHE/postgres
DOWNLOADS=$CACHE/downloads
TOOLS=$CACHE/tools
SUPPORTED="15 16 17 18"
NEWEST=18
# Tested together with the others before its release; nothing breaks if it fails or is missing, see docs/install.md.
PREVIEW=19

# cargo-pgrx insists on being exactly the version of the pgrx it builds, so Cargo.toml is the one place that names it.
PGRX_VERSION=$(sed -n 's/^pgrx = "=\([0-9.]*\)".*/\1/p' "$ROOT/Cargo.toml")

export PGRX_HOME=$CACHE/pgrx
export PATH=$TOOLS/bin:$PATH
# pgrx declares a newer Rust than it needs; see Cargo.toml. cargo-pgrx hands this to the builds that it starts.
export PGRX_BUILD_FLAGS=--ignore-rust-version
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
# A server started with this set puts a Rust backtrace in the DETAIL of every error.
unset RUST_BACKTRACE

# FOLDER: starts a throwaway server of the newest PostgreSQL in a folder, and has clients find it. Only a socket in the folder:
# no port of the machine is taken.
start_throwaway_server() {
  BIN=$(dirname "$(pg_config_of "$NEWEST")")
  as_user "$BIN/initdb" -D "$1/data" -U postgres -E UTF8 --locale=C.UTF-8 --no-sync >"$CACHE/initdb.log" 2>&1 ||
    { cat "$CACHE/initdb.log" >&2; die "initdb failed"; }
  as_user "$BIN/pg_ctl" -D "$1/data" -l "$1/data/log" -w -s start \
    -o "-c listen_addresses= -c unix_socket_directories=$1 -c fsync=off -c timezone=UTC" || { cat "$1/data/log" >&2; die "the server does not start"; }
  export PGHOST=$1 PGUSER=postgres
  unset PGPORT PGSERVICE PGDATABASE
}

# FOLDER: ends it.
stop_throwaway_server() {
  as_user "$BIN/pg_ctl" -D "$1/data" -m immediate -s stop 2>/dev/null || true
  rm -rf "$1"
}

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

pg_config_of() { printf '%s/pg_config\n' "$(readlink -f "$SERVERS/$1/pginstall/bin")"; }

project_version() { sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml"; }

check_pg_config() { # PG_CONFIG
  [ -x "$(command -v "$1")" ] || die "there is no pg_config at $1"
  [ -e "$("$1" --includedir-server)/postgres.h" ] ||
    die "the headers of $("$1" --version) are missing: install its -dev or -devel package (Debian: postgresql-server-dev-NN)"
}

# cargo-pgrx reads its configuration before it looks at --pg-config.
write_pgrx_stub() {
  [ -e "$PGRX_HOME/config.toml" ] || { mkdir -p "$PGRX_HOME" && printf '[configs]\n' >"$PGRX_HOME/config.toml"; }
}

# Runs a command as an ordinary user, because PostgreSQL refuses to run as root. Root becomes `nobody` in a user
# namespace, where its files are still its own: no account is made and no file changes hands. Where the machine forbids
# user namespaces (some containers), a system account does it, provided it can reach this checkout and the toolchain.
as_user() {
  if [ "$(id -u)" != 0 ]; then
    "$@"
  elif unshare --user --map-user="$(id -u nobody)" --map-group="$(id -g nobody)" true 2>/dev/null; then
    unshare --user --map-user="$(id -u nobody)" --map-group="$(id -g nobody)" -- env USER=nobody LOGNAME=nobody "$@"
  else
    as_account "$@"
  fi
}

ACCOUNT=extensions-tests
as_account() {
  id "$ACCOUNT" >/dev/null 2>&1 || useradd --system --create-home --shell /bin/bash "$ACCOUNT"
  setpriv --reuid="$ACCOUNT" --regid="$ACCOUNT" --init-groups test -x "$ROOT" -a -x "${CARGO_HOME:-$HOME/.cargo}/bin" ||
    die "servers cannot run as root, user namespaces are not permitted here, and the account $ACCOUNT cannot reach $ROOT and the Rust toolchain: run make as an ordinary user"
  mkdir -p "$CACHE" "$ROOT/target"
  chown -R "$ACCOUNT" "$CACHE" "$ROOT/target"
  setpriv --reuid="$ACCOUNT" --regid="$ACCOUNT" --init-groups \
    env USER="$ACCOUNT" LOGNAME="$ACCOUNT" HOME="/home/$ACCOUNT" CARGO_HOME="$CACHE/cargo" \
    RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" "$@"
}
