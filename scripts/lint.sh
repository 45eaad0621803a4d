#!/usr/bin/env bash
# Everything that can be checked without running the extension.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$ROOT"

say "rustfmt"
cargo fmt --all --check
say "clippy, for PostgreSQL $NEWEST"
cargo clippy --quiet --ignore-rust-version --workspace --no-default-features --features "pg$NEWEST pg_test" --all-targets -- -D warnings
say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --package engine
say "no query strings outside tests"
# Test modules come last in their files.
if find src -name '*.rs' -exec awk 'FNR == 1 { tests = 0 } /cfg\(feature = "pg_test"\)/ { tests = 1 }
    !tests && /Spi::(get_one|get_two|get_three|run)/ { print FILENAME ":" FNR ": " $0 }' {} + | grep .; then
  die "use a Statement"
fi
say "statements stand in src/store, not beside the rules"
if grep -nE '\b(Statement|Probe|command)\b' src/operations/*.rs; then die "move it to src/store"; fi
say "no modules and no folders of the source need each other in a circle"
"$CACHE/prose-venv/bin/python" scripts/circles.py src crates/engine/src || die "move what both need to where neither is needed"
say "comments on functions come after the functions"
for file in src/api/*.rs; do
  names=$(awk '/^#\[pg_(extern|trigger)/ { is_ours = !/sql = false/ } is_ours && match($0, /^(unsafe )?fn [a-z_]+/) {
    print substr($0, RSTART, RLENGTH); is_ours = 0 }' "$file" | sed 's/.* //')
  required=$(grep -Pzo '(?s)requires =\s*\[[^]]*\]' "$file" src/schema.rs | tr '\0' '\n')
  for name in $names; do
    grep -qw "$name" <<<"$required" || die "no file of SQL with the comment requires $name of $file"
  done
done
say "SQL and messages are ASCII, which every encoding of a database has"
if grep -rnP '[^\x00-\x7F]' sql; then die "not ASCII"; fi
# Test modules come last in their files.
if find src crates/*/src -name '*.rs' -exec awk 'FNR == 1 { tests = 0 } /^#\[cfg\(.*test/ { tests = 1 }
    { sub(/\/\/.*/, "") } !tests && /[^ -~]/ { print FILENAME ":" FNR ": " $0 }' {} + | grep .; then
  die "not ASCII"
fi
say "the site"
mdbook build >/dev/null 2>"$CACHE/site.log" || { cat "$CACHE/site.log" >&2; die "the documentation makes no site"; }
say "plain English"
"$CACHE/prose-venv/bin/python" scripts/prose.py ./*.md docs/*.md examples/*/README.md || die "say it shorter, or in plainer words"
say "the version is the same everywhere"
version=$(project_version)
[ "$(grep -c "\"version\": \"$version\"" META.json)" = 2 ] || die "META.json does not say version $version"
grep -q "VERSION=$version " docs/install.md || die "docs/install.md does not say version $version"
grep -q "^## $version" CHANGELOG.md || die "CHANGELOG.md does not know version $version"
say "THIRD-PARTY-LICENSES lists the crates of the library"
"$ROOT/scripts/licenses.sh" --check
if command -v shellcheck >/dev/null; then
  say "shellcheck"
  shellcheck -x scripts/*.sh packaging/tarball/install.sh tests/packages/inside.sh .ci/run
fi
