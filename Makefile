# Two commands: `make run` shows the main job, `make test` sets up and runs everything.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
DEV    := $(VENV)/.ready-dev

# The compiled scanner: built when there is a Rust toolchain that can, never needed.
NATIVE := $(VENV)/.ready-native
RUST_FROM := 1.89
RUST   := $(shell found=$$(cargo --version 2>/dev/null | cut -d' ' -f2); test -n "$$found" && \
            test "$$(printf '%s\n' $(RUST_FROM) "$$found" | sort -V | head -n 1)" = $(RUST_FROM) && echo $$found)
CLIPPY := $(if $(RUST),$(shell cargo clippy --version 2>/dev/null))
CARGO  := CARGO_TARGET_DIR=$(CURDIR)/native/target cargo
CRATE  := $(wildcard native/Cargo.toml native/pyproject.toml native/src/*.rs native/frames/Cargo.toml \
            native/frames/src/*.rs native/frames/src/*/*.rs native/counting/Cargo.toml native/counting/src/*.rs native/records/Cargo.toml native/records/src/*.rs native/python/millstream_native/*.py*)

.PHONY: run test test-fast soak check format coverage bench docs native clean

run: $(STAMP)
	$(BIN)/millstream demo

test: $(DEV) $(if $(RUST),$(NATIVE))
	$(if $(RUST),cd native && $(CARGO) test --quiet --workspace)
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
	$(if $(CLIPPY),cd native && $(CARGO) clippy --quiet --workspace --all-targets -- --deny warnings)

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

coverage: $(DEV)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not soak"
	$(BIN)/coverage combine
	$(BIN)/coverage report

bench: $(DEV) $(if $(RUST),$(NATIVE))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/bench.txt
	$(BIN)/python bench

docs: $(DEV)
	$(BIN)/python -m docs.generate

native:
	@test -n "$(RUST)" || { echo "make native needs cargo $(RUST_FROM) or newer, which https://rustup.rs installs; found" \
	  "$$(cargo --version 2>/dev/null || echo none). Without it the scanner in Python counts."; exit 1; }
	@$(MAKE) --no-print-directory $(NATIVE)
	@$(BIN)/python -m millstream --version

clean:
	rm -rf $(VENV) native/target millstream-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov .coverage*

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "millstream needs Python 3.11 or newer; found $$($(PYTHON) --version). Try: make run PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(VENV)/bin/python pyproject.toml requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.txt -e '.[count]'
	@touch $@

$(DEV): $(STAMP) requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt -e '.[count,kafka,objects,plot,postgres,rabbitmq,serve,temporal]'
	@touch $@

$(NATIVE): $(STAMP) $(CRATE)
	CARGO_TARGET_DIR=$(CURDIR)/native/target \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall ./native
	@touch $@
