# Everything below sets itself up: it needs python3 (3.11 to 3.14), its venv module and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LOCK := requirements/locked.txt
LOWEST := requirements/lowest.txt
# What pip holds versions to; `make PIN= ...` takes the newest that pyproject.toml allows.
PIN := -c $(LOCK)
# The sources are used where they lie; `make EDITABLE= ...` packs them first, as `pip install .` does.
EDITABLE := -e
# The parts of the house that depend most on Python and on the packages, without torch: they run on every Python.
SMOKE := tests/media tests/face tests/features tests/models tests/test_config.py tests/test_doctor.py \
	tests/store/test_keys.py tests/store/test_protect.py tests/store/test_sqlite_file.py \
	tests/service/test_client.py tests/cli/test_commands.py tests/synth/test_motion.py

# Tests start hundreds of processes: where nothing may be kept, each compiles the sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-fast smoke interpreters lint check bench docs lock package clean

demo: $(VENV)/demo-ready
	$(BIN)/facemotion demo

# On two cores: of four processes one drives a browser, which waits for films most of the time. `make test COVERAGE=1`
# counts the lines too, as .ci/run does; that takes a third longer.
COVERED := $(if $(COVERAGE),--cov --cov-report=term:skip-covered --cov-fail-under=95)
test: $(VENV)/dev-ready
	$(BIN)/python -m pytest -q -n 4 $(COVERED)

# At each save: no service, browser, database, data folder, clip or long training, and no coverage; under a minute.
test-fast: $(VENV)/dev-ready
	$(BIN)/python -m pytest -q -n 2 -m "not slow and not long"

# A minute of tests, in the same environment as the demo; what every Python would say alike is left to `make test`.
smoke: $(VENV)/smoke-ready
	$(BIN)/python -m pytest -q -m "not slow and not once" $(SMOKE)

# Install, demo and smoke tests on every Python that is here, each in a throw-away environment.
interpreters:
	$(PYTHON) benchmarks/compatibility.py

lint: $(VENV)/dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@if command -v tsc >/dev/null; then tsc -p .; else echo "tsc isn't here: the types of the page's scripts weren't checked"; fi

# The slow tests too: minutes of work.
check: $(VENV)/dev-ready
	$(BIN)/python -m pytest -q -m "slow or not slow"

bench: $(VENV)/dev-ready
	$(BIN)/python benchmarks/pipeline.py

# The site, in build/docs: a link that leads nowhere, a docstring that can't be read or a page that asks another host for
# anything ends it. Nothing is fetched but the packages.
docs: $(VENV)/docs-ready
	rm -rf build/docs
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs
	$(BIN)/python -m tools.check_site build/docs
	@echo "Open build/docs/index.html"

# Users install the package and its store, 0.55 GB; development adds torch and the test tools.
$(VENV)/demo-ready: pyproject.toml $(LOCK) | $(BIN)/pip
	@echo "Installing facemotion and its packages (0.55 GB): a minute or more."
	$(BIN)/pip install --quiet $(PIN) $(EDITABLE) ".[store]"
	touch $@

$(VENV)/smoke-ready: pyproject.toml $(LOCK) | $(BIN)/pip
	@echo "Installing facemotion and what the smoke tests need: a minute or more."
	$(BIN)/pip install --quiet $(PIN) $(EDITABLE) ".[smoke]"
	touch $@ $(VENV)/demo-ready

$(VENV)/dev-ready: pyproject.toml $(LOCK) | $(BIN)/pip
	@echo "Installing facemotion, torch and the test tools: some minutes."
	$(BIN)/pip install --quiet $(PIN) $(EDITABLE) ".[dev]"
	touch $@ $(VENV)/smoke-ready $(VENV)/demo-ready

$(VENV)/docs-ready: pyproject.toml $(LOCK) | $(BIN)/pip
	@echo "Installing facemotion and Sphinx: a minute or more."
	$(BIN)/pip install --quiet $(PIN) $(EDITABLE) ".[docs]"
	touch $@ $(VENV)/demo-ready

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

# Resolve the newest versions again for every supported Python, and the lowest for the oldest; CUDA parts stay unlocked,
# since CPU builds of torch have none.
lock: $(VENV)/dev-ready
	$(BIN)/pip install --quiet uv
	echo "torch==2.13.0" > $(VENV)/pins.txt
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra docs --universal --python-version 3.11 -c $(VENV)/pins.txt --no-annotate --no-header -q \
		| grep -v -E '^(nvidia-|cuda-|triton)' > $(LOCK)
	$(BIN)/uv pip compile pyproject.toml --extra smoke --resolution lowest-direct --python-version 3.11 --no-annotate --no-header -q \
		> $(LOWEST)

# What a release holds: wheel and source archive, checked, and the wheel installed in an environment of its own, from
# which the demo runs; what all of it stands on, with licences.
package:
	rm -rf dist $(VENV)-package
	$(PYTHON) -m venv $(VENV)-package
	$(VENV)-package/bin/pip install --quiet build twine
	$(VENV)-package/bin/python -m build --outdir dist .
	$(VENV)-package/bin/twine check --strict dist/*.whl dist/*.tar.gz
	$(VENV)-package/bin/python -m tools.check_package dist
	$(VENV)-package/bin/pip install --quiet $(PIN) "$$(ls dist/*.whl)[serve,synth]"
	cd dist && ../$(VENV)-package/bin/facemotion demo
	$(VENV)-package/bin/python -m tools.bill_of_materials dist

clean:
	rm -rf $(VENV) $(VENV)-package dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
