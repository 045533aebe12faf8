"""Video object segmentation for FiftyOne: mask an object once, get its mask on every frame.

The names below are loaded on first use, so that importing this package starts neither FiftyOne nor torch.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_HERE = Path(__file__).parent
if not (_HERE / "training").is_dir():  # in a clone a link to the folder beside this one, which zip files do not keep
    __path__.append(str(_HERE.parent))

_PUBLIC = {
    "load_model": "fiftyone_hs2s.dataset.propagate.model",
    "import_sequences": "fiftyone_hs2s.dataset.importing",
    "import_davis": "fiftyone_hs2s.dataset.importing",  # the former name
    "propagate": "fiftyone_hs2s.dataset.propagate.propagate",
    "finetune": "fiftyone_hs2s.dataset.train.finetune",
    "default_weights": "fiftyone_hs2s.network",
    "register_model": "fiftyone_hs2s.network",
    "list_models": "fiftyone_hs2s.registry",
    "evaluate_propagation": "fiftyone_hs2s.dataset.evaluate.evaluate",
    "compare_evaluations": "fiftyone_hs2s.dataset.evaluate.compare",
    "find_failures": "fiftyone_hs2s.dataset.diagnose.find_failures",
    "analyze": "fiftyone_hs2s.dataset.diagnose.analyze",
    "run_benchmark": "fiftyone_hs2s.benchmark",
    "Progress": "fiftyone_hs2s.progress",
    "HS2SError": "fiftyone_hs2s.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
