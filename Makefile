# Run `make help` for a list of all targets.

VENV ?= .venv
BIN := $(VENV)/bin
# Recreate a virtual environment whose Python is missing or can't be run by this user.
MAYBE_BROKEN := $(shell test -x $(BIN)/python || echo broken)

.DEFAULT_GOAL := help
.PHONY: help run demo install test suite test-full faults coverage fuzz mutants check lint types imports schema contract fresh-lock audit sbom migration openapi lock docs release bench bench-data broken

help:  ## List all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run  ## Start the server (embedded PostgreSQL, API and worker) on http://127.0.0.1:8000; PORT=… for another port
	@exec $(BIN)/leadvibe serve

demo: $(VENV)/.run  ## Start the server with sample rules and simulated visitors
	@exec $(BIN)/leadvibe demo

install: $(VENV)/.dev  ## Create the virtual environment for development

test: $(VENV)/.dev  ## Run the test suite; ARGS="-k name" for a part of it
	@$(BIN)/python -m pytest $(ARGS); status=$$?; tools/give-back; exit $$status

suite: $(VENV)/.dev  ## Run the test suite as CI does: a failed test runs once more, and is listed as FLAKY if it then passes
	@$(BIN)/python tools/suite.py $(ARGS); status=$$?; tools/give-back; exit $$status

test-full: $(VENV)/.dev  ## Run the slow tests: all real input, while every process is killed
	@$(BIN)/python -m pytest -n 0 -m full $(ARGS); status=$$?; tools/give-back; exit $$status

faults: $(VENV)/.dev  ## Cause 200 faults under load; takes ten minutes, FAULTS=50 FAULTS_SEED=2 for others
	@$(BIN)/python -m pytest -n 0 -m full tests/faults/test_many_faults.py $(ARGS); status=$$?; tools/give-back; exit $$status

coverage: $(VENV)/.dev  ## Check that tests/engine covers every branch of the engine
	@HYPOTHESIS_PROFILE=same $(BIN)/python -m pytest -n 0 -q tests/engine --cov=leadvibe.engine --cov-fail-under=100 \
	  --cov-report=term-missing:skip-covered $(ARGS); status=$$?; tools/give-back; exit $$status

fuzz: $(VENV)/.dev  ## Run the engine's property tests with many more examples
	@HYPOTHESIS_PROFILE=night $(BIN)/python -m pytest tests/engine $(ARGS); status=$$?; tools/give-back; exit $$status

mutants: $(VENV)/.dev  ## Run mutation tests of the engine; takes long, ARGS=surge.py for one module
	@$(BIN)/python tools/mutants.py $(ARGS); status=$$?; tools/give-back; exit $$status

check:  ## Run all checks except the tests, on the newest installed Python
	@$(MAKE) -s --no-print-directory VENV=$(VENV)/newest PYTHON="$$(tools/python newest)" \
	  fresh-lock lint types imports schema contract; status=$$?; tools/give-back; exit $$status

lint: $(VENV)/.dev  ## Run the linter and check the formatting (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Check types (basedpyright, strict over src)
	$(BIN)/basedpyright --pythonpath $(BIN)/python

imports: $(VENV)/.dev  ## Check which packages import which (import-linter)
	$(BIN)/lint-imports

schema: $(VENV)/.dev  ## Check that the migrations create the schema of the models
	$(BIN)/python tools/with_postgres.py sh -c '$(BIN)/alembic -q upgrade head && $(BIN)/alembic check'

contract: $(VENV)/.dev  ## Check that openapi.yaml is up to date
	$(BIN)/python -m leadvibe.server.openapi_file --check

fresh-lock: $(VENV)/.dev  ## Check that the lock files are up to date
	@BIN=$(BIN) tools/lock --check

audit: $(VENV)/.dev  ## Look for known vulnerabilities in the locked dependencies; needs the network
	@BIN=$(BIN) tools/audit $(ARGS)

sbom: $(VENV)/.dev  ## Write sbom.json, a CycloneDX list of all components that the program is installed with
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o sbom.json

migration: $(VENV)/.dev  ## Create a migration from changed models: make migration NAME="add x"
	@test -n "$(NAME)" || { echo 'usage: make migration NAME="add x"'; exit 2; }
	$(BIN)/python tools/with_postgres.py sh -c '$(BIN)/alembic -q upgrade head && $(BIN)/alembic revision --autogenerate --rev-id "$$(printf %04d $$(($$(ls migrations/versions/*.py | wc -l) + 1)))" -m "$(NAME)"'

openapi: $(VENV)/.dev  ## Generate openapi.yaml from the code
	$(BIN)/python -m leadvibe.server.openapi_file

lock: $(VENV)/.dev  ## Generate the lock files from pyproject.toml; ARGS=--upgrade for newer versions
	@BIN=$(BIN) tools/lock $(ARGS)

docs: $(VENV)/.dev  ## Build the documentation into site/; a broken link or anchor fails
	@$(BIN)/zensical build --clean --strict

release:  ## Tag a release: make release VERSION=1.2.3, on a clean main with its changes under Unreleased in CHANGELOG.md
	@test -n "$(VERSION)" || { echo 'usage: make release VERSION=1.2.3'; exit 2; }
	@tools/release "$(VERSION)"

bench: $(VENV)/.dev  ## Run the benchmarks; each result is compared with a limit measured in the same run
	@$(BIN)/python -m benchmarks $(ARGS)

bench-data: $(VENV)/.dev  ## Create an OU with a million leads for `make bench ARGS=reads`; takes minutes and 10 GB
	@$(BIN)/python -m benchmarks.data

$(VENV)/.run: requirements.lock pyproject.toml $(MAYBE_BROKEN)
	@tools/install $(VENV) requirements.lock $(PYTHON) && touch $@ && tools/give-back

$(VENV)/.dev: requirements-dev.lock requirements.lock pyproject.toml $(MAYBE_BROKEN)
	@tools/install $(VENV) requirements-dev.lock $(PYTHON) && touch $(VENV)/.run $@ && tools/give-back
