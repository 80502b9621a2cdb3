# What can be done here. `make` alone lists it.
CARGO ?= cargo
.DEFAULT_GOAL := help
.PHONY: help demo build release test test-chaos test-soak test-memory reference bench micro lint

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## the whole story in one command, on a Kafka inside the process
	@scripts/prepare build
	$(CARGO) run --locked --quiet -- demo

build: ## a development build
	@scripts/prepare build
	$(CARGO) build --locked

release: ## the build to install: target/release/tailspool
	@scripts/prepare build
	$(CARGO) build --locked --release

test: ## every test that fits in minutes; starts real Kafka brokers on loopback
	@scripts/prepare test
	$(CARGO) test --locked

test-chaos: ## crashes, outages, rotations, containers in full: 20,000 walks of each model, 20 times kill -9, docker, podman
	@scripts/prepare chaos
	TAILSPOOL_SEEDS=20000 $(CARGO) test --locked --test model -- --nocapture
	TAILSPOOL_SEEDS=20000 $(CARGO) test --locked --lib tail::tests::walk -- --nocapture
	TAILSPOOL_LONG=1 $(CARGO) test --locked --test e2e -- chaos:: outage:: walk:: logrotate:: containers:: --include-ignored --nocapture --test-threads=1

test-soak: ## the same for TAILSPOOL_SOAK_MINUTES (20), watching memory and descriptors
	@scripts/prepare test
	$(CARGO) test --locked --test e2e -- soak:: --ignored --nocapture --test-threads=1

test-memory: ## what calls librdkafka by itself, and the daemon that does, under valgrind
	@scripts/prepare memory
	$(CARGO) test --locked --config "target.'cfg(unix)'.runner = 'valgrind -q --error-exitcode=99'" --lib produce:: -- --test-threads=1
	$(CARGO) build --locked
	TAILSPOOL_BIN=$(CURDIR)/scripts/memcheck $(CARGO) test --locked --test e2e -- confirm:: headers ways::spread

reference: ## writes docs/configuration.md
	@scripts/prepare build
	TAILSPOOL_BLESS=1 $(CARGO) test --locked --lib config::tests::reference

bench: ## race against kcat and every peer there is, on a real broker; ARGS="--lines 1000000 --rounds 3"
	@scripts/prepare test
	$(CARGO) bench --locked --bench race -- $(ARGS)

micro: ## what the parts of the record path cost, each alone
	@scripts/prepare build
	$(CARGO) bench --locked --bench micro -- $(ARGS)

lint: ## formatting and clippy
	@scripts/prepare lint
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
