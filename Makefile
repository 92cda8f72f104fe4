# afflux: what a developer types. `make` alone lists it.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# How many tests run side by side, each with a stack of its own: much of a test is waiting.
WORKERS ?= 3
# How often a failed test is tried again; what its first try said is printed at the end.
AGAIN ?= 0

.DEFAULT_GOAL := help
.PHONY: help setup demo test chart chart-files bare-metal browser stores mariadb readers bench bench-delta chaos repair heal secure check fuzz sbom licences audit lint format lock images containers clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv with the locked Python packages
	@$(BIN)/afflux stack fetch

$(STAMP): requirements.lock pyproject.toml
	@echo "==> setup: virtual environment in $(VENV) (Python packages from requirements.lock, by hash)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "afflux needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=python3.12 or such."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

demo: setup ## three shards, live load, a fourth shard, a killed sink, and proof that all is equal
	@$(BIN)/afflux demo

lint: $(STAMP) ## ruff and mypy --strict
	@echo "==> lint"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

check: lint ## lint, types, unit and contract tests (in memory and on PostgreSQL): about a minute
	@echo "==> unit and contract tests"
	@$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not stack and not further" tests/unit tests/contract

test: setup lint ## everything, on the real stack
	@echo "==> promtool, for the tests of alert rules"
	@$(BIN)/python tests/promtool.py
	@echo "==> all tests"
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder --reruns $(AGAIN)
	@if $(BIN)/python tests/chart/tools.py; then $(MAKE) --no-print-directory chart; elif test -n "$$CI"; then exit 1; \
	  else echo "==> the chart's own checks were not run, for they need helm: see above"; fi
	@if PYTHONPATH=tests $(BIN)/python -m mariadb.server; then $(MAKE) --no-print-directory mariadb ONLY="exactly or refused_aloud or moved"; \
	  else echo "==> the sink for MariaDB was not tried: see above"; fi

chart: $(STAMP) ## the Helm chart: lint, every scenario against Kubernetes' and the operators' schemas, golden files
	@echo "==> chart"
	@$(BIN)/pytest -q -o python_files='check_*.py' tests/chart

chart-files: $(STAMP) ## renew what the chart has from elsewhere, and the golden files
	@$(BIN)/python helm/generate.py
	@$(BIN)/python tests/chart/keep.py

bare-metal: $(STAMP) ## systemd's and Ansible's own judgement of deploy/ (needs systemd-analyze)
	@echo "==> bare metal"
	@$(BIN)/pytest -q -o python_files='check_*.py' tests/bare_metal

browser: $(STAMP) ## the page of afflux supervise in a real Chromium (needs one: it says so); PICTURES=dir keeps what it looks like
	@$(BIN)/python tests/browser/chromium.py
	@echo "==> page"
	@$(BIN)/pytest -q -o python_files='check_*.py' tests/browser

stores: $(STAMP) ## a lake in object stores: the promises of sinks and lakes, and faults, on S3 and Azure servers (needs Go and npm)
	@PYTHONPATH=tests $(BIN)/python -m stores.s3
	@PYTHONPATH=tests $(BIN)/python -m stores.azure
	@echo "==> lakes in object stores"
	@$(BIN)/pytest -q -o python_files='check_*.py' tests/stores $(if $(ONLY),-k "$(ONLY)")

readers: $(STAMP) ## Spark and DuckDB read a lake's tables, and Spark writes beside the sink (needs Java 17 or 21; fetches 550 MB once)
	@echo "==> readers of lakes"
	@$(BIN)/pytest -q -o python_files='check_*.py' tests/readers

bench: setup ## events a second into PostgreSQL, beside Debezium's JDBC sink on the same topic (a quarter of an hour)
	@$(BIN)/afflux stack up --shards 1 --jdbc-sink --state .afflux/bench
	@trap '$(BIN)/afflux stack down --purge --state .afflux/bench' EXIT; $(BIN)/python bench/jdbc.py --state .afflux/bench

bench-delta: setup ## events a second into a lake, beside Spark's streaming MERGE (needs Java 17 or 21; half an hour)
	@$(BIN)/afflux stack up --shards 1 --state .afflux/bench
	@trap '$(BIN)/afflux stack down --purge --state .afflux/bench' EXIT; $(BIN)/python bench/delta.py --state .afflux/bench

mariadb: $(STAMP) ## the promises of every sink, and exact values, on a real MariaDB server (needs its programs: it says so)
	@PYTHONPATH=tests $(BIN)/python -m mariadb.server
	@echo "==> MariaDB"
	@$(BIN)/pytest -q -o python_files='check_*.py' tests/mariadb $(if $(ONLY),-k "$(ONLY)")

fuzz: $(STAMP) ## property tests with new examples, and many of them
	@HYPOTHESIS_PROFILE=fuzz $(BIN)/pytest -q --timeout 3600 tests/unit tests/contract

chaos: setup ## scripted faults and watermarks, on the real stack under load (about an hour); SEED=n plays the same again
	@echo "==> faults"
	@SEED="$(SEED)" $(BIN)/pytest tests/chaos/suite.py tests/chaos/lakes.py tests/chaos/freshness.py tests/chaos/workers.py $(if $(ONLY),-k "$(ONLY)")

heal: setup ## every failure in the real parts, under a supervisor: named, and healed or explained (about 40 minutes)
	@echo "==> failures"
	@$(BIN)/pytest tests/heal/suite.py $(if $(ONLY),-k "$(ONLY)")

repair: setup ## tables read anew, shards that come and go, events that Kafka has deleted, in longer (about 3 minutes)
	@$(BIN)/pytest -q tests/repair/reading.py tests/repair/shards.py tests/repair/heads.py

secure: setup ## the secured stack: wrong CAs and passwords, an expired certificate, missing rights, rotation under load
	@$(BIN)/pytest -q tests/secure/suite.py

sbom: $(STAMP) ## write dist/afflux.cdx.json, the bill of materials (CycloneDX)
	@$(BIN)/python supply/sbom.py dist/afflux.cdx.json

licences: setup ## renew supply/LICENCES.csv after a change of the locks
	@$(BIN)/python supply/licences.py

audit: $(STAMP) ## ask OSV for known vulnerabilities of all that is locked (needs the internet)
	@$(BIN)/python supply/audit.py

format: $(STAMP) ## format and mend what ruff can mend
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format .

lock: $(STAMP) ## renew requirements.lock, and connectors/jvm.lock (the JVM parts)
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --all-extras --group dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra delta --extra duckdb --extra mysql pyproject.toml -o images/afflux/requirements.lock
	@$(BIN)/python -m afflux.stack.lock

images: setup ## build the container images; LOCAL=1 pulls nothing and makes their bases from packages
	@$(BIN)/python images/build.py $(if $(LOCAL),--local)

containers: images ## images and compose.yaml tried end to end, and the integration tests on containers (needs Docker)
	@$(BIN)/pytest tests/compose/suite.py
	@$(BIN)/pytest --stack=containers $(or $(ONLY),tests/integration)

clean: ## stop the stack and remove what was made here
	@test ! -x $(BIN)/afflux || { $(BIN)/afflux demo --down; $(BIN)/afflux stack down --purge; } || true
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
