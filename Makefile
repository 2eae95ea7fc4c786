# Nobody should need to remember flags: `make help` lists everything.
# On Debian with Rust, `make demo` and `make test` install what else they need, or say what is missing.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

CARGO ?= cargo
IMAGE ?= maxspan:dev
# More arguments for the program behind a target: make demo ARGS=--stay
ARGS ?=
# The target of `make fuzz`, and for how long.
T ?=
SECONDS ?= 600
NOT_RUN := target/not-run.txt

# ---- everyday ---------------------------------------------------------------------------------------------

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 18

.PHONY: demo
demo: ## build Maxspan and watch it detect a recorded attack (ARGS=--stay keeps it running)
	@.ci/setup build
	$(CARGO) build --locked
	target/debug/maxspan demo $(ARGS)

.PHONY: test
test: begin lint core whole model helm-check report ## everything; the last lines say what was not run, and why

.PHONY: check
check: ## the quick half of `test`: format, lints, core only
	@.ci/setup test
	@$(MAKE) --no-print-directory lint core

.PHONY: chaos
chaos: kafka-jars ## kill, stop, starve and deceive instances and brokers (about half an hour; ARGS=c11 picks cases)
	@.ci/setup test
	@# Places to die at are compiled in meanwhile: afterwards target/debug has the usual program again.
	@trap 'status=$$?; $(CARGO) build --locked --quiet; \
	    ! grep -q FAILPOINT target/debug/maxspan || { echo "chaos: failpoints are left" >&2; status=1; }; \
	    exit $$status' EXIT; \
	$(CARGO) test --locked --features failpoints --test chaos -- --test-threads=1 --nocapture $(ARGS); \
	$(CARGO) test --locked --features failpoints --test membership -- --test-threads=1 --nocapture long::

.PHONY: latency
latency: kafka-jars ## measure from a record's sending, and from the broker's stamp, until its alert can be read, in both modes of delivery (RATE=10000: under load)
	@.ci/setup test
	$(CARGO) build --locked --release
	PROGRAM=$(CURDIR)/target/release/maxspan $(CARGO) test --locked --test latency -- --nocapture

.PHONY: recovery
recovery: kafka-jars ## measure how long the others need to take over from an instance that is killed (RATE=20000 WARM_UP=60)
	@.ci/setup test
	$(CARGO) build --locked --release
	PROGRAM=$(CURDIR)/target/release/maxspan $(CARGO) test --locked --test takeover -- --nocapture

.PHONY: fmt
fmt: ## format the sources
	$(CARGO) fmt

.PHONY: bench
bench: ## measure speed beside yardsticks; with Java also through Kafka (ARGS=--quick: short; docs/performance.md)
	@.ci/setup build
	$(CARGO) bench --locked --bench throughput -- $(ARGS)
	@if command -v java >/dev/null && $(MAKE) --no-print-directory kafka-jars; then \
	    $(CARGO) bench --locked --bench kafka && $(CARGO) bench --locked --bench pending && \
	    $(CARGO) build --locked --release && \
	    RATE=20000 PROGRAM=$(CURDIR)/target/release/maxspan $(CARGO) test --locked --test latency -- --nocapture; \
	else \
	    echo "not run: bench through Kafka: no Java"; \
	fi

.PHONY: fuzz
fuzz: ## fuzz a part of the core: make fuzz T=language SECONDS=600; failures go to fuzz/regressions
	@T='$(T)' SECONDS_TO_RUN='$(SECONDS)' tests/support/fuzz.sh

# ---- the parts of `test` ----------------------------------------------------------------------------------

.PHONY: begin
begin:
	@.ci/setup test
	@mkdir -p target && rm -f $(NOT_RUN)
	@$(MAKE) --no-print-directory kafka-jars || echo "going on without Kafka's jars"
	@.ci/tools || echo "going on without helm"

.PHONY: lint
lint: ## formatting and clippy, warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

.PHONY: core
core: ## tests of the pure core alone: no Kafka, no tokio in the build
	$(CARGO) test --locked --no-default-features

.PHONY: whole
whole: ## all tests with all default features
	$(CARGO) test --locked

.PHONY: model
model: ## check the laws of the rules of time on their model (ARGS='--cases 5000 --seed 7' tries more)
	@if command -v python3 >/dev/null; then \
	    python3 -B tests/model/check_laws.py $(ARGS); \
	else \
	    mkdir -p target && echo "not run: model: python3 is missing" | tee -a $(NOT_RUN); \
	fi

.PHONY: helm-check
helm-check: ## lint, render, validate and assert the chart; check the Dockerfile
	@.ci/tools || echo "going on without helm"
	@if [ -x target/tools/venv/bin/python ] && [ -f target/tools/.complete ]; then \
	    target/tools/venv/bin/python tests/helm/check.py; \
	else \
	    mkdir -p target && echo "not run: helm-check: helm could not be fetched (Python 3 with venv, and a network)" | tee -a $(NOT_RUN); \
	fi

.PHONY: report
report:
	@if [ -s $(NOT_RUN) ]; then \
	    echo; echo "Not everything was run:"; sort -u $(NOT_RUN); \
	    if [ "$${CI:-}" = true ] && grep -qv '\.\./shared' $(NOT_RUN); then exit 1; fi; \
	fi

# ---- what tests need --------------------------------------------------------------------------------------

.PHONY: kafka-jars
kafka-jars: target/kafka/.complete ## fetch the real Kafka broker that tests start (44 MB, from Maven Central)

target/kafka/.complete: tests/support/kafka/pom.xml
	@rm -rf target/kafka
	mvn -q -B -Dstyle.color=never -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/target/kafka/lib
	@touch $@

.PHONY: helm-sync
helm-sync: ## copy the shipped rules into the chart
	@mkdir -p helm/files/rules
	@rm -f helm/files/rules/*
	cp $(filter-out %.cases.toml,$(wildcard config/rules/*.toml)) $(wildcard config/rules/LICENSE* config/rules/NOTICE*) helm/files/rules/

# ---- release ----------------------------------------------------------------------------------------------

.PHONY: image
image: ## build the container image with podman, buildah or docker (IMAGE=name:tag)
	@tool=$$(for t in podman docker buildah; do command -v $$t && break; done) || \
	    { echo "image: podman, docker or buildah is needed" >&2; exit 2; }; \
	set -x; $$tool build -t $(IMAGE) \
	    --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) .

.PHONY: deny
deny: ## licences, bans and sources of all dependencies (needs cargo-deny)
	@cargo deny --version >/dev/null 2>&1 || { echo "deny: cargo install --locked cargo-deny" >&2; exit 2; }
	$(CARGO) deny --all-features check bans licenses sources
