# The two commands of the README, and what stands behind them. Stamps make repeat calls cheap.
PY ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/python -m uv
DEMO_ARGS ?=

.PHONY: demo test check bench prove lock setup setup-dev format clean

demo: setup
	@$(BIN)/atomizer demo $(DEMO_ARGS)

test: setup-dev
	@$(BIN)/python -m pytest -m "not system and not prove" -n 2
	@$(BIN)/python -m pytest -m "system and not prove"

check: setup-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup-dev
	@$(BIN)/python -m bench

prove: setup-dev
	@$(BIN)/python -m pytest -m prove --timeout=7200

format: setup-dev
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

setup: $(VENV)/.run
setup-dev: $(VENV)/.dev

$(VENV)/.boot: requirements/bootstrap.txt
	@$(PY) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@$(PY) -c 'import ensurepip, venv' 2>/dev/null || { echo "python venv is missing; on Debian: apt-get install python3.11-venv"; exit 1; }
	@echo "setup: creating $(VENV)"
	@$(PY) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

$(VENV)/.run: $(VENV)/.boot requirements/run.txt pyproject.toml
	@echo "setup: installing pinned packages"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/run.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@echo "setup: compiling kernels"
	@$(BIN)/python -m atomizer.runtime.warm
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	@echo "setup: installing development packages"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@echo "setup: compiling the kernels of studies"
	@$(BIN)/python -m atomizer.runtime.warm --all
	@touch $@

LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
lock: $(VENV)/.boot
	@$(LOCK) requirements/bootstrap.in -o requirements/bootstrap.txt
	@$(LOCK) pyproject.toml --group build -o requirements/run.txt
	@$(LOCK) pyproject.toml --all-extras --group build --group test --group lint -c requirements/run.txt -o requirements/dev.txt
	@for name in ccxt derive grvt thalex binance swaps; do $(LOCK) requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean:
	@rm -rf $(VENV) .venv-* .mypy_cache .pytest_cache .ruff_cache
