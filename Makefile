# Everything one does with a clone of Keystead. `make` alone prints the list.
# Kept to what GNU make 3.81 knows (macOS): no .ONESHELL, no != assignments.

SHELL = /bin/sh
VENV = .venv
BIN = $(VENV)/bin
DATA = var
PORT = 8080
OPS_PORT = 8081
WORKERS = 1
# Many tests wait for real programs: one more of them than processors keeps a machine busy.
TESTERS := $(shell expr `getconf _NPROCESSORS_ONLN` + 1)
KEYS = 1000000
SECONDS = 20
UV = uv
LOAD_FLAGS = --users 40 --processes 2 --p99-ms 2000
PACKAGES = agent hsm loadtest server validation
SCRIPTS = .ci/run .ci/advisories deploy/install.sh $(wildcard deploy/deb/*) deploy/compose/make-secrets

# The tests start hundreds of programs: one that may not keep what it compiled takes three times as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run check test bench bench-hsm bench-agent bench-fleet load deb sbom lock audit clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.dev ## Install everything for development into .venv

run: $(VENV)/.server ## Serve on 127.0.0.1 with a sandbox in ./var (PORT=, OPS_PORT=, DATA=, WORKERS=)
	@test -e '$(DATA)' || $(BIN)/keystead --data '$(DATA)' init --sandbox
	@exec $(BIN)/keystead --data '$(DATA)' serve --workers $(WORKERS) \
	    --listen 127.0.0.1:$(PORT) --ops-listen 127.0.0.1:$(OPS_PORT)

check: $(VENV)/.dev ## Check format, lint, types, import directions, scripts and docs
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy $(PACKAGES) tests deploy/sbom.py
	$(BIN)/lint-imports
	@for script in $(SCRIPTS); do bash -n $$script || exit 1; done
	$(BIN)/pytest -q tests/docs tests/packaging/test_repository.py

test: $(VENV)/.dev ## Run the tests; what the machine lacks is skipped by name (CI=true: fails)
	$(BIN)/pytest -m 'not alone' --numprocesses=$(TESTERS) --dist=loadfile
	$(BIN)/pytest -m alone

bench: $(VENV)/.dev ## Measure this machine: wrk against Keystead and against a bare handler
	$(BIN)/python -m loadtest.bench

bench-hsm: $(VENV)/.dev ## Measure what opening an OTP costs with keys sealed on the host, and inside an HSM
	$(BIN)/python -m hsm.bench

bench-agent: $(VENV)/.dev ## Measure the agent's memory, start and CPU beside its budget (IDLE_MINUTES=, INSERTIONS=)
	$(BIN)/python -m tests.agent.bench

bench-fleet: $(VENV)/.dev ## Measure reports of a fleet beside verifications, and searches in it (KEYS=, SECONDS=)
	KEYS='$(KEYS)' SECONDS='$(SECONDS)' $(BIN)/python -m tests.server.fleet_bench

load: $(VENV)/.dev ## Load a fresh server of its own for two minutes, prove it was safe (LOAD_FLAGS=)
	$(BIN)/python -m loadtest --own-server --duration 2m $(LOAD_FLAGS)

deb: ## Build the Debian package in ./dist (PYTHON= names another interpreter than /usr/bin/python3)
	@sh deploy/deb/build.sh

sbom: $(VENV)/.dev ## Write what the server is made of to ./dist, as CycloneDX JSON
	@mkdir -p dist
	$(BIN)/python deploy/sbom.py > dist/keystead.cdx.json

# An index of the machine's own must not leak into what everybody installs.
LOCK = env -u UV_INDEX -u UV_DEFAULT_INDEX -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS \
    $(UV) --no-config pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
    --python-version 3.11 $(LOCK_FLAGS)

lock: ## Lock the dependencies anew (needs uv; LOCK_FLAGS=--upgrade takes the newest)
	@command -v $(UV) >/dev/null || { echo 'make lock needs uv: pipx install uv' >&2; exit 1; }
	$(LOCK) pyproject.toml --all-extras --group dev --output-file requirements/dev.txt
	$(LOCK) pyproject.toml --extra server --constraint requirements/dev.txt \
	    --output-file requirements/server.txt
	$(LOCK) --group build --constraint requirements/dev.txt --output-file requirements/build.txt

audit: $(VENV)/.dev ## Look the locked dependencies up among the published advisories
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements/dev.txt

clean: ## Remove the environment and what tools left behind; never ./var
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: an environment is installed again only when a lock or the project's metadata changed.
# The development environment holds all the server's, so it serves `make run` too.
$(VENV)/.dev: requirements/dev.txt pyproject.toml deploy/install.sh
	@sh deploy/install.sh venv $(VENV) requirements/dev.txt
	@sh deploy/install.sh editable $(VENV)
	@touch $(VENV)/.server $@

$(VENV)/.server: requirements/build.txt requirements/server.txt pyproject.toml deploy/install.sh
	@sh deploy/install.sh venv $(VENV) requirements/build.txt requirements/server.txt
	@sh deploy/install.sh editable $(VENV)
	@touch $@
