# Every target makes or completes .venv by itself; nothing has to be installed before.

# How many tests run at once, and what else pytest is told: make test ARGS="-k retry"
WORKERS ?= 2
ARGS ?=
# How much make torture does, of what it does at most
FACTOR ?= 1
# The Python to make .venv with: make test PYTHON=python3.12
PYTHON ?=
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test torture bench lint format types audit check docs wheel wheel-test clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

demo: ## JupyterLab on a live example ingestion, with simulated workers (ARGS="--help" tells more)
	@scripts/bootstrap demo
	@.venv/bin/workflow-monitor demo $(ARGS)

test: ## all tests (ARGS="-k retry" for some)
	@scripts/bootstrap demo test lint
	@.venv/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

torture: ## the randomized tests behind docs/explanation/promises, for hours (ARGS="-k kill"; FACTOR=0.1 for a tenth of it)
	@scripts/bootstrap demo test lint
	@WORKFLOW_MONITOR_TORTURE=$(FACTOR) .venv/bin/python -m pytest -m torture $(ARGS)

bench: ## how fast it is, over HTTP (ARGS="--size 10000 1000000 --out folder")
	@scripts/bootstrap demo test lint
	@.venv/bin/python -m benchmarks.speed $(ARGS)

lint: ## formatting, style and the layers of the package
	@scripts/bootstrap demo test lint
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/lint-imports --no-logo --no-cache

format: ## put the code into the house's format
	@scripts/bootstrap demo test lint
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

types: ## static types, strictly
	@scripts/bootstrap demo test lint
	@.venv/bin/mypy

audit: ## check the installed packages for known vulnerabilities (needs api.osv.dev)
	@scripts/bootstrap demo test lint
	@scripts/audit

check: lint types test ## all that must pass

docs: ## build the documentation site into docs/_build/html; a warning is an error
	@scripts/bootstrap docs
	@.venv/bin/python -m sphinx -W --keep-going -b html docs docs/_build/html

wheel: ## build the wheel into dist/
	@scripts/bootstrap demo test lint
	@.venv/bin/python -m hatchling build --target wheel

wheel-test: ## build the wheel, install it into a new environment and start a server there
	@scripts/bootstrap demo test lint
	@.venv/bin/python -m pytest tests/test_packaging.py $(ARGS)

clean: ## remove .venv, builds and caches
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the panels' JavaScript

.PHONY: js
js: node_modules/.package-lock.json ## types, lint, format and unit tests of the panels' JavaScript (Node.js 18 or newer)
	@npm run --silent check

node_modules/.package-lock.json: package.json package-lock.json
	@command -v npm >/dev/null || { echo "make js needs Node.js and npm. On Debian: sudo apt-get install nodejs npm" >&2; exit 1; }
	@npm ci --silent
	@touch $@
