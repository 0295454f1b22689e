# One door for everything. Each target works from a fresh clone: it makes .venv first if need be.
PYTHON := .venv/bin/python

.PHONY: help demo test check train clean

help:
	@echo "make demo    open the app              (ARGS='--port 8000' passes options on)"
	@echo "make test    run all tests             (ARGS='tests/test_model.py' picks some)"
	@echo "make check   lint, format, types"
	@echo "make train   train for a minute on a set made from examples/"
	@echo "make clean   remove .venv and caches"

demo:
	@tools/setup.sh
	@$(PYTHON) demo.py $(ARGS)

test:
	@tools/setup.sh dev
	@$(PYTHON) -m pytest $(ARGS)

check:
	@tools/setup.sh dev
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
