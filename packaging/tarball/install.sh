#!/bin/sh
# Installs the extension into a PostgreSQL @MAJOR@, or removes it from there again:
#   ./install.sh [--remove] [/path/to/pg_config]
# Without a path, PG_CONFIG says which pg_config to ask, or else the first on the path. DESTDIR goes before each folder.
set -eu
cd "$(dirname "$0")"
die() { echo "error: $*" >&2; exit 1; }

action=install
if [ "${1:-}" = --remove ]; then action=remove && shift; fi
pg_config=${1:-${PG_CONFIG:-pg_config}}
[ -x "$(command -v "$pg_config")" ] || die "there is no pg_config at $pg_config: say where it is"
server=$("$pg_config" --version)
case $server in
"PostgreSQL @MAJOR@"[!0-9]*) ;;
*) die "this is for PostgreSQL @MAJOR@, and $pg_config belongs to $server" ;;
esac
case $(uname -m) in
x86_64) machine=amd64 ;;
aarch64) machine=arm64 ;;
*) machine=$(uname -m) ;;
esac
[ "$machine" = @ARCHITECTURE@ ] || die "this is for @ARCHITECTURE@, and the machine is $machine"
if ldd --version 2>&1 | grep -qi musl; then die "this needs glibc, and the machine has musl (Alpine): build from source"; fi

library=${DESTDIR:-}$("$pg_config" --pkglibdir)
scripts=${DESTDIR:-}$("$pg_config" --sharedir)/extension

remove() {
  rm -f "$library/extensions.so" "$scripts/extensions.control" "$scripts"/extensions--*.sql
}

# Connected sessions keep the library that they have loaded: `install` replaces the file instead of overwriting it.
install_files() {
  mkdir -p "$library" "$scripts"
  install -m 755 lib/extensions.so "$library/"
  install -m 644 share/extension/* "$scripts/"
}

if [ $action = remove ]; then
  remove
  echo "removed from $server; databases that still have the extension cannot use it"
else
  install_files
  echo "installed into $server; now run CREATE EXTENSION extensions (or ALTER EXTENSION extensions UPDATE) in the database"
fi
