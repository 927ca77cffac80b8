# Everything that is done to this repository, one word each: `make help`.
# A step leaves a stamp named by the hash of what it depends on, so a second run takes no time and a changed lock is noticed.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# With this set no byte code is ever written, and every start imports for ten seconds instead of two.
unexport PYTHONDONTWRITEBYTECODE
unexport VIRTUAL_ENV
unexport PYTHONPATH
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export npm_config_update_notifier := false
export npm_config_audit := false
export npm_config_fund := false
export npm_config_loglevel := error

hash = $(shell cat $(1) 2>/dev/null | cksum | tr ' ' '-')

VENV := .venv
PY := $(VENV)/bin/python
UV := .uv/bin/uv
TOOLS := .uv/.stamp-$(call hash,requirements/tools.txt)
STAMPS := .stamps

CORE := $(VENV)/.stamps/core-$(call hash,requirements/core.txt pyproject.toml)
TEST := $(VENV)/.stamps/test-$(call hash,requirements/test.txt)
DEV := $(VENV)/.stamps/dev-$(call hash,requirements/dev.txt)
NODE := web/node_modules/.stamp-$(call hash,web/package-lock.json)
WEBUI := $(STAMPS)/webui-$(shell find web/src web/public web/index.html web/vite.config.ts web/package-lock.json -type f 2>/dev/null | LC_ALL=C sort | xargs cat 2>/dev/null | cksum | tr ' ' '-')

HAS_NODE := $(if $(wildcard web/package.json),$(shell node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null && echo yes))
ENSURE_WEB := $(if $(HAS_NODE),try-webui,no-webui)
# One more than there are cores, and four at most, for tests wait a third of their time.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); [ $$n -gt 3 ] && n=3; echo $$((n + 1)))

.PHONY: print-node-stamp help core setup demo serve test test-fast test-python test-long test-postgres16 test-server test-web test-browser crash lint types arch web webui try-webui no-webui chromium bench docs clean lock dist deploy-env deploy-lint

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Running ----------------------------------------------------------------------------------------------------------

core: $(CORE)
	@:

setup: core $(ENSURE_WEB)  ## Install what running needs and build the web UI

demo:  ## Set up, index the sample corpus, show a search, serve at http://127.0.0.1:8080
	@$(MAKE) -j2 core $(ENSURE_WEB)
	@exec $(VENV)/bin/semantik demo

serve:  ## Serve your own data (SEMANTIK_DATA_DIR, ~/.semantik by default)
	@$(MAKE) -j2 core $(ENSURE_WEB)
	@exec $(VENV)/bin/semantik serve

# Checking ---------------------------------------------------------------------------------------------------------

test:  ## Python on both databases, web units, the browser (COVER=1: with the coverage gates, a quarter slower)
	@$(MAKE) $(TEST) $(if $(HAS_NODE),$(NODE) webui chromium,no-webui)
	@failed=; \
	$(MAKE) test-python || failed="$$failed python"; \
	$(if $(HAS_NODE),$(MAKE) test-web || failed="$$failed web"; $(MAKE) test-browser || failed="$$failed browser";) \
	if [ -n "$$failed" ]; then echo "make test: FAILED:$$failed"; exit 1; fi; echo "make test: all passed"

test-fast: $(TEST)  ## The Python tests without the slow, long, crash and browser ones
	$(PY) -m pytest -q -m "not slow and not long and not crash and not browser" $(ARGS)

test-python: $(TEST)
	@rm -f .coverage .coverage.*
	$(PY) -m pytest -q -n $(WORKERS) --dist worksteal -m "not long" $(if $(COVER),--cov --cov-report=) $(ARGS)
	@$(if $(COVER),said=$$($(PY) -m coverage report --fail-under=85); code=$$?; echo "$$said" | tail -n 3; exit $$code)

