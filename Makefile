# Everything here runs from a lock in .venv. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
UV_VERSION := 0.13.9
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
OUTSIDE := cluster or services or browser

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.ready ## install everything into .venv, from the lock

.venv/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none found. Set PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

lock: ## resolve pyproject.toml again into requirements.lock (hashes, no addresses)
	$(BIN)/uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet -o requirements.lock

demo: setup ## the main job end to end on a simulated world: simulate, ingest, train, register, serve, predict
	$(BIN)/python scripts/demo.py

prod: setup ## production on this machine (PostgreSQL, S3, MLflow with users, Ray, the app); `make prod-down` stops it
	$(BIN)/oracle up --profile local-prod

prod-down: ## stop exactly what `make prod` started
	$(BIN)/oracle down

check: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One thread per library call: two test workers on two cores leave none over, and spinning threads cost more than they bring.
test quick: export OPENBLAS_NUM_THREADS = 1
test quick: export OMP_WAIT_POLICY = PASSIVE
# Ray gives its proxy five seconds to start, which a busy machine needs for the imports alone.
test: export RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S = 60

# Files whole to a worker: what a file prepares, a cluster or a server above all, is prepared once. Clusters and services
# wait more than they compute, so two of them go side by side.
test: setup ## every test this machine can run: the quick ones, then slow ones and real data, then clusters and services
	$(PYTEST) -n 2 -m "not ($(OUTSIDE) or slow or realdata)"
	$(PYTEST) -n 2 --dist loadfile -m "(slow or realdata) and not ($(OUTSIDE))"
	$(PYTEST) -n 2 --dist loadfile -m "$(OUTSIDE)"

quick: setup ## the default tests only: no cluster, under two minutes
	$(PYTEST) -n 2 -m "not ($(OUTSIDE) or slow or realdata)"

clean: ## remove .venv and caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .demo

.PHONY: help setup lock demo prod prod-down check test quick clean
