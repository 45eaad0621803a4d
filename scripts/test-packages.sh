#!/usr/bin/env bash
# Installs the packages of dist/ into clean Debian roots as docs/install.md says, and uses the extension there:
# scripts/test-packages.sh [MAJOR]... It asks sudo for what only root can: change the root and leave the network.
#   Debian package  for each major that a release of Debian has: apt-get and dpkg in such a release, without network
#   tarball         for each major; where Debian has none, with a copy of the fetched server
#   image volume    PostgreSQL 18 finds the extension in the unpacked tarball, with nothing installed
#   PGXN bundle     with PGXN=1: PGXN's validator reads META.json, and PGXN's client builds and installs the bundle
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
VERSION=$(project_version)
PREVIOUS=$(for script in sql/released/extensions--*.sql; do basename "$script" .sql | sed 's/extensions--//'; done | grep -vFx "$VERSION" || true)
work=$(mktemp -d)
trap 'as_root rm -rf "$work"' EXIT

# A missing upgrade script is accepted for an unreleased version, but not for a release.
IS_UPGRADABLE=$(ls sql/extensions--*--"$VERSION".sql 2>/dev/null || true)
if [ -z "$IS_UPGRADABLE" ]; then
  grep -q "^## $VERSION (not released)" CHANGELOG.md || die "there is no upgrade script to $VERSION"
  say "upgrades are NOT tested: there is no upgrade script to $VERSION yet"
fi

# The release of Debian that has a major, or else one for a server from elsewhere.
debian_of() { case $1 in 15 | 16) echo bookworm ;; 17) echo trixie ;; 18) echo forky ;; esac; }
is_in_debian() { [ "$1" != 16 ]; }