test-long: $(TEST)  ## Outages of real servers, kills of real workers, whole moves: minutes more
	$(PY) -m pytest -q -n $(WORKERS) --dist worksteal -m long $(ARGS)

test-postgres16: $(TEST)  ## What needs PostgreSQL, on version 16 instead of 18
	SEMANTIK_TEST_POSTGRES=16 $(PY) -m pytest -q -n $(WORKERS) --dist worksteal -m "postgres and not crash" $(ARGS)

SERVER_TESTS := tests/flows $(addprefix tests/features/,collections documents ingestion search sources)

test-server: $(TEST)  ## The flows once more as a server: PostgreSQL, Redis, a vector server, a real worker
	SEMANTIK_TEST_STACK=server $(PY) -m pytest -q -n $(WORKERS) --dist worksteal -m "postgres and not crash and not long" $(SERVER_TESTS) $(ARGS)

test-web: $(NODE)
	cd web && npm run --silent $(if $(COVER),test:coverage,test)

test-browser: $(TEST) $(NODE) webui
	@if found=$$(sh .ci/chromium); then $(PY) -m tests.browser "$$found" $(ARGS); \
	elif [ -n "$$CI" ]; then echo "browser tests: no Chromium, and CI may not skip them"; exit 1; \
	else echo "SKIPPED browser tests: Chromium is not installed"; fi

chromium:
	@sh .ci/chromium --install || true

crash: $(TEST)  ## The whole fault campaign: a thousand kills, an hour (ARGS="--at-once 13": minutes); writes docs/fault-report.md
	SEMANTIK_TEST_DOCUMENTS=1200 $(PY) -m pytest -q -n 0 tests/flows/test_load.py
	$(PY) -m tests.crash $(ARGS)

lint: $(DEV) $(if $(HAS_NODE),$(NODE))  ## Lint Python and the web app
	$(VENV)/bin/ruff check .
	$(if $(HAS_NODE),cd web && npm run --silent lint,@echo "web lint left out: Node.js is not installed")

types: $(DEV) $(if $(HAS_NODE),$(NODE))  ## Type-check Python (mypy strict) and the web app
	$(PY) -m mypy
	$(if $(HAS_NODE),cd web && npm run --silent types,@echo "web types left out: Node.js is not installed")

arch: $(DEV)  ## Check who may import whom, and the other rules of the house
	$(VENV)/bin/lint-imports --no-logo
	$(PY) -m pytest -q tests/house

print-node-stamp:
	@echo $(NODE)

# Web --------------------------------------------------------------------------------------------------------------

web: $(CORE) $(NODE)  ## Develop the web app: dev server that talks to `make serve`
	cd web && npm run dev

webui: $(WEBUI)
	@:

try-webui:
	@$(MAKE) webui || echo "The web UI could not be built (see above) and is left out; the API and the command line work."

no-webui:
	@[ -f semantik/webui/index.html ] || echo "Node.js 20.19 or later is not installed: the web UI is left out, the API and the command line work."

$(NODE):
	@echo "Installing the packages of the web UI ..."
	@cd web && npm ci --silent
	@rm -f web/node_modules/.stamp-*; touch $@

$(WEBUI): $(NODE)
	@echo "Building the web UI ..."
	@cd web && npm run --silent build -- --logLevel warn
	@test -f semantik/webui/index.html
	@mkdir -p $(STAMPS); rm -f $(STAMPS)/webui-*; touch $@

# Measuring and writing --------------------------------------------------------------------------------------------

bench: $(TEST)  ## Run every benchmark (long); one of them: make bench-latency, ARGS="..." is passed on
	@for name in start retrieval ingest latency memory jobs server capacity; do $(MAKE) bench-$$name || exit 1; done

bench-%: $(TEST)
	$(PY) -m bench.$* $(ARGS)

docs: $(DEV)  ## Write docs/reference and the OpenAPI snapshot anew
	$(PY) docs/develop/licences.py
	$(PY) docs/develop/reference.py
	$(PY) docs/develop/openapi.py

