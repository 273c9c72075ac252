# Everything a person does with a checkout. Needs make and a Python of 3.11 or newer; the rest is fetched into .venv.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# The first that runs and is new enough: a shim of that name may exist without the Python behind it.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(BIN)/python -m uv
PYTEST := -m pytest --numprocesses auto --dist worksteal
FAST := -m "not slow"
# Thousands of tests wait for a disk to sync; those that are not slow are in memory, where there are 4 GB of it.
IN_MEMORY = $(shell test -w /dev/shm && test "$$(df -k /dev/shm | awk 'END {print $$4}')" -gt 4000000 && echo TMPDIR=/dev/shm)
PYTEST_ARGS ?=
ROOM ?=
TESTS := $(if $(ROOM),tests/$(ROOM) --durations=10)
FUZZ_ARGS ?=
# Tests start hundreds of processes; each would compile every library again.
unexport PYTHONDONTWRITEBYTECODE
# Old libraries meet new ones that they depend on, and are warned by them; that is not what these tests are about.
OLD := -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning -W ignore::FutureWarning

.PHONY: help demo test test-slow test-dates fuzz lint format bench docs test-lowest clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 on PATH. Install one, or say which: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# uv is only a faster pip; it lives in the environment and is never asked of the user.
$(VENV)/.uv: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

$(VENV)/.package: pyproject.toml | $(VENV)/.uv
	$(UV) pip install --quiet --python $(BIN)/python --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.uv
	$(UV) pip install --quiet --python $(BIN)/python --editable '.[all]' --group dev
	@touch $@ $(VENV)/.package

demo: $(VENV)/.package ## Install, save a real result, find it, read it back
	@$(BIN)/analysis-store demo

test: $(VENV)/.dev ## Run the tests (ROOM=trust for those of one room, PYTEST_ARGS="-k name" for some of them)
	$(IN_MEMORY) $(BIN)/python $(PYTEST) $(FAST) $(TESTS) $(PYTEST_ARGS)

test-slow: $(VENV)/.dev ## Run the long sweeps of the tests (ROOM=trust for those of one room)
	$(BIN)/python $(PYTEST) -m "slow or properties" --hypothesis-profile=thorough $(TESTS) $(PYTEST_ARGS)

test-dates: $(VENV)/.dev ## Run the tests that see a clock on other dates and in other time zones (needs faketime)
	$(BIN)/python -m tests.dates $(PYTEST_ARGS)

fuzz: $(VENV)/.dev ## Feed mutated files, documents and requests to the store (FUZZ_ARGS="--count 100 bundles")
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

lint: $(VENV)/.dev ## Check style, types, words and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict analysis_store
	$(BIN)/python -m tests.known_types
	$(BIN)/python -m pytest --quiet tests/test_words.py
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Let ruff put the sources in order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev ## Measure the speed promised in the documentation, beside its peers
	$(UV) pip install --quiet --python $(BIN)/python --group bench
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

docs: $(VENV)/.dev ## Build the documentation; any warning is an error
	$(BIN)/python -m sphinx -W -n --keep-going -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

test-lowest: ## Run the tests with the oldest dependencies that pyproject.toml admits
	$(MAKE) VENV=.venv-lowest lowest-environment
	.venv-lowest/bin/python $(PYTEST) $(FAST) $(OLD) $(PYTEST_ARGS)

.PHONY: lowest-environment
lowest-environment: $(VENV)/.uv
	$(UV) pip compile --quiet --resolution lowest-direct --python $(BIN)/python --extra all --group test pyproject.toml -o $(VENV)/lowest.txt
	$(UV) pip sync --quiet --python $(BIN)/python $(VENV)/lowest.txt
	$(UV) pip install --quiet --python $(BIN)/python uv
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .

clean: ## Remove the environments and everything that was built
	rm -rf .venv .venv-lowest build dist docs/_build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
