# `make` alone lists what there is.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
BIN := .venv/bin
ENV := .venv/.installed
# A process that has no test left takes some of another's.
SHARED_BY := --dist worksteal --numprocesses

# Compiled tests stay, wherever that is turned off: to compile them takes a worker six seconds.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo ui test test-fast test-deep lint fmt docs lock bench accuracy record-sample clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Bytecode is compiled at installation: without it every start takes two seconds longer.
$(ENV): requirements.lock pyproject.toml setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo 'Overwatch Assets needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=/path/to/python3.12 ...'; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --requirement requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -m compileall -q overwatch_assets
	@touch $(ENV)

demo: $(ENV)  ## Load the sample workspaces into bronze, silver and gold tables
	@$(BIN)/overwatch demo

ui: $(ENV)  ## Open Dagster on the demo: web server and daemon
	@$(BIN)/overwatch ui

test: $(ENV)  ## The everyday suite
	$(BIN)/python -m pytest -m 'not deep' $(SHARED_BY) 2

# These wait for servers and clocks a third of their time.
test-fast: $(ENV)  ## Only what needs no engine; less than a minute
	$(BIN)/python -m pytest -m 'not engine and not jvm and not deep' $(SHARED_BY) 3

test-deep: $(ENV)  ## The same laws on many more cases; hours
	$(BIN)/python -m pytest -m deep --timeout 14400 $(SHARED_BY) 2

lint: $(ENV)  ## Types, style, and what this code must not use
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: $(ENV)  ## Format the code
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

docs: $(ENV)  ## Write the data dictionary and the list of queries again, from their sources
	$(BIN)/overwatch dictionary
	$(BIN)/overwatch queries docs

lock: $(ENV)  ## Resolve the dependencies again
	{ echo '# Made by `make lock` from pyproject.toml; both set-ups install exactly this.'; \
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate --group dev --group bench pyproject.toml; } > requirements.lock

bench: $(ENV)  ## Event logs to gold, against Spark's History Server and a plain parse
	$(BIN)/python -m overwatch_assets_tests.bench

accuracy: $(ENV)  ## Write docs/accuracy.md: costs of random workspaces against the truth
	$(BIN)/python -m overwatch_assets_tests.accuracy

record-sample: $(ENV)  ## Record the sample's Spark event logs again (Linux; brings Spark 3.5, and Java 17 where there is none)
	$(BIN)/python -m overwatch_assets.sample.record

clean:  ## Remove the environment and what the demo wrote
	rm -rf .venv .overwatch .pytest_cache .mypy_cache .ruff_cache .hypothesis
