# Everything a person or CI does here. Needs Python 3.11 or newer and make; the rest installs itself below this folder.
PYTHON ?= python3
UV := .tools/bin/uv
RUN := $(UV) run --frozen --no-sync
export UV_PYTHON_DOWNLOADS := never
# The tests start hundreds of processes; without bytecode each would compile what it imports.
export UV_COMPILE_BYTECODE := 1
export UV_PYTHON := $(PYTHON)

.DEFAULT_GOAL := help
.PHONY: help setup demo local test test-all faults fuzz mutants bench startup stress lint audit prose format docs build deploy lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.dev ## Install what the tests and the linters need

demo: .venv/.demo ## Show what mfa-guard does, step by step, in an AWS account that is emulated here (ARGS=--full: everything)
	@$(RUN) mfa-guard-local demo $(ARGS)

local: .venv/.demo ## Keep such an account running (ARGS="--port 4748 --parameter Mode=all")
	@$(RUN) mfa-guard-local run $(ARGS)

test: .venv/.dev .tools/.lambda build ## Run the tests and check their coverage (ARGS="-k lease": some tests, without coverage)
	$(RUN) pytest -n auto $(or $(ARGS),--cov --cov-report=)
	@$(if $(ARGS),,$(RUN) coverage report --include='src/*' --fail-under=100)
	@$(if $(ARGS),,$(RUN) python tools/statement_coverage.py 95 cli emulator)

test-all: test faults fuzz stress ## Run the tests, and in full what they only sample: the fault matrix, the generated events, 1,000 users

faults: .venv/.dev ## Run the whole fault matrix, and print how each AWS call ends under each fault, stale read and identity change
	PYTHONPATH=tests $(RUN) python -m faults

fuzz: .venv/.dev ## Send 200,000 generated events to parsers, router and handlers (FUZZ=20000 for fewer)
	PYTHONPATH=tests $(RUN) python -m fuzz $(or $(FUZZ),200000)

mutants: .tools/.mutants ## Mutate src/mfa_guard/core, and fail for every mutant that no test notices
	@# mutmut remembers results by a mutant's number, and a new pragma gives other numbers.
	rm -rf mutants
	TZ=Asia/Tokyo .tools/mutants/bin/mutmut run $(ARGS)
	.tools/mutants/bin/mutmut results > mutants/results.txt
	! grep -v ': timeout$$' mutants/results.txt

bench: .venv/.dev .tools/.custodian build ## Run mfa-guard and Cloud Custodian on one fake AWS, and write docs/bench.md (BENCH=200 users: print only)
	PYTHONPATH=. BENCH=$(BENCH) $(RUN) python -m benchmarks

startup: .tools/.lambda build ## Measure the cold starts of the built functions
	PYTHONPATH=. $(RUN) python -m benchmarks.startup

stress: .venv/.dev ## Change and rename 1,000 users while events are repeated, reordered and lost and reads are stale, then sweep
	MFA_GUARD_STRESS_USERS=1000 $(RUN) pytest tests/emulator/test_delivery_faults.py $(ARGS)
	MFA_GUARD_EXAMPLES=300 $(RUN) pytest -n 2 tests/faults/test_convergence.py $(ARGS)

lint: .venv/.dev .tools/.checkov ## Check style, types, imports, security, and known vulnerabilities (AUDIT=--strict: fail without an answer)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy src cli emulator tests tools benchmarks
	$(RUN) lint-imports
	$(RUN) codespell
	$(RUN) cfn-lint template.yaml
	.tools/checkov/bin/checkov --file template.yaml --framework cloudformation --quiet --compact
	$(RUN) bandit -q -r src
	$(RUN) bandit -q -r cli emulator tools benchmarks --severity-level medium
	@$(MAKE) --no-print-directory audit

# pip-audit ends with 1 for a vulnerability and also without an answer. Only with an answer does it write a report: the
# vulnerable packages, and those that the database does not know.
audit: .venv/.dev ## Look up known vulnerabilities of what ships and what is installed (AUDIT=--strict: fail without an answer)
	@$(UV) export -q --frozen --no-default-groups --no-emit-project --format requirements-txt -o .venv/program.txt
	@for file in src/requirements.txt .venv/program.txt; do \
	  : > .venv/audit.txt; \
	  $(RUN) pip-audit $(AUDIT) --disable-pip --require-hashes --progress-spinner off -o .venv/audit.txt -r $$file 2> .venv/audit.log; \
	  code=$$?; report=$$(cat .venv/audit.txt); last=$$(tail -n 1 .venv/audit.log); \
	  case $$code-$${report:+report}$(AUDIT) in \
	    0-report) echo "$$file: NOT CHECKED for known vulnerabilities: $$(($$(wc -l < .venv/audit.txt) - 2)) packages, which the database does not know" ;; \
	    1-) echo "$$file: NOT CHECKED for known vulnerabilities: $$last" ;; \
	    *) echo "$$file: $${report:-$$last}"; [ $$code = 0 ] || exit $$code ;; \
	  esac; \
	done

