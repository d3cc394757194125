# make demo | test | check | fuzz | bench — each makes its own environment first
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo test test-all check fuzz coverage mutants bench lock clean

demo: $(STAMP)
	$(BIN)/southgate demo

# CI runs all of it; elsewhere what takes minutes or builds images is left out (make test-all has it)
QUICK := $(if $(filter true,$(CI)),,-m "not slow and not container")

test: $(STAMP)
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(QUICK)

test-all: $(STAMP)
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# coverage-guided, MINUTES for each target; atheris is not made for every Python, so nothing else needs it
MINUTES ?= 5
fuzz: $(STAMP)
	$(BIN)/pip install -q atheris
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(TARGETS)

# every branch of the decoder and of the checks of commands, or it fails; what is watched stands in pyproject.toml
WATCHED := tests/unit/mappers/modbus tests/unit/runtime/test_commands.py tests/unit/runtime/test_tolerance.py
coverage: $(STAMP)
	$(BIN)/pip install -q coverage
	$(BIN)/python -m coverage run -m pytest $(WATCHED)
	$(BIN)/python -m coverage report

# the same modules with small mistakes put in, one at a time: which of them does no test notice? (ten minutes)
mutants: $(STAMP)
	$(BIN)/pip install -q mutmut
	$(BIN)/mutmut run
	$(BIN)/mutmut results

bench: $(STAMP)
	$(BIN)/python -m tests.bench

# the versions everybody gets: requirements.lock (with hashes), constraints.txt (the same for plain pip) and
# requirements-runtime.lock, requirements-full.lock (what the container image installs, and its full variant)
lock: $(STAMP)
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --all-extras --no-emit-index-url --no-annotate --no-header --generate-hashes pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --all-extras --no-emit-index-url --no-annotate --no-header pyproject.toml -c requirements.lock -o constraints.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --extra image --no-emit-index-url --no-annotate --no-header --generate-hashes pyproject.toml -c requirements.lock -o requirements-runtime.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --extra all --no-emit-index-url --no-annotate --no-header --generate-hashes pyproject.toml -c requirements.lock -o requirements-full.lock

clean:
	rm -rf $(VENV) build dist southgate-demo mutants .coverage

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[all,demo,dev]'
	touch $(STAMP)
