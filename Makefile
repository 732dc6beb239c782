# Every target does its own set-up in .venv, with nothing but Python's own venv and pip.
# PYTHON=python3.12 make test chooses another Python (3.11 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run-ready
DEV := $(VENV)/.dev-ready
TESTS := $(VENV)/.tests-ready
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# What pytest makes of the tests is kept, also where Python is told to keep no bytecode.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo run test redis check bench market chaos audit format requirements clean

help:  ## Show what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(RUN)  ## Everything in one process against a simulated BitMart, printing what comes
	@$(BIN)/bitmart-bridge up --demo

run: $(RUN)  ## Everything in one process against BitMart itself
	@$(BIN)/bitmart-bridge up

test: $(TESTS)  ## All tests, with branch coverage
	@$(PYTEST) --numprocesses=4 --dist=worksteal --cov --cov-report=term

redis: $(DEV)  ## The store's tests on the redis-server of this machine instead of the wheel's valkey-server
	@STORE_SERVER=redis-server $(PYTEST) --numprocesses=3 --dist=worksteal tests/store

check: $(DEV)  ## Lint, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(DEV)  ## What a record costs on its way, beside its peers, and which goals are reached
	@$(BIN)/python -m tests.benchmarks

market: $(DEV)  ## The whole market, 3,240 topics, on one ingester and on four
	@$(BIN)/python -m tests.benchmarks.market

chaos: $(DEV)  ## Everything fails at random under load, and the streams are held against the truth; SEEDS=20
	@$(BIN)/python -m tests.chaos --seeds $(or $(SEEDS),20)

audit: $(DEV)  ## Ask the Internet whether anything that is installed to run has a known weakness
	@$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements/run.txt

format: $(DEV)  ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

requirements:  ## Resolve the pinned requirements anew (needs uv)
	@./requirements/resolve

clean:  ## Remove the virtual environment and all caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "bitmart-bridge needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "This Python lacks venv. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(RUN): $(VENV)/bin/python requirements/run.txt requirements/build.txt pyproject.toml
	@echo "setting up $(VENV) ..."
	@$(INSTALL) --require-hashes -r requirements/build.txt -r requirements/run.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUN) requirements/dev.txt
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# One process makes the tests ready for all of them; what is wrong with them is for the run to tell.
$(TESTS): $(DEV) $(shell find tests -name '*.py')
	@$(PYTEST) --collect-only --quiet --quiet >/dev/null || true
	@touch $@
