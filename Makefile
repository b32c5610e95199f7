# Everything below sets itself up: it needs python3 (3.11 to 3.14), its venv module and make.

PYTHON ?= python3
BIN := .venv/bin
LOCK := requirements/locked.txt

.PHONY: demo test lint check bench lock clean

demo: .venv/demo-ready
	$(BIN)/facemotion demo

test: .venv/dev-ready
	$(BIN)/python -m pytest -q -n 2 --cov --cov-report=term:skip-covered

lint: .venv/dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@if command -v tsc >/dev/null; then tsc -p .; else echo "tsc isn't here: the types of the page's scripts weren't checked"; fi

# The slow tests too: minutes of work.
check: .venv/dev-ready
	$(BIN)/python -m pytest -q -m "slow or not slow"

bench: .venv/dev-ready
	$(BIN)/python benchmarks/pipeline.py

# Users install the package alone, 0.4 GB; development adds torch and the test tools.
.venv/demo-ready: pyproject.toml $(LOCK) | .venv/bin/pip
	@echo "Installing facemotion and its packages (0.4 GB): a minute or more."
	$(BIN)/pip install --quiet -c $(LOCK) -e .
	touch $@

.venv/dev-ready: pyproject.toml $(LOCK) | .venv/bin/pip
	@echo "Installing facemotion, torch and the test tools: some minutes."
	$(BIN)/pip install --quiet -c $(LOCK) -e ".[dev]"
	touch $@ .venv/demo-ready

.venv/bin/pip:
	$(PYTHON) -m venv .venv

# Resolve the newest versions again for every supported Python; CUDA parts stay unlocked, since CPU builds of torch have none.
lock: .venv/dev-ready
	$(BIN)/pip install --quiet uv
	echo "torch==2.13.0" > .venv/pins.txt
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 -c .venv/pins.txt --no-annotate --no-header -q \
		| grep -v -E '^(nvidia-|cuda-|triton)' > $(LOCK)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
