# Thin on purpose: tools/setup.sh installs, fiftyone_hs2s/demo runs.
PYTHON_OF_VENV = .venv/bin/python
# In alphabetical order: files of few tests are the slow ones, and would be left to one worker at the end.
PYTEST = $(PYTHON_OF_VENV) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
DEMO = $(PYTHON_OF_VENV) -m fiftyone_hs2s.demo $(if $(VIDEO),--video "$(VIDEO)") $(if $(MASK),--mask "$(MASK)")

.PHONY: help setup demo app test lint docs notebooks

help:
	@echo "make demo                            track the demo clip: scores, overlay video, contact sheet"
	@echo "make demo VIDEO=my.mp4 MASK=my.png   the same on your own video and first mask"
	@echo "make app                             open the same dataset in the FiftyOne App"
	@echo "make test                            the whole test suite (ARGS='-k name' for a part of it)"
	@echo "make lint                            ruff, its format, mypy"
	@echo "make docs                            the site, build/site; a link that leads nowhere is an error"
	@echo "make notebooks                       runs docs/notebooks; with their outputs in build/notebooks"

setup:
	@PYTHON="$(PYTHON)" tools/setup.sh

demo: setup
	@$(DEMO)

app: setup
	@$(DEMO) --app

test: setup
	@$(PYTEST) $(ARGS)
	@$(if $(ARGS),,echo "once more as in the App's server, which keeps no dataset objects:")
	@$(if $(ARGS),,FIFTYONE_SINGLETON_CACHE=false $(PYTEST) -m "not slow and not browser" tests/dataset tests/plugin)

lint: setup
	@$(PYTHON_OF_VENV) -m ruff check --quiet .
	@$(PYTHON_OF_VENV) -m ruff format --check --quiet . || { echo "make lint: run 'ruff format .'" >&2; exit 1; }
	@$(PYTHON_OF_VENV) -m mypy

docs: setup
	@NO_MKDOCS_2_WARNING=1 $(PYTHON_OF_VENV) -m mkdocs build --strict --quiet

notebooks: setup
	@$(PYTHON_OF_VENV) tools/notebooks.py
