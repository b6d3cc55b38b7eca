# Everything runs in .venv, made from requirements.lock: with uv where it is installed, else with venv and pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint lock bench clean

demo: $(READY)
	$(BIN)/newsletter demo

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	@for file in bench/*.py; do $(BIN)/python $$file || exit 1; done

# Write requirements.lock anew from pyproject.toml (needs uv).
lock:
	uv pip compile -q pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header -o requirements.lock

$(READY): requirements.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  set -e; uv venv -q --allow-existing --python ">=3.11" $(VENV); \
	  uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock; \
	  uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  set -e; $(PYTHON) -m venv $(VENV); \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock; \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $(READY)

clean:
	rm -rf $(VENV) newsletter-demo
