# Each target creates or updates .venv as needed; no setup step comes first.

# Parallel test processes, of which each waits for servers and browsers part of the time, and further arguments of pytest: make test ARGS="-k retry"
WORKERS ?= 3
ARGS ?=
# Scale of make torture, as a fraction of the full run
FACTOR ?= 1
# Interpreter of .venv: make test PYTHON=python3.12
PYTHON ?=
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit torture bench lint format types audit check versions docs js wheel wheel-test clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

demo: ## start JupyterLab on an example ingestion with simulated workers (ARGS="--help" lists the options)
	@scripts/bootstrap demo
	@.venv/bin/workflow-monitor demo $(ARGS)

test: ## run all tests (ARGS="-k retry" selects some)
	@scripts/bootstrap demo test lint
	@.venv/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-unit: ## run the unit tests, which need no server, database or browser
	@scripts/bootstrap test
	@.venv/bin/python -m pytest tests/unit --numprocesses $(WORKERS) $(ARGS)

torture: ## run the randomized tests behind docs/explanation/promises for hours (ARGS="-k kill"; FACTOR=0.1 for a tenth)
	@scripts/bootstrap demo test lint
	@WORKFLOW_MONITOR_TORTURE=$(FACTOR) .venv/bin/python -m pytest -m torture $(ARGS)

bench: ## measure the throughput over HTTP (ARGS="--size 10000 1000000 --out folder")
	@scripts/bootstrap demo test lint
	@.venv/bin/python -m benchmarks.speed $(ARGS)

lint: ## check formatting, style and the layers of the package
	@scripts/bootstrap demo test lint
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/lint-imports --no-logo --no-cache

format: ## format the code and apply the safe fixes of ruff
	@scripts/bootstrap demo test lint
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

types: ## check static types with mypy --strict
	@scripts/bootstrap demo test lint
	@.venv/bin/mypy

audit: ## check the installed packages for known vulnerabilities (needs api.osv.dev)
	@scripts/bootstrap demo test lint
	@scripts/audit

check: lint types test ## run lint, types and test

versions: ## run the smoke suite with the newest dependencies on each Python found, and with the lowest on its ends
	@scripts/bootstrap test
	@scripts/check_versions

docs: ## build the documentation site into docs/_build/html; a warning is an error
	@scripts/bootstrap docs
	@.venv/bin/python -m sphinx -W --keep-going -b html docs docs/_build/html

js: node_modules/.package-lock.json ## check types, style and unit tests of the panels' JavaScript (Node.js 18 or newer)
	@npm run --silent check

node_modules/.package-lock.json: package.json package-lock.json
	@scripts/bootstrap js
	@npm ci --silent
	@touch $@

wheel: ## build the wheel into dist/
	@scripts/bootstrap demo test lint
	@.venv/bin/python -m hatchling build --target wheel

wheel-test: ## build the wheel, install it into a new environment and start a server from it
	@scripts/bootstrap demo test lint
	@.venv/bin/python -m pytest tests/integration/test_packaging.py $(ARGS)

clean: ## remove .venv, builds and caches
	rm -rf .venv .versions node_modules dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
