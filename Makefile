# A fresh machine needs only Python 3.11 or newer: `make demo` and `make test` make a virtual environment of their own.

VENV := .venv
BIN := $(VENV)/bin

# The newest Python that runs and can make virtual environments. A shim of pyenv exists for versions that do not run.
FIND_PYTHON = for python in python3.13 python3.12 python3.11 python3; do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			echo $$python; exit; \
		fi; \
	done; \
	echo "nsync needs Python 3.11 or newer with the venv module (Debian: apt install python3-venv)" >&2; exit 1
PYENV_PATH = $(subst $(eval) ,:,$(wildcard $(HOME)/.pyenv/versions/3.1*/bin))

.PHONY: demo test lint tox bench docs clean

demo: $(VENV)/.demo
	@$(BIN)/python example_project/demo.py

test: $(VENV)/.test
	@$(BIN)/python -m tests.everywhere $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src
	NSYNC_TEST_DB=sqlite PYTHONPATH=. $(BIN)/python -m django makemigrations nsync --check --dry-run --settings tests.settings
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

tox: $(VENV)/.dev
	@echo "Running tox with the interpreters of PATH and pyenv"
	@PATH="$(PYENV_PATH):$$PATH" $(BIN)/tox run $(ARGS)

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going docs docs/_build/html

clean:
	rm -rf $(VENV) benchmarks/.venvs .tox build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@python=$$($(FIND_PYTHON)) && echo "Making the virtual environment $(VENV) with $$python" && $$python -m venv --clear $(VENV)

# Stamps: what is installed stays installed until the packaging changes.
$(VENV)/.demo: setup.py pyproject.toml | $(BIN)/python
	@echo "Installing nsync into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: setup.py pyproject.toml | $(BIN)/python
	@echo "Installing nsync and what its tests need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable ".[test]"
	@touch $@

$(VENV)/.dev: setup.py pyproject.toml | $(BIN)/python
	@echo "Installing nsync and what its developers need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@ $(VENV)/.test $(VENV)/.demo
