#!/usr/bin/env bash
# Gets everything that building and testing need: scripts/setup.sh [PART]... Without arguments, all up to the browser.
#   build      system packages and the pinned cargo-pgrx
#   servers    PostgreSQL of every supported major and the one to come, or of those in VERSIONS
#   python     a virtual environment with the clients of tests/clients, Node among them, and what the examples need
#   pgbouncer  the pooler that tests/clients connects through
#   monitoring postgres_exporter and promtool, which docs/monitoring is tried with
#   browser    Chromium, a system package, for the tests of examples/shop; without arguments only where CI is set
#   site       the pinned mdBook, which builds the documentation as a site, and the pinned Mermaid, which draws its diagrams
#   prose      a virtual environment with proselint, which checks the English of the documentation
#   plots      a virtual environment that draws the results of the benchmark
#   deny       cargo-deny, which checks the crates by deny.toml
#   packages   what makes Debian packages and, with cargo-cyclonedx, the list of what they contain
#   roots      debootstrap, which makes the clean roots that packages are tested in
#   pgxn       PGXN's validator and client
#   licenses   cargo-about, which collects the licences of the crates
# Parts that are already there are not fetched again. Everything is stored under .cache; delete it to start over.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

check_platform() {
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
    die "this set-up fetches servers for Linux on x86_64 only; elsewhere use make install PG_CONFIG=... with a server of your own"
  command -v apt-get >/dev/null || die "this set-up needs apt-get (Debian or Ubuntu)"
}

check_rust() {
  command -v cargo >/dev/null || die "Rust is missing: install it from https://rustup.rs"
  local have want
  have=$(rustc --version | awk '{print $2}')
  want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
  [ "$(printf '%s\n' "$want" "${have%%-*}" | sort -V | head -1)" = "$want" ] || die "Rust $want or newer is needed, this is $have"
}

# PACKAGE... that are not installed. Some are given by what they provide, because their version depends on the
# release.
missing_packages() {
  local missing=()
  command -v gcc >/dev/null && [ -e /usr/include/stdio.h ] || missing+=(gcc libc6-dev)
  for command in make unzip python3 readelf:binutils setpriv:util-linux; do
    command -v "${command%%:*}" >/dev/null || missing+=("${command##*:}")
  done
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
  python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
  # bindgen loads libclang and reads the headers that come with it.
  compgen -G '/usr/lib/llvm-*/lib/libclang-[0-9]*.so*' >/dev/null || missing+=(libclang)
  printf '%s\n' "${missing[@]}"
}

# PACKAGE...: installs the missing ones.
install_packages() {
  local packages="$*"
  [ -n "${packages// /}" ] || return 0
  say "installing system packages: $packages"
  apt_get update -qq || die "apt-get update failed (no network?)"
  if [[ $packages == *libclang* ]]; then
    local major
    major=$(apt-cache depends libclang1 2>/dev/null | sed -n 's/.*libclang1-\([0-9]*\).*/\1/p' | head -1)
    [ -n "$major" ] || major=$(apt-cache pkgnames libclang1- | sed -n 's/^libclang1-\([0-9]*\)$/\1/p' | sort -n | tail -1)
    packages="${packages/libclang/} libclang1-$major libclang-common-$major-dev"
  fi
  # shellcheck disable=SC2086
  apt_get install -y -qq --no-install-recommends $packages >/dev/null || die "apt-get could not install $packages"
}

apt_get() {
  local sudo=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "system packages are missing and there is no sudo to install them with: apt-get $*"
    sudo=(sudo)
  fi
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"
}

# A debug build takes a third of the time of a release build.
install_crate() { # NAME VERSION [option of cargo install]...
  grep -qs "^\"$1 $2 " "$TOOLS/.crates.toml" && return
  check_rust
  say "building $1 $2 (one or two minutes, once)"
  CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --force --root "$TOOLS" "$1" --version "$2" "${@:3}" ||
    die "$1 could not be built (no network?)"
}

set_up_build() {
  check_rust
  # shellcheck disable=SC2046
  if command -v apt-get >/dev/null; then install_packages $(missing_packages); fi
  mkdir -p "$CACHE"
  install_crate cargo-pgrx "$PGRX_VERSION" --ignore-rust-version
}

set_up_servers() {
  check_platform
  # shellcheck disable=SC2086
  "$ROOT/scripts/fetch-postgres.sh" ${VERSIONS:-}
  write_pgrx_configuration
}

