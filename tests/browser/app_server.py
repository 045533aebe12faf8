"""Runs FiftyOne's App server for the browser tests: ``python app_server.py --port N``.

Without weights of the network (shipped ones, or those of $HS2S_TEST_WEIGHTS) a stand-in follows objects by
color.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from pathlib import Path

os.environ["FIFTYONE_SERVER"] = (
    "1"  # as main.py has it, before FiftyOne is imported: no dataset objects are shared
)
SERVER = Path(importlib.util.find_spec("fiftyone").origin).parent / "server"


def use_available_model() -> None:
    """Makes the operators use the weights that there are, or the stand-in."""
    from fiftyone_hs2s.dataset.propagate import model
    from fiftyone_hs2s.network import default_weights

    if weights := os.environ.get("HS2S_TEST_WEIGHTS"):
        load = model.load_model
        model.load_model = lambda name, **options: load(name, **{**options, "weights": weights})
    elif default_weights("hs2s-lite") is None:
        from fiftyone_kit import color_model

        model.load_model = lambda name, **options: color_model()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    use_available_model()
    os.chdir(SERVER)
    sys.path.insert(0, str(SERVER))
    runpy.run_path("main.py", run_name="__main__")
