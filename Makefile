# Two commands: `make run` shows the main job, `make test` sets up and runs everything.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
DEV    := $(VENV)/.ready-dev

.PHONY: run test test-fast soak check format coverage bench docs clean

run: $(STAMP)
	$(BIN)/millstream demo

test: $(DEV)
	$(BIN)/python -m pytest -n 2 -m "not soak"

test-fast: $(DEV)
	$(BIN)/python -m pytest -n 2 -m "not slow and not soak"

soak: $(DEV)
	$(BIN)/python -m pytest -m soak --timeout 7200

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.generate --check

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

coverage: $(DEV)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not soak"
	$(BIN)/coverage combine
	$(BIN)/coverage report

bench: $(DEV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/bench.txt
	$(BIN)/python bench

docs: $(DEV)
	$(BIN)/python -m docs.generate

clean:
	rm -rf $(VENV) millstream-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov .coverage*

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "millstream needs Python 3.11 or newer; found $$($(PYTHON) --version). Try: make run PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(VENV)/bin/python pyproject.toml requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.txt -e '.[count]'
	@touch $@

$(DEV): $(STAMP) requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt -e '.[count,kafka,plot,postgres]'
	@touch $@
