#!/usr/bin/env bash
# Makes the packages of a release in dist/: for each major version given a Debian package and a tarball, and once the PGXN
# bundle of what is committed and an SBOM: scripts/package.sh MAJOR...
# PG_CONFIG says where the servers are, with NN for the major version; without it, those that scripts/setup.sh fetched.
# Archives carry the date of the commit. Build on the oldest system that the packages shall run on: see NEWEST_GLIBC.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

# As docs/install.md promises. A library built on a newer system may need a newer one.
NEWEST_GLIBC=2.34
DIST=$ROOT/dist
VERSION=$(project_version)
DEBIAN_VERSION=$VERSION-1
MAINTAINER="${DEBFULLNAME:-Maintainers of extensions} <${DEBEMAIL:-maintainers@extensions.invalid}>"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
# Debian's names, which Docker uses too.
ARCHITECTURE=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

check_glibc() { # LIBRARY
  local needed
  needed=$(objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1 | cut -d_ -f2)
  [ "$(printf '%s\n' "$needed" "$NEWEST_GLIBC" | sort -V | tail -1)" = "$NEWEST_GLIBC" ] ||
    die "the library needs glibc $needed, and packages may need $NEWEST_GLIBC at most: build them on Debian 12"
}

# What each archive carries beside the extension.
copy_documents() { # FOLDER
  install -m 644 -t "$1" README.md LICENSE THIRD-PARTY-LICENSES CHANGELOG.md
  install -m 644 docs/install.md "$1/INSTALL.md"
}

fill_in() { # TEMPLATE MAJOR
  sed -e "s/@MAJOR@/$2/g" -e "s/@VERSION@/$VERSION/g" -e "s/@DEBIAN_VERSION@/$DEBIAN_VERSION/g" \
    -e "s/@ARCHITECTURE@/$ARCHITECTURE/g" -e "s/@MAINTAINER@/$MAINTAINER/g" \
    -e "s/@DATE@/$(date -u -R -d "@$SOURCE_DATE_EPOCH")/g" "$1"
}

make_deb() { # MAJOR STAGE
  local name=postgresql-$1-extensions root=$work/deb-$1
  local document=$root/usr/share/doc/$name
  mkdir -p "$root/DEBIAN" "$document"
  install -D -m 644 -t "$root/usr/lib/postgresql/$1/lib" "$2/lib/extensions.so"
  install -D -m 644 -t "$root/usr/share/postgresql/$1/extension" "$2"/share/extension/*
  copy_documents "$document"
  # Debian's copyright file holds our licence, and its changelog ours under other names.
  rm "$document"/{LICENSE,INSTALL.md}
  mv "$document/CHANGELOG.md" "$document/changelog"
  fill_in packaging/debian/copyright "$1" >"$document/copyright"
  fill_in packaging/debian/changelog "$1" >"$document/changelog.Debian"
  gzip -9n "$document"/changelog* "$document/THIRD-PARTY-LICENSES"
  fill_in packaging/debian/control "$1" >"$root/DEBIAN/control"
  sed -i -e "s/@LIBRARIES@/$(needed_libraries "$2/lib/extensions.so")/" \
    -e "s/@INSTALLED_SIZE@/$(du -k -s --apparent-size "$root/usr" | cut -f1)/" "$root/DEBIAN/control"
  (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
  dpkg-deb --root-owner-group -Zxz --build "$root" "$DIST/${name}_${DEBIAN_VERSION}_$ARCHITECTURE.deb" >/dev/null
}

# Debian's names of the libraries that this one is linked with, and the versions since which they have what it uses.
needed_libraries() { # LIBRARY
  mkdir -p "$work/shlibs/debian"
  printf 'Source: extensions\n\nPackage: extensions\nArchitecture: any\n' >"$work/shlibs/debian/control"
  (cd "$work/shlibs" && dpkg-shlibdeps -O --ignore-missing-info "$1" 2>/dev/null | sed 's/^shlibs:Depends=//')
}

make_tarball() { # MAJOR STAGE
  local name=extensions-$VERSION-pg$1-linux-$ARCHITECTURE
  mkdir -p "$work/$name"
  cp -r "$2/lib" "$2/share" "$work/$name"
  copy_documents "$work/$name"
  fill_in packaging/tarball/install.sh "$1" >"$work/$name/install.sh"
  chmod 755 "$work/$name/install.sh"
  tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$name" |
    gzip -9n >"$DIST/$name.tar.gz"
}

# PGXN unpacks the bundle and runs `make all` and `make install` in it.
make_pgxn() {
  [ -z "$(git status --porcelain --untracked-files=no)" ] || say "the PGXN bundle holds what is committed, without your changes"
  git archive --format=zip -9 --prefix="extensions-$VERSION/" -o "$DIST/extensions-$VERSION.zip" HEAD
}

# The contents of the library, for tools that track dependencies.
make_sbom() {
  local file=sbom-$$
  cargo cyclonedx -qq --format json --spec-version 1.5 --no-build-deps --no-default-features --features "pg$NEWEST" \
    --override-filename "$file"
  python3 packaging/sbom.py "$ROOT" <"$file.json" >"$DIST/extensions-$VERSION-linux-$ARCHITECTURE.cdx.json"
  # It leaves a file beside every manifest.
  rm -f "$file.json" {benches,benches/wire,crates/engine,pgrx-tests}/"$file.json"
}

mkdir -p "$DIST"
rm -f "$DIST"/*
for major; do
  pg_config=${PG_CONFIG:+${PG_CONFIG//NN/$major}}
  stage=$("$ROOT/scripts/stage.sh" "${pg_config:-$(pg_config_of "$major")}")
  check_glibc "$stage/lib/extensions.so"
  make_deb "$major" "$stage"
  make_tarball "$major" "$stage"
done
make_sbom
make_pgxn
(cd "$DIST" && sha256sum -- * >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
say "packages in dist:"
ls -l "$DIST"
