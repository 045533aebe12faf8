#!/usr/bin/env python3
"""Runs the notebooks of ``docs/notebooks`` from first cell to last, and keeps their outputs in
``build/notebooks``.

They use a database, models and plugins of their own: nobody's datasets are touched.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

REPO = Path(__file__).resolve().parents[1]


def main() -> None:
    """Runs all notebooks, or those named in the command line; an error in a cell ends it."""
    out = REPO / "build" / "notebooks"
    out.mkdir(parents=True, exist_ok=True)
    paths = [Path(name) for name in sys.argv[1:]] or sorted((REPO / "docs" / "notebooks").glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(
            HOME=home,
            FIFTYONE_DATABASE_NAME="hs2s_notebooks",
            FIFTYONE_DATABASE_DIR=f"{home}/db",
            FIFTYONE_PLUGINS_DIR=f"{home}/plugins",
            HS2S_MODELS=f"{home}/models",
            FIFTYONE_DO_NOT_TRACK="true",
            FIFTYONE_DATABASE_VALIDATION="false",
            PYTHONPATH=os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
        )
        for path in paths:
            began = time.monotonic()
            notebook = nbformat.read(path, as_version=4)
            NotebookClient(notebook, timeout=300, resources={"metadata": {"path": home}}).execute()
            nbformat.write(notebook, out / path.name)
            print(f"{path.name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