lock: $(TOOLS)  ## Resolve the dependencies anew into requirements/*.txt
	$(LOCK) requirements/core.txt
	$(LOCK) requirements/test.txt -c requirements/core.txt --all-extras --group test
	$(LOCK) requirements/dev.txt -c requirements/test.txt --all-extras --group test --group dev
	$(LOCK) requirements/server.txt -c requirements/test.txt --all-extras
	$(LOCK_FROM) --group pyproject.toml:deploy-lint -c requirements/dev.txt -o requirements/deploy-lint.txt
	printf 'uv\nhatchling>=1.27\neditables\n' | $(LOCK_FROM) - -o requirements/tools.txt

LOCK_FROM = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command 'make lock'
LOCK = $(LOCK_FROM) pyproject.toml -o

dist: $(CORE) webui  ## Build the wheel, with the web UI in it
	.uv/bin/python -m hatchling build -t wheel

deploy-env:  ## Write deploy/.env with random secrets, for deploy/compose.yaml
	@deploy/make-env

deploy-lint: $(TEST)  ## Check deploy/ with the linters of its formats (430 MB of them)
	$(call install,--require-hashes -r requirements/deploy-lint.txt)
	$(PY) -m pytest -q tests/deploy $(ARGS)

clean:  ## Remove what these targets made; your data stays
	rm -rf $(VENV) .uv $(STAMPS) web/node_modules web/dist web/test-results web/playwright-report semantik/webui dist build \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov .demo-data
	find semantik tests bench docs -name __pycache__ -type d -prune -exec rm -rf {} +

# Environments -----------------------------------------------------------------------------------------------------

# Any Python from 3.11 on; the newest one that is found.
FIND_PYTHON = for p in python3.13 python3.12 python3.11 python3 python; do \
	    "$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { found=$$p; break; }; done; \
	  [ -n "$$found" ] || { echo "Semantik needs Python 3.11 or later with its venv module (Debian: apt-get install python3-venv)."; exit 1; }

# .uv is a small environment of its own for the installer and the build backend: neither belongs to the running program.
$(TOOLS):
	@$(FIND_PYTHON); "$$found" -m venv .uv
	@.uv/bin/python -m pip install -qq --require-hashes -r requirements/tools.txt || \
	  { echo "uv cannot be installed on this machine: plain pip does its work, in four times the time."; \
	    .uv/bin/python -m pip install -qq 'hatchling>=1.27' editables; }
	@touch $@

$(PY): | $(TOOLS)
	@$(FIND_PYTHON); "$$found" -m venv --without-pip $(VENV)

install = if [ -x $(UV) ]; then $(UV) pip install --quiet --python $(PY) --compile-bytecode $(1); \
	  else .uv/bin/python -m pip --python $(PY) install --quiet $(1); fi

# The project itself cannot be hashed. Its editable wheel is built by the locked hatchling, so this step needs no network.
$(CORE): | $(PY)
	@echo "Installing the Python packages ..."
	@$(call install,--require-hashes -r requirements/core.txt)
	@rm -rf build/editable && mkdir -p build/editable $(VENV)/.stamps
	@.uv/bin/python -c "from hatchling.build import build_editable; build_editable('build/editable')"
	@$(call install,--no-deps --no-index --force-reinstall build/editable/*.whl)
	@rm -f $(VENV)/.stamps/core-*; touch $@

$(TEST): | $(CORE)
	@echo "Installing the packages that the tests need ..."
	@$(call install,--require-hashes -r requirements/test.txt)
	@rm -f $(VENV)/.stamps/test-*; touch $@

$(DEV): | $(TEST)
	@echo "Installing the packages that lint and types need ..."
	@$(call install,--require-hashes -r requirements/dev.txt)
	@rm -f $(VENV)/.stamps/dev-*; touch $@
