"""FiftyOne plugin ``@hs2s/hs2s``.

FiftyOne runs this file under a name of its own, from a clone as well as from an installed package. In a
downloaded plugin the package is the one that this file lies in.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .version_check import check_version

_FOUND = find_spec("fiftyone_hs2s")
if _FOUND is None:
    # Which processes started from here get too.
    sys.path.append(str(Path(__file__).resolve().parent / "path"))
elif _FOUND.origin and Path(_FOUND.origin).name == "__init__.py":
    # An installed package; else what the line above put on the path.
    check_version(Path(__file__).resolve().parents[1], Path(_FOUND.origin).resolve().parent)

from .analyze_operator import Analyze
from .attention_operator import ShowAttention
from .evaluate_operator import Evaluate
from .export_operator import ExportTracks
from .failures_operator import FindFailures
from .manage_operator import ManageRuns
from .panel import HS2SPanel
from .pipeline_operator import PropagateAndCheck
from .propagate_object_operator import PropagateObject
from .propagate_operator import Propagate
from .repropagate_operator import Repropagate
from .runs_panel import RunsPanel
from .similar_operator import FindSimilarTracks
from .suggest_operator import SuggestFrame
from .train_operator import Train

PARTS: tuple[type, ...] = (
    Propagate,
    PropagateAndCheck,
    PropagateObject,
    Repropagate,
    SuggestFrame,
    Evaluate,
    FindFailures,
    Analyze,
    ShowAttention,
    FindSimilarTracks,
    Train,
    ExportTracks,
    ManageRuns,
    HS2SPanel,
    RunsPanel,
)


def register(plugin: Any) -> None:
    """Registers the operators and the panel; FiftyOne calls this."""
    for part in PARTS:
        plugin.register(part)
