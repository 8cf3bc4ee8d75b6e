# Everything a newcomer runs. Each target sets up what it needs; needs only python3 (>= 3.11), git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null || echo .bootstrap/bin/uv)

.PHONY: help setup install demo pictures test test-slow test-gpu bench-gpu fuzz lint format bench release-check clean

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

setup: $(VENV)/.ready ## create .venv with everything in it (TORCH=cpu: a torch without CUDA, smaller)

.bootstrap/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Augur needs Python 3.11 or newer, and $(PYTHON) is %d.%d: call make PYTHON=python3.12, say" % sys.version_info[:2])'
	$(PYTHON) -m venv .bootstrap
	.bootstrap/bin/python -m pip install --quiet uv

# TORCH: empty for the torch of the package index (on Linux a CUDA build, about 3 GB), or a backend that uv knows: cpu,
# cu130, auto, … Its own builds carry no upload time, so the date that pins everything else does not apply to them.
TORCH ?=
$(VENV)/.ready: pyproject.toml $(filter .bootstrap/bin/uv,$(UV))
ifeq ($(TORCH),)
	$(UV) sync --python $(PYTHON) --compile-bytecode --quiet
else
	$(UV) venv --python $(PYTHON) --allow-existing --quiet $(VENV)
	$(UV) pip install --python $(VENV) --compile-bytecode --quiet --torch-backend $(TORCH) --exclude-newer-package torch=false \
		--exclude-newer-package torchvision=false --group dev --editable .
endif
	@touch $@

install: $(filter .bootstrap/bin/uv,$(UV)) ## install the command agent (and augur) for this user, in an environment of its own
	$(UV) tool install --python $(PYTHON) --overrides packaging/overrides.txt $(if $(TORCH),--torch-backend $(TORCH)) .

demo: setup ## run the main job end to end on the embedded data set (no key, no GPU, a minute and a half)
	$(BIN)/agent run --dataset demo

test: setup ## the test suite
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal --durations=10

test-slow: setup ## the tests that take minutes
	$(BIN)/python -m pytest -n auto --maxprocesses 4 -m slow

# SETUP=no: with the python3 on the path and what it finds, on a machine without a package index.
ifeq ($(SETUP),no)
GPU_PYTHON := $(PYTHON)
else
GPU_PYTHON := $(BIN)/python
test-gpu bench-gpu: setup
endif

test-gpu: ## the tests that need a CUDA device, three minutes (SETUP=no: with the python3 on the path)
	$(GPU_PYTHON) -m pytest -m gpu --durations=10 tests/tools/training tests/tools/aga tests/tools/execution

bench-gpu: ## how fast one CUDA device trains packs, five minutes; writes benchmarks/results/gpu_*.json (SETUP=no)
	$(GPU_PYTHON) -m benchmarks.gpu

# Examples of the heaviest-weighted fuzz test; all of them together try about four times as many.
FUZZ ?= 40000
fuzz: setup ## random proposals, answers, settings and folders, 10⁵ in all (FUZZ=N: fewer or more)
	AUGUR_FUZZ_EXAMPLES=$(FUZZ) $(BIN)/python -m pytest -n auto --maxprocesses 4 -m fuzz tests/fuzz

lint: setup ## format check, lint, types, layers of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: setup ## apply the formatter and the safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

pictures: setup ## the picture in the README: runs the demo, and keeps its plot and contact sheet
	runs=$$(mktemp -d) && $(BIN)/agent run --dataset demo --study demo --runs-dir $$runs && \
		cp $$runs/studies/demo/search.png docs/demo_search.png && \
		cp $$runs/studies/demo/contact_sheets/recommended.png docs/demo_recommended.png && rm -r $$runs

release-check: setup ## build wheel and sdist, install the wheel under Python 3.11 and 3.13, run a study with each
	packaging/release_check.sh $(UV)

bench: setup ## every benchmark; writes benchmarks/results/*.json and prints the ratios
	$(BIN)/python -m benchmarks

clean: ## remove the environments (runs/ stays)
	rm -rf $(VENV) .bootstrap
