# Everything one does with the project. `make help` lists it.

VENV ?= .venv
BIN := $(VENV)/bin
# A virtual environment whose Python is gone, or out of this user's reach, is made anew.
MAYBE_BROKEN := $(shell test -x $(BIN)/python || echo broken)

.DEFAULT_GOAL := help
.PHONY: help run demo install test test-full coverage fuzz mutants check lint types imports schema contract fresh-lock migration openapi lock bench bench-data broken

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.run  ## Start the server: PostgreSQL of its own, API and worker, on http://127.0.0.1:8000 (PORT=… for another)
	@exec $(BIN)/leadvibe serve

demo: $(VENV)/.run  ## The same with a sample configuration and visitors who make scores move
	@exec $(BIN)/leadvibe demo

install: $(VENV)/.dev  ## Only prepare the virtual environment, for development

test: $(VENV)/.dev  ## The whole suite; ARGS="-k name" for a part
	@$(BIN)/python -m pytest $(ARGS); status=$$?; tools/give-back; exit $$status

test-full: $(VENV)/.dev  ## What takes too long for every day: all the real input, with every process killed on the way
	@$(BIN)/python -m pytest -n 0 -m full $(ARGS); status=$$?; tools/give-back; exit $$status

coverage: $(VENV)/.dev  ## Does every branch of the engine have a test in tests/engine?
	@HYPOTHESIS_PROFILE=same $(BIN)/python -m pytest -n 0 -q tests/engine --cov=leadvibe.engine --cov-fail-under=100 \
	  --cov-report=term-missing:skip-covered $(ARGS); status=$$?; tools/give-back; exit $$status

fuzz: $(VENV)/.dev  ## The engine's properties with many more examples
	@HYPOTHESIS_PROFILE=night $(BIN)/python -m pytest tests/engine $(ARGS); status=$$?; tools/give-back; exit $$status

mutants: $(VENV)/.dev  ## Mutation testing of the engine; takes long, ARGS=surge.py for one module
	@$(BIN)/python tools/mutants.py $(ARGS); status=$$?; tools/give-back; exit $$status

check:  ## All that can be known without running the suite, on the newest Python there is
	@$(MAKE) -s --no-print-directory VENV=$(VENV)/newest PYTHON="$$(tools/python newest)" \
	  fresh-lock lint types imports schema contract; status=$$?; tools/give-back; exit $$status

lint: $(VENV)/.dev  ## ruff, the linter and the formatter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## basedpyright, strict
	$(BIN)/basedpyright --pythonpath $(BIN)/python

imports: $(VENV)/.dev  ## Who may import whom
	$(BIN)/lint-imports

schema: $(VENV)/.dev  ## Do the migrations make what the models say?
	$(BIN)/python tools/with_postgres.py sh -c '$(BIN)/alembic -q upgrade head && $(BIN)/alembic check'

contract: $(VENV)/.dev  ## Is openapi.yaml what the code says?
	$(BIN)/python -m leadvibe.server.openapi --check

fresh-lock: $(VENV)/.dev  ## Do the locks fit pyproject.toml?
	@BIN=$(BIN) tools/lock --check

migration: $(VENV)/.dev  ## A new migration from what changed in the models: make migration NAME="add x"
	@test -n "$(NAME)" || { echo 'make migration NAME="what changes"'; exit 2; }
	$(BIN)/python tools/with_postgres.py sh -c '$(BIN)/alembic -q upgrade head && $(BIN)/alembic revision --autogenerate --rev-id "$$(printf %04d $$(($$(ls migrations/versions/*.py | wc -l) + 1)))" -m "$(NAME)"'

openapi: $(VENV)/.dev  ## Write openapi.yaml from the code
	$(BIN)/python -m leadvibe.server.openapi

lock: $(VENV)/.dev  ## Write the locks from pyproject.toml; ARGS=--upgrade for newer versions
	@BIN=$(BIN) tools/lock $(ARGS)

bench: $(VENV)/.dev  ## Measure: each figure beside a limit measured in the same run
	@$(BIN)/python -m benchmarks $(ARGS)

bench-data: $(VENV)/.dev  ## Make an OU of a million leads, which stays for `make bench ARGS=reads`; takes minutes and 10 GB
	@$(BIN)/python -m benchmarks.data

$(VENV)/.run: requirements.lock pyproject.toml $(MAYBE_BROKEN)
	@tools/install $(VENV) requirements.lock $(PYTHON) && touch $@ && tools/give-back

$(VENV)/.dev: requirements-dev.lock requirements.lock pyproject.toml $(MAYBE_BROKEN)
	@tools/install $(VENV) requirements-dev.lock $(PYTHON) && touch $(VENV)/.run $@ && tools/give-back
