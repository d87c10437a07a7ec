# make setup: the environment.  make app: the lab in a browser.  make test: every check.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8501
BIN := .venv/bin
PYTEST_FLAGS ?= -m "not slow"
.DEFAULT_GOAL := help
.PHONY: help setup dev app test lint format bench docs wheel clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## make .venv with what the lab needs

dev: .venv/.ready-dev ## the same, with what the tests need

app: setup ## serve the lab on PORT (8501)
	$(BIN)/streamlit run app.py --server.port=$(PORT) --server.showEmailPrompt=false

test: lint ## format, lint, types, import rules, tests but the slow ones (PYTEST_FLAGS= runs these too)
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_FLAGS)

lint: dev ## the checks that run nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: dev ## let ruff put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## how fast the lab is, beside its peers: one table, some ten minutes
	$(BIN)/python -m benchmarks.speed

docs: dev ## the documentation as a site that needs no server: site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: dev ## the whole lab as one file for pip, in dist/
	$(BIN)/pip wheel . --quiet --no-deps --no-build-isolation --wheel-dir dist

clean: ## remove what was built, the environment too
	rm -rf .venv build dist site *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: requirements.txt
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; }
	test -x $(BIN)/pip || "$(PYTHON)" -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.ready-dev: requirements-dev.txt requirements-docs.txt requirements-ray.txt .venv/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
