# Everything a developer runs. `make help` tells what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CACHE_DIR := $(or $(OUTLOOK_BRIDGE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/outlook-bridge)
PYTHON := $(CACHE_DIR)/venv/bin/python
export PYTHONUNBUFFERED := 1

.PHONY: help
help: ## What there is to make
	@sed -n -E 's/^([a-z0-9-]+):.*## (.*)$$/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

.PHONY: setup
setup: ## Install what is missing: Debian packages, Odoo, Python packages (quick when nothing is)
	@scripts/setup.sh

.PHONY: build
build: ## Build the service and the Microsoft simulator
	@cargo build --workspace

.PHONY: demo
demo: setup ## Start Odoo, the service and the Microsoft simulator; CHECK=1 walks the main path and exits
	@exec $(PYTHON) -m tools.demo $(if $(CHECK),--check)

.PHONY: demo-reset
demo-reset: ## Forget everything the demo has stored
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m tools.demo --reset; else rm -rf .demo .demo-check; fi

.PHONY: test
test: ## Run every check and every test
	@# Dependencies are built while the rest is fetched. A fresh machine may lack a linker until then: the tests' own step builds again.
	@cargo test --workspace --locked --no-run --quiet & building=$$!; scripts/setup.sh; wait $$building || echo "not built yet: tried again below"
	@$(PYTHON) -m tools.check

.PHONY: lint
lint: setup ## Only the checks that run nothing: formatting, spelling, clippy, licenses, advisories, the add-on's rules (STEP=ruff: only those of that name)
	@$(PYTHON) -m tools.check --only lint $(if $(STEP),--step "$(STEP)")

.PHONY: docs
docs: setup ## Build the documentation as a site, in build/site
	@$(PYTHON) -m tools.docs

.PHONY: docs-pictures
docs-pictures: setup ## Make the pictures of the documentation again, in docs/pictures, from what a browser shows
	@$(PYTHON) -m tools.pictures

.PHONY: test-rust
test-rust: setup ## Only the Rust tests
	@$(PYTHON) -m tools.check --only rust

.PHONY: test-sim
test-sim: setup ## Only the Microsoft simulator's series against another implementation
	@$(PYTHON) -m tools.check --only sim

.PHONY: test-long
test-long: setup ## What takes too long for test: convergence over 20,000 operations (CONVERGENCE_OPERATIONS, CONVERGENCE_SEED), hours of fuzzing (FUZZ_SECONDS each), more of Odoo's own tests, moves and resets end to end, packages on fresh machines, a release built twice
	@$(PYTHON) -m tools.check --only long

.PHONY: fuzz
fuzz: setup ## Only the fuzzing, 25 seconds a target (SECONDS_EACH)
	@$(PYTHON) -m tools.fuzz $(or $(SECONDS_EACH),25)

.PHONY: release
release: ## Make a release in build/release: Debian package, archive, files for Docker, add-on, source, SBOM, checksums
	@scripts/release.sh 0.7.7 0.5.9

.PHONY: bench-sim
bench-sim: setup ## How long a delta page takes in a mailbox of 10,000 events of the Microsoft simulator
	@cargo bench --locked -p graph-sim --bench delta

.PHONY: test-odoo
test-odoo: setup ## Only the add-on's tests and Odoo's own Outlook tests, in Odoo's test runner
	@$(PYTHON) -m tools.check --only odoo

.PHONY: test-clients
test-clients: setup ## Only the tests with Microsoft's SDK and other people's clients
	@$(PYTHON) -m tools.check --only clients

.PHONY: test-e2e
test-e2e: setup ## Only the tests in a real Odoo and a real browser
	@$(PYTHON) -m tools.check --only e2e

.PHONY: bench
bench: setup ## Measure the bridge beside Odoo's own sync, at a simulated Microsoft (20 minutes; QUICK=1: without the large mailbox)
	@exec $(PYTHON) -m tools.bench $(if $(QUICK),--quick)

.PHONY: bench-calls
bench-calls: setup ## Measure how many calls a second the service answers beside Odoo (4 minutes)
	@cargo build --release --locked --workspace
	@exec $(PYTHON) -m tools.bench.calls $(ARGS)

.PHONY: bench-scale
bench-scale: setup ## Measure 100, 1,000 and 10,000 idle mailboxes (ARGS="--mailboxes 100 --databases 1": one case)
	@exec $(PYTHON) -m tools.bench.scale $(ARGS)