# A root is created once and copied for each test.
make_root() { # RELEASE FOLDER
  local kept=$CACHE/roots/$1 script=/usr/share/debootstrap/scripts/$1
  [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
  if [ ! -e "$kept/etc/debian_version" ] || [ -e "$kept/debootstrap" ]; then
    say "making a root with Debian's $1"
    as_root rm -rf "$kept"
    as_root debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$1" "$kept" "$MIRROR" "$script" \
      >"$CACHE/roots/$1.log" 2>&1 || { tail "$CACHE/roots/$1.log" >&2; die "debootstrap failed"; }
  fi
  mkdir -p "$work/packages/docs"
  cp docs/install.md "$work/packages/docs"
  cp -r dist "$work/packages/dist"
  cp -r tests/packages "$work/packages/tests"
  chmod -R a+rX "$work/packages"
  as_root cp -a "$kept" "$2"
  as_root cp -L /etc/resolv.conf "$2/etc/resolv.conf"
  as_root cp -r "$work/packages" "$2/packages"
}

# Processes that a step starts end with it: it has its own process ids and mounts, and a network only on request.
run_step() { # ROOT MAJOR BIN STEP [--network]
  local isolation=(--mount --pid --fork --kill-child)
  [ "${5:-}" = --network ] || isolation+=(--net)
  # shellcheck disable=SC2016  # expanded inside
  as_root unshare "${isolation[@]}" bash -c '
      mount -t proc proc "$0/proc" && mount -t tmpfs tmpfs "$0/dev/shm" && chmod 1777 "$0/dev/shm" &&
      exec chroot "$0" env -i "${@:2}" bash /packages/tests/inside.sh "$1"' "$1" "$4" \
    HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive MAJOR="$2" VERSION="$VERSION" BIN="$3" \
    PREVIOUS="$PREVIOUS" IS_UPGRADABLE="$IS_UPGRADABLE" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "$4 failed for PostgreSQL $2"; }
}

# A fetched server without any files of the extension.
copy_server() { # MAJOR FOLDER
  mkdir -p "$(dirname "$2")"
  cp -a "$SERVERS/$1" "$2"
  find "$2/" \( -name 'extensions.so' -o -name 'extensions.control' -o -name 'extensions--*.sql' \) -delete
  rm -f "$2/.complete"
}

test_deb() { # MAJOR ROOT
  run_step "$2" "$1" "/usr/lib/postgresql/$1/bin" deb
  say "Debian package for PostgreSQL $1: installed, used and removed in Debian's $(debian_of "$1")"
}

test_tarball() { # MAJOR ROOT BIN
  run_step "$2" "$1" "$3" tarball
  say "tarball for PostgreSQL $1: installed, used and removed in Debian's $(debian_of "$1")"
}

# The package of a major version that Debian does not have depends on a server from elsewhere, but holds the same
# files.
compare_with_tarball() { # MAJOR
  local deb=$work/deb-files tarball=$work/tarball-files
  mkdir -p "$deb" "$tarball"
  dpkg-deb -x dist/postgresql-"$1"-extensions_*.deb "$deb"
  tar -C "$tarball" --strip-components=1 -xzf dist/extensions-"$VERSION"-pg"$1"-*.tar.gz
  # As in a tarball.
  mkdir "$work/deb-laid-out" "$work/deb-laid-out/share"
  mv "$deb/usr/lib/postgresql/$1/lib" "$work/deb-laid-out/lib"
  mv "$deb/usr/share/postgresql/$1/extension" "$work/deb-laid-out/share/extension"
  for part in lib share; do
    diff -r "$work/deb-laid-out/$part" "$tarball/$part" || die "the Debian package for PostgreSQL $1 holds other files than the tarball"
  done
  say "Debian package for PostgreSQL $1: the same files as in the tarball; Debian has no server to install it with"
}

test_major() { # MAJOR
  local root=$work/root-$1
  make_root "$(debian_of "$1")" "$root"
  if is_in_debian "$1"; then
    run_step "$root" "$1" - server --network
    test_deb "$1" "$root"
    test_tarball "$1" "$root" "/usr/lib/postgresql/$1/bin"
  else
    run_step "$root" "$1" - account
    copy_server "$1" "$work/server"
    as_root mkdir -p "$root/usr/lib/postgresql"
    as_root cp -r "$work/server" "$root/usr/lib/postgresql-server"
    as_root ln -s "../postgresql-server/$(readlink "$SERVERS/$1/pginstall")" "$root/usr/lib/postgresql/$1"
    test_tarball "$1" "$root" "/usr/lib/postgresql/$1/bin"
    compare_with_tarball "$1"
  fi
  as_root rm -rf "$root"
  rm -rf "$work/packages" "$work/server"
}

test_volume() {
  local folder server bin
  folder=$(as_user mktemp -d /tmp/marketplace-volume-XXXXXX)
  server=$folder/server
  copy_server "$NEWEST" "$server"
  bin=$(readlink -f "$server/pginstall/bin")
  tar -C "$folder" --strip-components=1 -xzf dist/extensions-"$VERSION"-pg"$NEWEST"-*.tar.gz
  as_user "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
  printf '%s\n' "extension_control_path = '$folder/share:\$system'" "dynamic_library_path = '$folder/lib:\$libdir'" >>"$folder/data/postgresql.conf"
  as_user "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w -s start -o "-c listen_addresses= -c unix_socket_directories=$folder"
  local is_good=yes
  PGHOST=$folder PGUSER=postgres PGDATABASE=postgres as_user "$bin/psql" -X -q -v ON_ERROR_STOP=1 -c 'CREATE SCHEMA marketplace' \
    -c 'CREATE EXTENSION extensions SCHEMA marketplace' -f tests/packages/marketplace.sql >/dev/null || is_good=
  as_user "$bin/pg_ctl" -D "$folder/data" -m fast -w -s stop
  rm -rf "$folder"
  [ -n "$is_good" ] || die "the image volume's layout does not work"
  say "image volume: PostgreSQL $NEWEST created and used the extension from a folder of its own"
}

test_pgxn() {
  local bundle=dist/extensions-$VERSION.zip server=$work/pgxn-server bin
  unzip -qo "$bundle" "extensions-$VERSION/META.json" -d "$work"
  pgxn_meta "$work/extensions-$VERSION/META.json" >"$work/log" || { cat "$work/log" >&2; die "META.json is not valid"; }
  say "PGXN bundle: META.json is valid"
  copy_server "$NEWEST" "$server"
  bin=$(readlink -f "$server/pginstall/bin")
  EXTENSIONS_CACHE=$CACHE pgxn install --yes --nosudo --make make --pg_config "$bin/pg_config" "./$bundle" >"$work/log" 2>&1 ||
    { tail -40 "$work/log" >&2; die "PGXN's client cannot install the bundle"; }
  [ -e "$("$bin/pg_config" --sharedir)/extension/extensions--$VERSION.sql" ] || die "PGXN's client installed nothing"
  say "PGXN bundle: built and installed by PGXN's client"
}

mkdir -p "$CACHE/roots"
# shellcheck disable=SC2048
for major in ${*:-${VERSIONS:-$SUPPORTED}}; do
  test_major "$major"
  if [ "$major" = "$NEWEST" ]; then test_volume; fi
done
if [ -n "${PGXN:-}" ]; then test_pgxn; fi
