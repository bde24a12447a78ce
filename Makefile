# The course in one word each: `make lab` to work, `make test` to check everything.
# Without make (Windows): the README has the same steps line by line.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.course-stamp
# `tests/offline.py` is pytest where there is no network.
RUNNER := -m pytest
PYTEST := $(BIN)/python $(RUNNER) -n 2 --dist loadfile --no-loadscope-reorder
# Where the mirror of the real data sets lies, if there is one: `make test-full COURSE_DATA_DIR=...`
export UV_PROJECT_ENVIRONMENT := $(VENV)
export UV_COMPILE_BYTECODE := 1

.PHONY: help setup lab test test-full test-seeds test-offline lint format book bench doctor lock clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##|^[a-z-]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

setup: $(STAMP)  ## create .venv from the lock

$(STAMP): uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] < (3, 14); sys.exit(None if ok else \
	  "The course needs Python 3.11, 3.12 or 3.13; this is %s. Choose one: make PYTHON=python3.12" % sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python cannot create a virtual environment. On Debian or Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "Setting up the environment from the lock ..."
	@$(BIN)/python -m uv sync --frozen --quiet --inexact --python $(BIN)/python
	@touch $(STAMP)

lab: setup       ## open JupyterLab on the start page
	$(BIN)/course lab

test: setup      ## unit tests, every notebook in the quick profile, the book, the pages in a browser
	$(PYTEST) -m "not slow and not seeds"

test-full: setup ## the slow tests: every chapter in the full profile on real data
	$(BIN)/python -m pytest -n 2 --dist load -m slow tests

test-seeds: setup ## every chapter with four other seeds
	$(BIN)/python -m pytest -n 2 --dist load -m seeds tests

test-offline: setup ## the whole suite with no network but the loopback interface
	$(MAKE) test RUNNER=tests/offline.py

lint: setup      ## style of code and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup    ## put code and notebooks in the course's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

book: setup      ## render the book from the stored outputs
	$(BIN)/course book

bench: setup     ## measure the helpers beside the plain libraries
	$(BIN)/course bench

doctor: setup    ## what this machine has and lacks
	$(BIN)/course doctor

lock: setup      ## resolve the lock anew and write what is generated from it
	$(BIN)/python -m uv lock
	$(BIN)/python -m uv export --frozen --quiet --no-emit-project --no-header --no-annotate -o requirements.lock
	$(BIN)/python -m helpers.course.environment

clean:           ## remove what can be made again
	rm -rf artifacts book/_build book/_stage .pytest_cache .ruff_cache
