# Everything a newcomer runs. Each target sets up what it needs; needs only python3 (>= 3.11), git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null || echo .bootstrap/bin/uv)

.PHONY: help setup demo test test-slow test-gpu lint format bench clean

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

setup: $(VENV)/.ready ## create .venv with everything in it

.bootstrap/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Augur needs Python 3.11 or newer, and $(PYTHON) is %d.%d: call make PYTHON=python3.12, say" % sys.version_info[:2])'
	$(PYTHON) -m venv .bootstrap
	.bootstrap/bin/python -m pip install --quiet uv

$(VENV)/.ready: pyproject.toml $(filter .bootstrap/bin/uv,$(UV))
	$(UV) sync --python $(PYTHON) --compile-bytecode --quiet
	@touch $@

demo: setup ## run the main job end to end on the embedded data set (no key, no GPU, under 3 minutes)
	$(BIN)/agent run --dataset demo

test: setup ## the test suite
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal --durations=10

test-slow: setup ## the tests that take minutes
	$(BIN)/python -m pytest -n auto --maxprocesses 4 -m slow

test-gpu: setup ## the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

lint: setup ## format check, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: setup ## apply the formatter and the safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## every benchmark; writes benchmarks/results/*.json and prints the ratios
	$(BIN)/python -m benchmarks

clean: ## remove the environments (runs/ stays)
	rm -rf $(VENV) .bootstrap
