# Everything here sets up .venv first, by hash, and again whenever a lock or pyproject.toml changed.
# Needs make, git and a Python of at least 3.11 with venv; PYTHON=... names another one.
#
#   make demo                      the main job on this machine, from nothing
#   make test ARGS="-k canary"     the tests; ARGS goes to pytest
#   make check                     style, types, layers, locks
#   make bench NAME=switch         one benchmark, or all of them without NAME
#   make lock                      the locks anew after a change of pyproject.toml; UPGRADE=1 for newer versions

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,\
  $(shell $(p) -c 'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := $(BIN)/uv

.PHONY: help demo test check bench lock setup
help:
	@sed -n 's/^#   //p' Makefile

demo: $(READY)
	@$(BIN)/orchestrate demo $(ARGS)

test: $(READY)
	@$(BIN)/python -m pytest $(ARGS)

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(UV) pip check --quiet --python $(BIN)/python
	@# A test file that cannot be imported fails here, not at the end of a long run.
	@$(BIN)/python -m pytest --quiet --collect-only >$(VENV)/collected || { cat $(VENV)/collected; exit 1; }
	$(BIN)/python -m pytest --quiet tests/repo/test_locks.py

bench: $(READY)
	@for script in $(if $(NAME),bench/$(NAME).py,$(sort $(filter-out bench/harness.py,$(wildcard bench/*.py)))); do \
	  $(BIN)/python "$$script" $(ARGS); \
	done

setup: $(READY)

$(READY): requirements-bootstrap.lock requirements-dev.lock pyproject.toml
	@if ! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  echo "error: $(or $(PYTHON),what is on PATH) is not a Python of at least 3.11" >&2; \
	  echo "  fix: install one (on Debian: apt-get install python3 python3-venv), or make PYTHON=/path/to/python3" >&2; \
	  exit 1; fi
	@if ! $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  rm -rf $(VENV); \
	  $(PYTHON) -m venv $(VENV) || { \
	    echo "  fix: this Python has no venv (on Debian: apt-get install python3-venv)" >&2; exit 1; }; fi
	@echo "setting up $(VENV) from requirements-dev.lock"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  -r requirements-bootstrap.lock
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .
	@# With PYTHONDONTWRITEBYTECODE set, as it often is, every start would compile everything again.
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib
	@touch $@

# Universal: one lock for every Python from 3.11 on. No header and no index: neither is anyone else's business.
LOCK = $(UV) pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
  $(if $(UPGRADE),--upgrade) --output-file
lock: $(READY)
	$(LOCK) requirements.lock pyproject.toml >/dev/null
	$(LOCK) requirements-dev.lock --extra edge --extra keyring --extra notify --extra sigstore --group dev --group lint pyproject.toml >/dev/null
	echo 'uv>=0.13,<0.14' | $(LOCK) requirements-bootstrap.lock --no-annotate - >/dev/null
