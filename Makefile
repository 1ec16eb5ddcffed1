# Everything a user or a contributor runs. Each target sets up what it needs; the second
# run is quick. Needs Python 3.11 to 3.13, make, and a package index.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_TEST := $(VENV)/.ready-test
READY_BENCH := $(VENV)/.ready-bench
PIP_INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
FIRST_TESTS := tests/conformance tests/notebooks tests/gpt tests/diffusion tests/finetune

export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help setup demo test lint format notebooks bench clean

help:
	@echo "make demo       set up, then data -> train -> evaluate -> export -> serve -> call"
	@echo "make test       set up, then lint, types, import direction and every test"
	@echo "make lint       only the checks that run nothing"
	@echo "make format     let ruff rewrite the code"
	@echo "make notebooks  execute the tutorials and keep their outputs"
	@echo "make bench      compare with PyTorch; writes benchmarks/results/*.json"
	@echo "make clean      remove the environment and what was built"

setup: $(READY)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(READY): setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) --editable .
	@touch $@

$(READY_TEST): $(READY)
	$(PIP_INSTALL) --editable ".[test]"
	@touch $@

$(READY_BENCH): $(READY_TEST)
	$(PIP_INSTALL) --editable ".[bench]"
	@touch $@

demo: $(READY)
	$(BIN)/tfgenai demo --output runs/demo

# In two parts: the graphs of all tests together take more memory than a small machine has.
test: lint
	$(PYTEST) $(FIRST_TESTS)
	$(PYTEST) $(FIRST_TESTS:%=--ignore=%) tests

lint: $(READY_TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy tfgenai
	$(BIN)/lint-imports --no-cache

format: $(READY_TEST)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(READY_TEST)
	$(BIN)/python notebooks/execute.py

bench: $(READY_BENCH)
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf $(VENV) build *.egg-info runs served
