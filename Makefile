# The commands a person types. Each gets by itself what it needs; see scripts/setup.sh.

.DEFAULT_GOAL := help
RELEASED = 15 16 17 18
PREVIEW = 19

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Build, start a throwaway PostgreSQL and show the marketplace at work; KEEP=1 leaves it running
	@VERSIONS=18 scripts/setup.sh build servers
	@scripts/demo.sh

shop: ## Build, start a throwaway PostgreSQL and the example shop on http://localhost:8000, or on PORT
	@VERSIONS=18 scripts/setup.sh build servers python
	@scripts/shop.sh

test: export VERSIONS ?= $(RELEASED) $(PREVIEW)
test: ## Run every test suite on PostgreSQL 15, 16, 17 and 18 and a few on 19, or every one on those in VERSIONS
	@scripts/setup.sh
	@scripts/as-user.sh cargo run --quiet --package harness -- $(VERSIONS)

test-quick: ## Run the engine's tests, and the suites on PostgreSQL 18
	@VERSIONS=18 scripts/setup.sh
	@scripts/as-user.sh cargo run --quiet --package harness -- 18

test-citus: ## Run the suite of the Citus cluster on the PostgreSQL with Citus of CITUS_PG_CONFIG=/path/to/pg_config
	@scripts/test-citus.sh "$(CITUS_PG_CONFIG)"

QUOTES ?= 100000
LIVES ?= 100000
CALLS ?= 100000
fuzz: ## Call every function CALLS=100000 times with random arguments, compare QUOTES=100000 random quotes and LIVES=100000 payments with models
	@VERSIONS=18 scripts/setup.sh
	@scripts/install.sh .cache/postgres/18/pginstall/bin/pg_config
	@FUZZ_CALLS=$(CALLS) scripts/as-user.sh cargo test --quiet --package harness --test fuzz -- --nocapture
	@DIFFERENTIAL_QUOTES=$(QUOTES) scripts/as-user.sh cargo test --quiet --package harness --test differential -- --nocapture
	@LIVES=$(LIVES) cargo test --quiet --release --package engine --test lives

docs: ## Make the pages of docs/ that come from the catalog and the sources: reference, schema, errors, pictures
	@VERSIONS=18 scripts/setup.sh
	@scripts/docs.sh

upgrade-script: ## Make the upgrade script to this version from sql/upgrades and the functions as they are
	@VERSIONS=18 scripts/setup.sh build servers
	@scripts/upgrade-script.sh

site: ## Build docs/ as a site into target/site with mdBook; SERVE=1 shows it on http://localhost:3000
	@scripts/setup.sh site
	@.cache/tools/bin/mdbook $(if $(SERVE),serve,build)

lint: ## Check formatting, clippy, shell scripts, documentation and its English
	@VERSIONS=18 scripts/setup.sh build servers site prose
	@scripts/lint.sh

audit: ## Check the crates by deny.toml, also for security advisories (fetched from GitHub)
	@scripts/setup.sh deny
	@PATH="$(CURDIR)/.cache/tools/bin:$$PATH" cargo deny --locked check

SIZE ?= medium
bench: ## Measure against PL/pgSQL and bare statements; SIZE=small, medium or large, BENCH='--growth --indexes' for more
	@VERSIONS=18 scripts/setup.sh build servers python
	@scripts/bench.sh --size $(SIZE) $(BENCH)

bench-check: ## Measure again, and fail where a ratio is a quarter worse than in benches/results
	@VERSIONS=18 scripts/setup.sh build servers python
	@scripts/bench.sh --size $(SIZE) --check

bench-plot: ## Draw the plots and tables of docs/benchmarks.md from benches/results
	@VERSIONS= scripts/setup.sh plots
	@.cache/plot-venv/bin/python benches/plot.py $(SIZE)

# `all`, `install`, `uninstall` and `installcheck` are what the clients of PGXN call, with PG_CONFIG.
all: ## Build a release for the PostgreSQL of PG_CONFIG=/path/to/pg_config
	@$(has_pg_config)
	@scripts/install.sh "$(PG_CONFIG)" --build

install: ## Install it there, built first if need be; DESTDIR=folder puts it under that folder
	@$(has_pg_config)
	@scripts/install.sh "$(PG_CONFIG)" --release

uninstall: ## Remove it from there
	@$(has_pg_config)
	@scripts/install.sh "$(PG_CONFIG)" --remove

installcheck: ## Try it out in the running server of PG_CONFIG, in a database of its own
	@$(has_pg_config)
	@scripts/installcheck.sh "$(PG_CONFIG)"

has_pg_config = test -n "$(PG_CONFIG)" || { echo 'error: say which PostgreSQL: PG_CONFIG=/path/to/pg_config' >&2; exit 1; }

package: export VERSIONS ?= $(RELEASED)
package: ## Make Debian packages, tarballs and the PGXN bundle in dist/, for PostgreSQL 15 to 18 or for those in VERSIONS
	@scripts/setup.sh build packages $(if $(PG_CONFIG),,servers)
	@PG_CONFIG="$(PG_CONFIG)" scripts/package.sh $(VERSIONS)

test-packages: ## Install the packages of dist/ into clean roots and use them there; PGXN=1 tries the PGXN bundle too
	@scripts/setup.sh build roots servers $(if $(PGXN),pgxn)
	@scripts/test-packages.sh

licenses: ## Collect the licences of the library's crates in THIRD-PARTY-LICENSES
	@scripts/setup.sh licenses
	@scripts/licenses.sh

clean: ## Remove what was built and fetched
	rm -rf target .cache dist

.PHONY: help demo shop test test-quick test-citus fuzz docs upgrade-script site lint audit bench bench-check bench-plot all install uninstall installcheck package test-packages licenses clean
