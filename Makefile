# Two commands matter: `make demo` and `make test`. Both install what they need on first use.
.DELETE_ON_ERROR:
.PHONY: help setup build demo test bench soak lint up down env redrive lock clean
MAKEFLAGS += --no-print-directory

PYTHON      ?= python3.13
STACK       ?= privatelink-autopilot
DEVELOPMENT := .venv/development
LOCAL_AWS   := .venv/local-aws
RUNTIME     := .venv/runtime
ENVIRONMENTS := $(DEVELOPMENT)/.ready $(LOCAL_AWS)/.ready $(RUNTIME)/.ready
SOURCES     := $(shell find functions layers -type f -not -path '*/__pycache__/*') $(wildcard template.yaml samconfig.toml)
# `sam build` looks for python3.13 on PATH; the environment's own bin has it.
IN_DEVELOPMENT := PATH="$(CURDIR)/$(DEVELOPMENT)/bin:$$PATH" PYTHONPATH="$(CURDIR)/layers/autopilot:$(CURDIR)" SAM_CLI_TELEMETRY=0

help:
	@echo "make demo    the main job, told as it happens, on a local AWS; everything is stopped at the end"
	@echo "make test    lint, types, and every test"
	@echo "make bench   calls, seconds, bytes and what a month costs, measured side by side in one run"
	@echo "make soak    5,000 random sequences of consumers, people and faults, other ones each time (SEQUENCES=…, SEED=…)"
	@echo "make up      a local AWS with both stacks, left running; make down stops it"
	@echo "make -s env ACCOUNT=consumer   the exports that point the AWS CLI at it (provider, consumer, stranger)"
	@echo "make redrive   dead letters, with their reasons, back into their queues; with your own AWS credentials (STACK=…)"
	@echo "make lock    new requirement locks"

setup: $(ENVIRONMENTS)

# Three environments, because aws-sam-cli and ministack pin different boto3 versions and a handler
# must see only what Lambda would give it.
.venv/%/.ready: requirements/%.txt
	@echo "installing the $* environment (once)"
	@$(PYTHON) -m venv --clear .venv/$*
	@.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

build: .aws-sam/build/template.yaml

.aws-sam/build/template.yaml: $(SOURCES) | $(ENVIRONMENTS)
	@$(IN_DEVELOPMENT) sam build --parallel >.sam-build.log 2>&1 || { cat .sam-build.log; rm -f .sam-build.log; exit 1; }
	@rm -f .sam-build.log
	@touch $@

demo: build
	@$(IN_DEVELOPMENT) python -m tests.story.demo

# Nothing else should run meanwhile.
bench: build
	@$(IN_DEVELOPMENT) python -m tests.bench

# A quarter of an hour or two. The seed that it prints repeats a run.
soak: $(DEVELOPMENT)/.ready
	@$(IN_DEVELOPMENT) python -m tests.faults.soak $(or $(SEQUENCES),5000) $(SEED)

up: build
	@$(IN_DEVELOPMENT) python -m tests.local_aws up

down:
	@$(IN_DEVELOPMENT) python -m tests.local_aws down

env:
	@$(IN_DEVELOPMENT) python -m tests.local_aws env $(or $(ACCOUNT),provider)

# DRY=1 only shows them.
redrive: $(DEVELOPMENT)/.ready
	@$(IN_DEVELOPMENT) python -m autopilot redrive --stack "$(STACK)" $(if $(DRY),--dry-run) $(if $(DISCARD),--discard)

lint: setup
	@$(IN_DEVELOPMENT) ruff format --check .
	@$(IN_DEVELOPMENT) ruff check .
	@$(IN_DEVELOPMENT) mypy

test: lint build
	@$(IN_DEVELOPMENT) python -m pytest

lock: setup
	@cd requirements && for name in development local-aws runtime; do $(LOCK) $$name.in -o $$name.txt; done
	@cd layers/dependencies && $(LOCK) requirements.in -o requirements.txt

LOCK = $(CURDIR)/$(DEVELOPMENT)/bin/uv pip compile --quiet --upgrade --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --python-version 3.13

clean:
	@rm -rf .aws-sam .local .mypy_cache .pytest_cache .ruff_cache .hypothesis
