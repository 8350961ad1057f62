# One command each. `make up` and `make test` are the two to know; README.md tells the rest.
# Everything runs from this folder: the packages are the folders (flat), so no install of our own is needed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

PY := .venv/bin/python
STACK := $(PY) -m sticker_studio.stack
PYTEST := $(PY) -m pytest
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))

# Parameters, given before or after `make`: BOARD=pinterest:"ghibli trend" STYLE=anime DATE=2026-01-31 DATA=/folder GOLDEN=/folder
export BOARD STYLE DATE
ifdef GOLDEN
export STICKER_GOLDEN := $(GOLDEN)
endif

.PHONY: help env up demo serve down status monitor test long lint bench quality factory gallery lock

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

env:  ## make or renew .venv from requirements.lock
	@scripts/bootstrap.sh

up: env  ## bring the whole product up, run the daily job once, stay up until Ctrl-C
	@$(STACK) up

demo: env  ## the same, then stop everything; leaves out/summary.json
	@$(STACK) demo

serve: env  ## the sticker service and the Studio page alone
	@$(STACK) serve

down: env  ## stop what `make up` or `make serve` started
	@$(STACK) down

status: env  ## what runs, and where
	@$(STACK) status

monitor: env  ## Prometheus (and Alertmanager where installed) beside `make up`
	@$(STACK) monitor

test: env  ## the tests (minutes)
	@$(PYTEST) -m "not long" $(ARGS)

long: env  ## kill matrices, soaks and all that is too slow for `make test`
	@$(PYTEST) -m long --timeout=3600 $(ARGS)

lint: env  ## ruff and mypy
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

bench: env  ## speed and memory of a service of its own beside the bare libraries
	@$(PY) -m benchmarks.serving_speed $(ARGS)

quality: env  ## mean and median IoU on your own pictures and masks: DATA=<folder>
	@test -n "$(DATA)" || { echo "make quality: expected DATA=<folder with pictures and masks>, got none; docs/quality.md tells its layout" >&2; exit 2; }
	@$(PY) -m benchmarks.quality --data "$(DATA)" $(ARGS)

factory: env  ## train the factory models from nothing: BUDGET=10m, DATA=<folder of your own pictures>
	@$(PY) -m training factory $(if $(DATA),--data $(DATA)) $(if $(BUDGET),--budget $(BUDGET)) $(ARGS)

gallery: env  ## stickers to look at: docs/gallery.webp and the README's, or with DATA=<folder> a sheet of your pictures in out/
	@$(PY) -m benchmarks.gallery $(if $(DATA),--data "$(DATA)") $(ARGS)

lock: env  ## renew requirements.lock from setup.cfg
	@scripts/lock.sh
