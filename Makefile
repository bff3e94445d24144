# One command an intention. Each makes the virtual environment first, if need be.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
BIN := .venv/bin
# Most tests wait for processes and sockets; a file's tests stay together, for what they share.
PARALLEL := --numprocesses=auto --maxprocesses=4 --dist=loadfile --quiet
# The figures, tables and pictures of the bench that are committed.
REPORT := bench/results
SOURCES := gpool tests bench docs examples hatch_build.py

.PHONY: help serve test test-parts test-compiled restarts check format bench bench-quick bench-report profile fuzz coverage mutation faults soak attacks adapting capacity imbalance cluster matrix lock docs clean
.DEFAULT_GOAL := help

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

serve: .venv/.examples ## serve the example application on HOST:PORT (127.0.0.1:8000)
	@$(BIN)/gpool flask_app:app --chdir examples --bind $(HOST):$(PORT)

test: .venv/.dev ## run the tests
	@$(BIN)/pytest $(PARALLEL) -m "not parts"

test-parts: .venv/.dev ## run those with nginx, HAProxy, PostgreSQL, gunicorn, a browser, ...
	@bash .ci/parts
	@$(BIN)/pytest $(PARALLEL) -m parts

test-compiled: .venv/.dev ## run the tests on the package as a wheel has it, compiled
	@bash .ci/compile
	@TESTED_PACKAGE=compiled PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/build/compiled:$(CURDIR) \
		$(BIN)/pytest --import-mode=append $(PARALLEL) -m "not parts"

restarts: .venv/.dev ## replace processes under load, ten times each: no request may fail
	@bash bench/install wrk
	@RESTARTS=10 $(BIN)/pytest -s tests/gunicorn/test_under_load.py

check: .venv/.dev ## format, lint and types, nothing is changed
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	@bash .ci/audit

format: .venv/.dev ## bring the sources into shape
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

bench: .venv/.dev ## measure gpool beside others in twenty minutes, into bench/out (ARGS=--help)
	@bash bench/install
	@$(BIN)/python -m bench $(ARGS)

bench-quick: .venv/.dev ## the same in two minutes, compared with the committed figures
	@bash bench/install
	@$(BIN)/python -m bench --quick $(addprefix --against ,$(wildcard $(REPORT)/report.json)) $(ARGS)

bench-report: .venv/.dev ## as make bench, into bench/results, which is committed
	@bash bench/install
	@$(BIN)/python -m bench --to $(REPORT) $(ARGS)

profile: .venv/.dev ## where the time of a request goes, into bench/out (ARGS=--write: into docs)
	@$(BIN)/python -m bench.profile $(ARGS)

fuzz: .venv/.dev ## look for inputs that break it, for SECONDS (300), guided by coverage (ARGS=--help)
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),300) $(ARGS)

coverage: .venv/.dev ## which branches of gpool the tests run (ARGS are pytest's)
	@bash .ci/coverage $(ARGS)

mutation: .venv/.dev ## make lines of it wrong, and see that tests fail; an hour (ARGS=limits body)
	@bash .ci/mutation $(ARGS)

faults: .venv/.dev ## let every system call of the serving path fail, at each place
	@bash .ci/parts
	@$(BIN)/python -m tests.faults $(ARGS)

soak: .venv/.dev ## load it with all kinds of clients, check every byte and every id (MINUTES=1, ARGS=--help)
	@$(BIN)/python -m bench.soak $(addprefix --minutes ,$(MINUTES)) $(ARGS)

attacks: .venv/.dev ## measure slow attacks, into bench/results (ARGS=--help)
	@bash .ci/parts
	@$(BIN)/python -m bench.attacks $(ARGS)

adapting: .venv/.dev ## simulate overload control, into bench/results
	@$(BIN)/python -m bench.adapting $(REPORT)

capacity: .venv/.dev ## measure gpool beside a queueing model, into bench/results and docs
	@$(BIN)/python -m bench.capacity.measuring --to $(REPORT)
	@$(BIN)/python -m bench.capacity.idle --to $(REPORT)
	@$(BIN)/python -m bench.capacity.report --to $(REPORT)

imbalance: .venv/.dev ## measure how processes share an address, into bench/results and docs
	@$(BIN)/python -m bench.imbalance --to $(REPORT) --repeat 8 --seconds 1.5 kept kept-wait
	@$(BIN)/python -m bench.imbalance --to $(REPORT) short-low short-high blocked

cluster: .venv/.dev ## eight processes behind HAProxy, killed, drained, slow, cut off, full (ARGS=--help)
	@bash .ci/parts
	@$(BIN)/python -m bench.cluster $(ARGS)

matrix: .venv/.dev ## run the tests on each Python, gevent and loop that can be had
	@bash .ci/matrix

lock: .venv/.dev ## renew the versions in .ci/dev.lock
	@bash .ci/lock

docs: .venv/.dev ## build the documentation into build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean: ## remove the virtual environment and all that was made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build bench/out

.venv/.dev: .ci/dev.lock
.venv/.examples .venv/.dev: pyproject.toml .ci/venv
	@PYTHON=$(PYTHON) bash .ci/venv $(@:.venv/.%=%)
