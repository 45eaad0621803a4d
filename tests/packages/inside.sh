#!/usr/bin/env bash
# Runs in a clean root, as root: inside.sh STEP, with MAJOR, VERSION and BIN, the folder of the server's programs.
# /packages holds dist/, docs/ and this folder.
set -euo pipefail
fail() { echo "error: $*" >&2; exit 1; }
psql_in() { runuser -u postgres -- "$BIN/psql" -X -q -v ON_ERROR_STOP=1 -d "$@"; }

# The commands of a section of the page, as a person would paste them.
documented() { # SECTION
  local commands
  commands=$(awk -v section="## $1" '/^## /{ on = $0 == section } /^```$/{ code = 0 } on && code; /^```sh$/{ code = 1 }' /packages/docs/install.md)
  [ -n "$commands" ] || fail "docs/install.md has no commands under $1"
  (cd /packages/dist && eval "set -eux; $commands")
}

start() {
  runuser -u postgres -- "$BIN/pg_ctl" -D "$DATA" -l /tmp/server.log -w -s start \
    -o "-c listen_addresses= -c unix_socket_directories=/tmp -c fsync=off" || { cat /tmp/server.log >&2; fail "no server"; }
}
stop() { runuser -u postgres -- "$BIN/pg_ctl" -D "$DATA" -m fast -w -s stop; }

server_data() {
  DATA=/var/lib/postgresql/data
  [ -e "$DATA/PG_VERSION" ] || runuser -u postgres -- "$BIN/initdb" -D "$DATA" -U postgres -E UTF8 --locale=C --no-sync >/dev/null
}

# A person has psql and the others on the path, and Debian's know where the socket is.
as_a_person() { export PGHOST=/tmp PATH=$BIN:$PATH; }

extension_files() { find / -xdev -path /packages -prune -o \( -name 'extensions.so' -o -name 'extensions.control' -o -name 'extensions--*.sql' \) -print; }

step_server() {
  # A mirror may lag behind; it is our package that is on trial.
  echo 'Acquire::Check-Valid-Until "false";' >/etc/apt/apt.conf.d/99-mirror
  apt-get update -qq
  # The server is started by these tests, not by its package, and with a socket in place of a port.
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
  mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  apt-get install -y -qq --no-install-recommends "postgresql-$MAJOR" >/tmp/apt.log 2>&1 || { tail /tmp/apt.log >&2; fail "no server"; }
}

# A server that no package installed.
step_account() { id postgres >/dev/null 2>&1 || useradd --system --home-dir /var/lib/postgresql --create-home postgres; }

step_deb() {
  documented "Debian and Ubuntu"
  dpkg --verify "postgresql-$MAJOR-extensions"
  step_use
  documented "Removing"
  [ -z "$(extension_files)" ] || fail "left behind: $(extension_files)"
}

step_tarball() {
  documented "Tarball"
  step_use
  "/packages/dist/extensions-$VERSION-pg$MAJOR-linux-$(dpkg --print-architecture)/install.sh" --remove "$BIN/pg_config"
  [ -z "$(extension_files)" ] || fail "left behind: $(extension_files)"
}

# Installs another version's script first and goes through an upgrade and back, where there is a way.
step_use() {
  psql_in postgres -c 'DROP DATABASE IF EXISTS shop'
  documented "In the database"
  psql_in shop -f /packages/tests/marketplace.sql >/dev/null
  local before
  for before in $PREVIOUS; do
    psql_in postgres -c 'DROP DATABASE shop' -c 'CREATE DATABASE shop'
    psql_in shop -c 'CREATE SCHEMA marketplace' -c "CREATE EXTENSION extensions SCHEMA marketplace VERSION '$before'"
    psql_in shop -f /packages/tests/marketplace.sql >/dev/null
    [ -n "$IS_UPGRADABLE" ] || continue
    documented "Upgrading"
    [ "$(psql_in shop -At -c "SELECT extversion FROM pg_extension WHERE extname = 'extensions'")" = "$VERSION" ] || fail "no upgrade"
    documented "Going back"
    [ "$(psql_in shop_before -At -c "SELECT marketplace.has_feature('ada', 'agent_platform')")" = t ] || fail "ada lost what she bought"
    psql_in postgres -c 'DROP DATABASE shop_before'
  done
}

export LC_ALL=C.UTF-8
cd /
case $1 in
server | account) "step_$1" ;;
*)
  server_data && as_a_person && start
  trap stop EXIT
  "step_$1"
  ;;
esac
