# Everything is made from here; `make help` lists the targets. A machine needs Python 3.11 or newer and make.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BUF_PATHS := --config buf.yaml --exclude-path google --exclude-path buf

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  %-14s %s\n", $$1, $$2}'

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	@echo "==> virtual environment in .venv, from the lock file (a minute or two the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --no-input --require-hashes -r requirements/dev.txt \
		| awk '/^Collecting|^Installing/ {n++; printf "\r    %d packages", n; fflush()} END {print ""}'
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps -e .
	@touch $(READY)

.PHONY: setup
setup: $(READY)  ## make the virtual environment

.PHONY: run
run: $(READY)  ## run everything with the sample until Ctrl-C; data stay in .rapport/
	@exec $(BIN)/python -m services.stack run

.PHONY: demo
demo: $(READY)  ## do the main job once on a throw-away database and check every answer
	@exec $(BIN)/python -m services.stack demo

.PHONY: verify
verify: $(READY)  ## recompute every rollup of RAPPORT_DATABASE_URL (default: that of make run) and compare
	@url=$$($(BIN)/python -m services.stack url); RAPPORT_DATABASE_URL=$$url exec $(BIN)/python -m services.storage.verify

.PHONY: test
test: $(READY)  ## run every test
	@echo "==> tests"
	@$(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: bench-ingest
bench-ingest: $(READY)  ## how fast facts come in, beside bare COPY and an empty servicer
	@$(BIN)/python -m tests.benchmarks.ingest

BENCH_READY := .venv-bench/.ready

$(BENCH_READY): requirements/bench.txt
	@echo "==> virtual environment of bench-models in .venv-bench, from the lock file (a minute the first time)"
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --disable-pip-version-check --progress-bar on --no-input --require-hashes -r $< \
		| awk '/^Collecting|^Installing/ {n++; printf "\r    %d packages", n; fflush()} END {print ""}'
	@touch $@

.PHONY: bench-models
bench-models: $(BENCH_READY)  ## how good the customer models are beside gradient boosting, and how fast
	@.venv-bench/bin/python -m tests.benchmarks.models

.PHONY: bench-scoring
bench-scoring: $(READY)  ## how fast facts become numbers, beside how fast they come in, and how fresh numbers are
	@$(BIN)/python -m tests.benchmarks.scoring

.PHONY: bench-query
bench-query: $(READY)  ## how fast questions are answered, beside SQL of the raw table and DuckDB of the exported Parquet
	@$(BIN)/python -m tests.benchmarks.query

.PHONY: bench-alerting
bench-alerting: $(READY)  ## how fast alerts reach 1, 100 and 1,000 subscribers, beside a bare fan-out, and how fast rules are evaluated
	@$(BIN)/python -m tests.benchmarks.alerting

.PHONY: backtests
backtests: $(READY)  ## draw docs/backtest-*.svg from real files: make backtests DATA=folder
	@$(BIN)/python -m tools.backtests $(DATA)

.PHONY: chaos-ingest
chaos-ingest: $(READY)  ## kill ingest and PostgreSQL under load, ROUNDS (20) times; compare what was acknowledged
	@$(BIN)/python -m tests.chaos.ingest

.PHONY: chaos-scoring
chaos-scoring: $(READY)  ## kill scoring and PostgreSQL under changes, ROUNDS (20) times; recompute every number
	@$(BIN)/python -m tests.chaos.scoring

.PHONY: chaos-alerting
chaos-alerting: $(READY)  ## kill alerting, PostgreSQL and Envoy under 20 readers, ROUNDS (20) times; compare what each was told with the log
	@$(BIN)/python -m tests.chaos.alerting

.PHONY: check
check: $(READY) lint types contracts gen-check test  ## all that CI checks

.PHONY: lint
lint: $(READY)  ## style, formatting and who may import whom
	@echo "==> lint"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

.PHONY: types
types: $(READY)  ## static types
	@echo "==> types"
	@$(BIN)/mypy

.PHONY: contracts
contracts: $(READY)  ## lint the contracts and compare them with the baseline
	@echo "==> contracts"
	@$(BIN)/python tools/contracts.py image
	@$(BIN)/buf lint build/rapport.binpb $(BUF_PATHS)
	@$(BIN)/buf breaking build/rapport.binpb $(BUF_PATHS) --against protos/baseline.binpb

.PHONY: gen
gen: $(READY)  ## write the stubs, the gateway's descriptors and the page of measures
	@$(BIN)/python tools/contracts.py gen
	@$(BIN)/python tools/measures.py write

.PHONY: gen-check
gen-check: $(READY)  ## fail when generated code is not what the contracts give
	@echo "==> generated code"
	@$(BIN)/python tools/contracts.py check
	@$(BIN)/python tools/measures.py check

.PHONY: wheel
wheel: $(READY)  ## build the wheels rapport-stubs and rapport-client in dist/
	@$(BIN)/python -m pip wheel --disable-pip-version-check --quiet --no-build-isolation --no-deps --wheel-dir dist ./gen ./client
	@ls dist/rapport_stubs-*.whl dist/rapport_client-*.whl

.PHONY: format
format: $(READY)  ## format the code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

.PHONY: lock
lock: $(READY)  ## compile the lock files anew
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --prerelease if-necessary-or-explicit --generate-hashes \
		--no-emit-index-url --no-header --extra stack --group dev pyproject.toml -o requirements/dev.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --prerelease if-necessary-or-explicit --generate-hashes \
		--no-emit-index-url --no-header -c requirements/dev.txt pyproject.toml -o requirements/services.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --prerelease if-necessary-or-explicit --generate-hashes \
		--no-emit-index-url --no-header -c requirements/dev.txt --group bench -o requirements/bench.txt

.PHONY: clean
clean:  ## delete what was built; data and the virtual environment stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
