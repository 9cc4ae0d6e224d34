# `make` lists what there is to do.
#
# Nothing here needs to be installed but Rust: `make test` gets PostgreSQL, Redis, nginx and Chromium from the distribution's
# packages when they are not there, Node from PyPI when it is missing or old, and uses cargo-nextest when it is there.

CARGO ?= cargo
# Tests one by one in processes of their own, several at a time; without nextest, cargo's own way.
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)
# Whom `make bench KIT=…` compares with.
PEERS ?= floor uws socketio-single nchan
ifeq ($(NEXTEST),yes)
# Half as many again as there are cores: most tests wait for something now and then, and some hold the server to its pace.
RUN_TESTS = $(CARGO) nextest run --locked --no-default-features --config-file tests/nextest.toml --test-threads $(shell echo $$(($$(nproc) * 3 / 2)))
# Several instances share a PostgreSQL database, so their tests belong to the run with that.
NOT_INSTANCES = -E 'not test(/^(instances|chaos)::/)'
# What the database makes no difference to is run once; nor does it to how sharp the simulator's eyes are, and a city on
# PostgreSQL is among the tests of chaos.
NOT_ALIKE = -E 'not test(/^(beside_django|command_line|contact_details|documents|frames|handshakes|tidy|tokens|simulation)::/)'
else
RUN_TESTS = $(CARGO) test --locked --no-default-features
NOT_INSTANCES = -- --skip instances:: --skip chaos::
NOT_ALIKE = -- --skip beside_django:: --skip command_line:: --skip contact_details:: --skip documents:: --skip frames:: \
	--skip handshakes:: --skip tidy:: --skip tokens:: --skip simulation::
endif

.DEFAULT_GOAL := help
.PHONY: help run cluster test check unit-and-suite bench chaos soak fmt vendor screenshots

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve a demo on http://127.0.0.1:8000, with SQLite in data/
	$(CARGO) run --locked -- serve --demo

cluster: ## Three instances, PostgreSQL, Redis and nginx on http://127.0.0.1:8000 (PORT), with the demo
	$(CARGO) build --locked
	tests/services --no-redis-cluster deploy/cluster

# The lints of `check` run while the tests are built: by themselves cargo's clippy and doc compile all dependencies once more,
# which takes longer than either. What Clippy is told stands in CLIPPY_ARGS as `cargo clippy` puts it there. (Of
# the project itself its compiler optimises a little less than rustc does in a debug build.)
LINTING = RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__ \
	'RUSTDOC=$(CURDIR)/tests/rustdoc'

test: ## Run the lints and every test: on SQLite, and through the front door on PostgreSQL with Redis, too
	$(CARGO) fmt --check
	tests/services --no-fsync env $(LINTING) $(MAKE) --no-print-directory unit-and-suite

# With the services running. Tests of the lower rooms use both databases by themselves.
unit-and-suite:
	$(CARGO) test --locked --no-default-features --quiet --benches --no-run
	$(CARGO) test --locked --no-default-features --quiet --doc
	$(RUN_TESTS) $(NOT_INSTANCES)
	tests/node
	WAYBILL_TEST_DATABASE=postgres $(RUN_TESTS) --test suite $(NOT_ALIKE)

check: ## Formatting, lints and documentation
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" $(CARGO) doc --locked --no-deps --document-private-items --quiet

chaos: ## Let everything go wrong for SECONDS (600) from a SEED (chance)
	WAYBILL_TEST_CHAOS_SECONDS=$(or $(SECONDS),600) WAYBILL_TEST_CHAOS_SEED=$(SEED) WAYBILL_TEST_DATABASE=postgres \
		tests/services --no-redis-cluster $(CARGO) test --locked --test suite chaos::whatever -- --nocapture

soak: ## Let a city live on two instances while everything goes wrong: SECONDS (3600), SEED, PARTNERS (200), ORDERS a minute (60)
	WAYBILL_TEST_SOAK_SECONDS=$(or $(SECONDS),3600) WAYBILL_TEST_SOAK_SEED=$(SEED) WAYBILL_TEST_SOAK_PACE=1 \
	WAYBILL_TEST_SOAK_PARTNERS=$(or $(PARTNERS),200) WAYBILL_TEST_SOAK_ORDERS_PER_MINUTE=$(or $(ORDERS),60) WAYBILL_TEST_DATABASE=postgres \
		tests/services --no-redis-cluster $(CARGO) test --locked --test suite chaos::city -- --nocapture

fmt: ## Format the code
	$(CARGO) fmt

bench: ## Put a release build under load: 1,000 sessions; KIT=folder compares it with its peers
	$(CARGO) build --locked --release
ifdef KIT
	$(KIT)/compare $(CURDIR)/benches/waybill.peer.toml $(PEERS)
else
	benches/load
endif

screenshots: ## Take pictures of every screen, at two sizes, light and dark, into docs/screenshots
	$(CARGO) build --locked
	tests/node tests/js/screenshots.mjs

vendor: ## Fetch the libraries of the pages from the npm registry, in their pinned versions
	static/vendor/get
