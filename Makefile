# Every command that people and CI use. `make` lists them.

DATA ?= $(or $(AXON_DATA),data)
RUN ?= runs/cnn-seed0
# HOST and PORT count only where they are given to make: shells export names like these for reasons of their own.
ADDRESS = $(if $(findstring command,$(origin HOST)),AXON_HTTP__HOST=$(HOST)) \
	$(if $(findstring command,$(origin PORT)),AXON_HTTP__PORT=$(PORT))

UV_VERSION := 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
PYTHON := .venv/bin/python
# Commands for people keep what is installed already; `sync` targets add to it.
SYNC := $(UV) sync --frozen --inexact --quiet
EVERYTHING := .venv/.everything

.DEFAULT_GOAL := help
.PHONY: help serve test test-all check format train publish bench image docs clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(UV) ## install the serving set and answer on port 3000, or PORT=, HOST=
	@$(SYNC) --no-dev
	@$(ADDRESS) exec $(PYTHON) -m service

test: $(EVERYTHING) ## unit and integration tests; what needs MNIST (AXON_DATA) or a GPU is skipped without
	@$(PYTHON) -m pytest tests/unit tests/integration

test-all: $(EVERYTHING) ## every suite; what this machine lacks is skipped, and said so
	@$(PYTHON) -m pytest tests

check: $(EVERYTHING) ## lint, format, types, spelling, import rules
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@.venv/bin/codespell
	@.venv/bin/lint-imports

format: $(EVERYTHING) ## mend what can be mended
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

train: $(EVERYTHING) ## train both digit readers (20 minutes each on one core)
	@$(PYTHON) -m training cnn --data $(DATA)
	@$(PYTHON) -m training rnn --data $(DATA)

publish: $(EVERYTHING) ## publish RUN (runs/cnn-seed0) as the next version
	@$(PYTHON) -m training publish $(RUN) --data $(DATA)

bench: $(EVERYTHING) ## what HTTP costs, beside the engine alone
	@$(PYTHON) -m benchmarks.overhead

image: ## build the serving image, axon:latest
	@docker build --tag axon:latest .

docs: $(EVERYTHING) ## write what is generated: settings table, model table, API
	@$(PYTHON) docs/generate.py

clean: ## remove what can be made again
	@rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.tools/bin/uv:
	@echo "fetching uv into .tools"
	@python3 -m venv .tools 2>/dev/null && .tools/bin/python -m pip install --quiet uv==$(UV_VERSION) \
		|| { rm -rf .tools; python3 -m pip install --quiet --target .tools uv==$(UV_VERSION); }

$(EVERYTHING): $(UV) pyproject.toml uv.lock
	@$(SYNC) --extra training
	@touch $@