# What `cargo pgrx init` would write for the fetched servers, without creating a data folder for each.
write_pgrx_configuration() {
  mkdir -p "$PGRX_HOME"
  {
    echo '[configs]'
    for major in $SUPPORTED $PREVIEW; do
      if [ -e "$SERVERS/$major/.complete" ]; then echo "pg$major = \"$(pg_config_of "$major")\""; fi
    done
  } >"$PGRX_HOME/config.toml"
}

set_up_python() {
  local examples=$ROOT/examples
  make_venv "$CACHE/venv" "$ROOT/tests/clients/requirements.txt" \
    "$examples/shop/requirements.txt" "$examples/shop/requirements-test.txt" "$examples/alembic/requirements.txt"
  install_node_packages
}

set_up_deny() { install_crate cargo-deny 0.20.2; }
set_up_licenses() { install_crate cargo-about 0.9.3 --features cli; }

# COMMAND:PACKAGE...: installs the packages whose commands are missing.
install_commands() {
  local missing=()
  for command; do command -v "${command%%:*}" >/dev/null || missing+=("${command##*:}"); done
  install_packages "${missing[@]}"
}

set_up_packages() {
  install_commands dpkg-shlibdeps:dpkg-dev strip:binutils git:git
  install_crate cargo-cyclonedx 0.5.9
}

set_up_roots() {
  install_commands debootstrap:debootstrap unshare:util-linux
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || install_packages debian-archive-keyring
}

set_up_pgxn() {
  install_commands pgxn:pgxnclient
  install_crate pgxn_meta 0.7.0
}

set_up_site() {
  install_crate mdbook 0.5.4
  fetch_mermaid 12.3.0 336df803d87a38b70a01e736e666c8f7601d2ce42f5e47c8fafe5d721074b9a3
}

# Into docs/, from where mdBook copies it, so that readers of the site download nothing from elsewhere.
fetch_mermaid() { # VERSION SHA256
  local file=$ROOT/docs/mermaid.min.js
  if echo "$2  $file" | sha256sum --check --status 2>/dev/null; then return; fi
  command -v npm >/dev/null || [ -x "$CACHE/venv/bin/npm" ] || set_up_python
  say "fetching Mermaid $1"
  mkdir -p "$DOWNLOADS"
  (cd "$DOWNLOADS" && PATH=$CACHE/venv/bin:$PATH npm pack --silent "mermaid@$1" >/dev/null) || die "Mermaid could not be fetched (no network?)"
  tar -xzOf "$DOWNLOADS/mermaid-$1.tgz" package/dist/mermaid.min.js >"$file"
  echo "$2  $file" | sha256sum --check --status || { rm -f "$file"; die "Mermaid $1 is not the file that was expected"; }
}
set_up_prose() { make_venv "$CACHE/prose-venv" "$ROOT/scripts/prose-requirements.txt"; }
set_up_plots() { make_venv "$CACHE/plot-venv" "$ROOT/benches/requirements.txt"; }

set_up_pgbouncer() {
  check_platform
  "$ROOT/scripts/fetch-pgbouncer.sh"
}

set_up_monitoring() {
  check_platform
  "$ROOT/scripts/fetch-monitoring.sh"
}

set_up_browser() {
  command -v chromium >/dev/null && return
  check_platform
  say "installing Chromium"
  apt_get update -qq || die "apt-get update failed (no network?)"
  apt_get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null ||
    die "apt-get could not install chromium; the tests of examples/shop that need a browser are skipped without it"
}

make_venv() { # FOLDER REQUIREMENTS...
  local venv=$1
  shift
  cat "$@" | cmp -s - "$venv/.requirements" && return
  say "installing Python packages into ${venv#"$ROOT"/}"
  rm -rf "$venv" && python3 -m venv "$venv"
  # shellcheck disable=SC2046
  "$venv/bin/pip" install -q $(printf ' -r %s' "$@") || die "the packages of $* could not be installed (no network?)"
  cat "$@" >"$venv/.requirements"
}

# The Node of the virtual environment, so that the machine needs none.
install_node_packages() {
  local folder=$CACHE/node source=$ROOT/tests/clients/node
  cmp -s "$source/package-lock.json" "$folder/.complete" && return
  say "installing Node packages into ${folder#"$ROOT"/}"
  mkdir -p "$folder" && cp "$source/package.json" "$source/package-lock.json" "$folder"
  (cd "$folder" && PATH=$CACHE/venv/bin:$PATH npm ci --silent --ignore-scripts) ||
    die "the packages of tests/clients/node could not be installed (no network?)"
  cp "$source/package-lock.json" "$folder/.complete"
}

# shellcheck disable=SC2048
for part in ${*:-build servers python pgbouncer monitoring ${CI:+browser}}; do "set_up_$part"; done
