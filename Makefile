# Every command that people and CI use. `make` lists them.

DATA ?= $(or $(AXON_DATA),data)
RUN ?= runs/cnn-seed0
# HOST, PORT, IMAGE and the like count only where they are given to make: shells export such names for reasons of their own.
given = $(if $(findstring command,$(origin $(1))),$(2)$($(1)))
ADDRESS = $(call given,HOST,AXON_HTTP__HOST=) $(call given,PORT,AXON_HTTP__PORT=)

UV_VERSION := 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
PYTHON := .venv/bin/python
# Commands for people keep what is installed already; `sync` targets add to it.
SYNC := $(UV) sync --frozen --inexact --quiet
EVERYTHING := .venv/.everything

.DEFAULT_GOAL := help
.PHONY: help serve test test-all check format train publish bench image up sbom licences audit docs clean

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

bench: $(EVERYTHING) ## Axon beside its peers, into docs/benchmarks.md; a quarter of an hour, or ARGS=--quick
	@$(PYTHON) -m benchmarks $(call given,ARGS,)

image: ## build the serving image, axon:latest, or TAG=; DEVICE=gpu adds torch
	@docker build --tag $(or $(TAG),axon:latest) $(call given,DEVICE,--build-arg=DEVICE=) .

up: ## start the service with Prometheus, Alertmanager, Grafana and demo traffic
	@docker compose --profile demo up --build --detach --wait

sbom: $(EVERYTHING) ## write the bill of materials of the serving image, dist/axon.cdx.json; EXTRA=gpu adds torch
	@$(PYTHON) -m deploy.supply_chain.sbom dist/axon.cdx.json $(call given,EXTRA,--extra=)

licences: $(EVERYTHING) ## list the licences of the serving image; fails on one that is not allowed
	@$(PYTHON) -m deploy.supply_chain.licences

audit: $(EVERYTHING) ## look the serving image up in published advisories; IMAGE= asks a built one, OSV_URL= another server
	@$(PYTHON) -m deploy.supply_chain.audit $(call given,IMAGE,--image=) $(call given,EXTRA,--extra=) \
		$(call given,OSV_URL,--osv-url=)

docs: $(EVERYTHING) ## write what is generated: tables of the pages, the runbook in Grafana, rules for Kubernetes
	@$(PYTHON) docs/generate.py

clean: ## remove what can be made again
	@rm -rf .venv .tools dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.tools/bin/uv:
	@echo "fetching uv into .tools"
	@python3 -m venv .tools 2>/dev/null && .tools/bin/python -m pip install --quiet uv==$(UV_VERSION) \
		|| { rm -rf .tools; python3 -m pip install --quiet --target .tools uv==$(UV_VERSION); }

$(EVERYTHING): $(UV) pyproject.toml client/pyproject.toml uv.lock
	@$(SYNC) --extra training
	@touch $@
