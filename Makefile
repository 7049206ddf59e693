# What a developer types. setup/check makes the environments that the rest uses.

PYTHON = .venv-newest/bin/python

.PHONY: check check-fast lint

check:
	setup/check

check-fast:
	setup/check --fast

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