prose: .venv/.dev ## Refuse misspellings, British spellings and the words of tools/words.txt
	$(RUN) codespell

format: .venv/.dev ## Format the code
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

docs: .venv/.dev ## Write what is made of other files anew: docs/policy.md, docs/cli.md, all mails, and what health compares with
	$(RUN) python tools/deployed_content.py
	PYTHONPATH=tests $(RUN) python -m policy.page
	PYTHONPATH=tests $(RUN) python -m support.mails
	$(RUN) typer mfa_guard_cli.main utils docs --name mfa-guard --output docs/cli.md

build: .tools/.sam .tools/.bill .venv/.dev ## Build the functions with sam build, and list what is in them
	.tools/sam/bin/sam validate --lint
	PATH="$(CURDIR)/.tools/bin:$$PATH" .tools/sam/bin/sam build
	@# It would warn that pyproject.toml requires none of the packages. Those that it requires are the command line's.
	PYTHONWARNINGS=ignore $(RUN) cyclonedx-py environment .tools/bill --pyproject pyproject.toml --output-reproducible -o .aws-sam/sbom.cdx.json
	$(RUN) python tools/sbom.py .aws-sam/sbom.cdx.json .aws-sam/build

deploy: build ## Deploy with sam deploy (CONFIG=prod, ARGS="--parameter-overrides Mode=audit")
	.tools/sam/bin/sam deploy --config-env $(or $(CONFIG),default) $(ARGS)

lock: .tools/.uv ## Resolve every dependency again and pin it
	$(UV) lock --upgrade
	$(UV) pip compile -q --upgrade --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command 'make lock' requirements/uv.in -o requirements/uv.txt
	$(UV) pip compile -q --upgrade --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command 'make lock' requirements/checkov.in -o requirements/checkov.txt
	$(UV) pip compile -q --upgrade --universal --generate-hashes --python-version 3.11 --no-emit-index-url --custom-compile-command 'make lock' requirements/custodian.in -o requirements/custodian.txt
	$(UV) pip compile -q --upgrade --generate-hashes --python-version 3.13 --python-platform aarch64-unknown-linux-gnu --no-emit-index-url --custom-compile-command 'make lock' requirements/lambda.in -o src/requirements.txt

clean: ## Remove what the targets above installed and built
	rm -rf .venv .tools .aws-sam mutants

.tools/.uv: requirements/uv.txt
	$(PYTHON) -c 'import sys; sys.exit("mfa-guard needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/.demo: .tools/.uv uv.lock pyproject.toml emulator/pyproject.toml
	$(UV) sync -q --frozen --inexact --no-default-groups --group local
	@touch $@

.venv/.dev: .tools/.uv uv.lock pyproject.toml emulator/pyproject.toml
	$(UV) sync -q --frozen --inexact
	@touch $@ .venv/.demo

.tools/.sam: .tools/.uv uv.lock pyproject.toml emulator/pyproject.toml
	UV_PROJECT_ENVIRONMENT=.tools/sam $(UV) sync -q --frozen --only-group sam
	@touch $@

.tools/.mutants: .tools/.uv uv.lock pyproject.toml emulator/pyproject.toml
	UV_PROJECT_ENVIRONMENT=.tools/mutants $(UV) sync -q --frozen --only-group mutants
	@touch $@

.tools/.lambda: .tools/.uv uv.lock pyproject.toml emulator/pyproject.toml
	UV_PROJECT_ENVIRONMENT=.tools/lambda $(UV) sync -q --frozen --only-group lambda
	@touch $@

# What the functions' zip is made of, installed for the bill of materials to be read from.
.tools/.bill: .tools/.uv src/requirements.txt
	$(UV) venv -q --clear .tools/bill
	$(UV) pip install -q --python .tools/bill --no-deps --require-hashes -r src/requirements.txt
	@touch $@

.tools/.checkov: .tools/.uv requirements/checkov.txt
	$(UV) venv -q --clear .tools/checkov
	$(UV) pip install -q --python .tools/checkov --require-hashes -r requirements/checkov.txt
	@touch $@

.tools/.custodian: .tools/.uv requirements/custodian.txt
	$(UV) venv -q --clear .tools/custodian
	$(UV) pip install -q --python .tools/custodian --require-hashes -r requirements/custodian.txt
	@touch $@
