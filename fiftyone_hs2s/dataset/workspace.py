"""A workspace of the App: the samples, and beside them what says where their masks fail."""

from __future__ import annotations

from typing import Any

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import Samples, root_dataset
from fiftyone_hs2s.dataset.evaluate.compare import list_evaluations, load_evaluation

NAME = "HS2S"
_PANEL = "hs2s_panel"


def save_workspace(samples: Samples, eval_key: str | None = None) -> fo.Space:
    """Saves the workspace ``HS2S`` with the dataset, in place of an earlier one: the grid, the panel HS2S,
    and a histogram of J&F.

    The App offers it at the top right. To open it at once: ``fo.launch_app(dataset, spaces=workspace)``.

    Args:
        samples: the dataset, or a view of it
        eval_key: the evaluation whose scores the histogram shows; the newest one by default. Without any
            there is no histogram

    Returns:
        the workspace

    Raises:
        HS2SError: if there is no such evaluation
    """
    dataset = root_dataset(samples)
    keys = list_evaluations(dataset)
    if eval_key is not None:
        load_evaluation(dataset, eval_key)
    key = eval_key or (keys[-1] if keys else None)
    beside = _tab(type=_PANEL)
    if key:
        histogram = _tab(type="Histograms", state={"path": f"{key}_JF"})
        beside = fo.Space(children=[beside, histogram], orientation="vertical", sizes=[0.68, 0.32])
    grid = _tab(type="Samples", pinned=True)
    workspace = fo.Space(children=[grid, beside], orientation="horizontal", sizes=[0.55, 0.45])
    about = "Samples, where their masks fail, and how good they are"
    dataset.save_workspace(NAME, workspace, description=about, overwrite=True)
    return workspace


def _tab(**options: Any) -> fo.Space:
    """A panel in a place of its own, and shown: a space shows nothing unless one of its panels is active."""
    panel = fo.Panel(**options)
    return fo.Space(children=[panel], active_child=panel.component_id)
