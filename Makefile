# Sets itself up: every target installs first what it lacks, and only then (see scripts/setup).

VENV := $(or $(TARE_VENV),.venv)
BIN := $(VENV)/bin
SHELL := /bin/bash
# Set, as in many container images, it has every Python that is started compile all it imports.
unexport PYTHONDONTWRITEBYTECODE
# Of tests, also where there are more CPUs: the tests look at the whole host. 0: only pytest itself.
PROCESSES := 2
.DEFAULT_GOAL := help
.PHONY: help demo test lint unit integration hosts hosts-all setup setup-peers setup-test clean
# Whether `make test` boots an ordinary host as well: HOSTS=0 leaves that out.
HOSTS := 1
# Which of its tests: all of them, or some files.
HOSTS_TESTS := tests/hosts

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: setup ## weigh native, container and VM on this host, and write the report
	@$(BIN)/tare run quick --allow-missing

test: setup-test lint unit integration $(if $(filter-out 0,$(HOSTS)),hosts) ## every check; HOSTS=0 boots no host
	@echo 'test: every check passed'

lint: setup-test ## ruff, mypy, import-linter, ansible-lint
	@PATH="$(abspath $(BIN)):$$PATH" scripts/lint

unit: setup-test ## tests without root, in seconds
	@$(BIN)/pytest tests/unit -q -n $(PROCESSES)

integration: setup-test ## tests with a real kernel and a real QEMU; needs root
	@$(BIN)/pytest tests/integration -q -n $(PROCESSES) --dist loadscope --no-loadscope-reorder

hosts: setup-test ## tests on an ordinary Debian 13, booted as a virtual machine; needs root
	@$(BIN)/pytest $(HOSTS_TESTS) -q

hosts-all: setup-test ## the same on every host that can be booted, one after another: hours
	@failed=; for host in $$($(BIN)/python -m tests.hosts.boot --list); do \
	    echo "hosts-all: $$host"; $(BIN)/pytest tests/hosts -q --host "$$host" || failed="$$failed $$host"; \
	done; [ -z "$$failed" ] || { echo "hosts-all: failed on:$$failed" >&2; exit 1; }

setup: ## what a run needs: system packages and .venv
	@scripts/setup run

setup-peers: ## the same, and the runtimes that `tare run peers` compares with
	@scripts/setup peers

setup-test: ## what the checks need
	@scripts/setup test

clean: ## delete what make and the tests made here, and what a crashed run left behind
	@if [ -x $(BIN)/tare ]; then $(BIN)/tare clean || echo 'clean: tare clean failed; going on'; fi
	@rm -rf --one-file-system build dist .venv .mypy_cache .ruff_cache .pytest_cache \
	    .import_linter_cache .hypothesis .benchmarks .ansible *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf --one-file-system {} +
