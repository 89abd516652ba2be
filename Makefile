# The two commands a newcomer needs are `make demo` and `make test`; everything else is for maintainers.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint types layers check coverage truth accuracy soak bench torture screenshots image fmt made lock \
  clean

# Each test that starts chaosd would compile it anew: a fifth of the time it takes to come up.
unexport PYTHONDONTWRITEBYTECODE

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-11s %s\n", $$1, $$2}'

$(VENV)/.run: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

# The AWS SDK v3 that the tests put behind the fault proxy.
NODE := tests/integration/proxy/node
$(NODE)/node_modules/.installed: $(NODE)/package.json $(NODE)/package-lock.json
	cd $(NODE) && npm ci --silent
	@touch $@

demo: $(VENV)/.run  ## the embedded lab, the daemon, a guided session and its table
	@$(BIN)/chaosd demo

test: lint types layers check  ## linters, types, layer rules and all tests

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

# Most tests wait for a process, a lab or a lock: one more than there are cores keeps the cores busy. In the order of
# their names the long ones do not come last, as they would by their number of tests.
PARALLEL = -n $(TESTERS) --dist loadfile --no-loadscope-reorder
TESTERS ?= $(shell echo $$(( 1 + $$(getconf _NPROCESSORS_ONLN) )))
check: $(VENV)/.dev $(NODE)/node_modules/.installed
	$(BIN)/python -m pytest $(PARALLEL)

coverage: $(VENV)/.dev $(NODE)/node_modules/.installed  ## the tests again, slower, and which lines none of them reaches
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PARALLEL)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

SEEDS ?= 20
ONLY  ?=
JOBS  ?= 2
FILES    ?= tests/e2e tests/integration tests/property
INSTANTS ?= 500
torture: $(VENV)/.dev  ## kill -9 at random moments, many times; a part: FILES=tests/e2e/guardian WHICH=git-lock INSTANTS=50 JOBS=2
	CHAOSD_INSTANTS=$(INSTANTS) $(BIN)/python -m pytest $(FILES) -m torture -n $(JOBS) -rP -p no:cacheprovider $(if $(WHICH),-k "$(WHICH)")

truth: $(VENV)/.dev  ## the matrix of planted defects, and SEEDS runs of the correct worker; ONLY=DEFECT, JOBS=2
	$(BIN)/python -m tests.truth --seeds $(SEEDS) --jobs $(JOBS) $(addprefix --only ,$(ONLY))

SEED ?= 1
accuracy: $(VENV)/.dev  ## recovery against 50 outages of known length, from a party chaosd does not read; SEED=N
	$(BIN)/python -m tests.accuracy --seed $(SEED)

TAG ?= chaosd:0.1.0
BUILDAH_FLAGS ?=
MINUTES ?= 30
soak: $(VENV)/.dev  ## the daemon and a long scenario for MINUTES: memory, journal size, no violation
	$(BIN)/python -m tests.truth.soak --minutes $(MINUTES)

bench: $(VENV)/.dev  ## ratios measured side by side in one run
	$(BIN)/python tests/benchmarks/run.py

screenshots: $(VENV)/.dev  ## the pictures of the status page in docs/, from the lab and a real browser
	$(BIN)/python -m tests.e2e.web.screenshots docs

image:  ## the container image, with buildah; BUILDAH_FLAGS, TAG
	buildah bud --format docker $(BUILDAH_FLAGS) -f deploy/docker/Dockerfile -t $(TAG) .

fmt: $(VENV)/.dev  ## format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

made: $(VENV)/.dev  ## write anew what is made from code: dashboards and manual page
	$(BIN)/python deploy/grafana/dashboards.py
	$(BIN)/python deploy/man/page.py

lock: $(VENV)/.dev  ## resolve the lock files anew
	$(BIN)/uv pip compile -q pyproject.toml --extra lab --generate-hashes --no-header --upgrade -o requirements.lock
	$(BIN)/uv pip compile -q pyproject.toml --extra lab --group dev --generate-hashes --no-header --upgrade -o requirements-dev.lock
	$(BIN)/uv pip compile -q pyproject.toml --generate-hashes --no-header --upgrade -o deploy/docker/requirements.lock

clean:  ## remove what the targets made
	rm -rf $(VENV) $(NODE)/node_modules .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
