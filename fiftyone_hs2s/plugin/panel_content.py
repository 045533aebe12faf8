"""What the panel shows of a whole evaluation, as plain data: texts, plotly traces and layouts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import fiftyone.operators as foo
import numpy as np

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.diagnose.analyze import DatasetAnalysis, analyze
from fiftyone_hs2s.dataset.evaluate import figures
from fiftyone_hs2s.dataset.evaluate.compare import load_evaluation
from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults

from .execution import named

COMPACT = {"height": 270, "margin": {"t": 40, "l": 50, "r": 15, "b": 45}}
"""What layouts have in common in a panel."""


def put_data(ctx: foo.ExecutionContext, name: str, value: Any) -> None:
    """Gives the panel a plot's traces or a table's rows.

    Where a field of the panel changes the App copies all that it shows into the panel's state, and merges the
    two from then on: of a longer list that was there before the end would stay.
    """
    ctx.panel.set_state(name, None)
    ctx.panel.set_data(name, value)


@dataclass(frozen=True)
class Overview:
    """What the panel shows of a whole evaluation."""

    headline: str
    table: str
    traces: dict[str, list[dict[str, Any]]]
    """By plot: ``histogram``, ``time``, ``scatter``."""
    layouts: dict[str, dict[str, Any]]
    members: list[list[str]]
    """Sample ids by bar of the histogram."""


def overview(dataset: Samples, eval_key: str) -> Overview:
    """What to show of an evaluation.

    Raises:
        HS2SError: if it does not exist, or has no results
    """
    results = load_evaluation(dataset, eval_key)
    bars, members = figures.histogram(results.sample_scores())
    curve = figures.over_time(results.curves())
    traces = {"histogram": [bars], "time": curve, "scatter": figures.scatter(results.objects)}
    layouts = {
        "histogram": figures.HISTOGRAM,
        "time": figures.time_layout(max(curve[0]["x"])),
        "scatter": figures.SCATTER,
    }
    layouts = {name: {**layout, **COMPACT} for name, layout in layouts.items()}
    table = _table(analyze(dataset, eval_key=eval_key)) + _notes(dataset, results.problems)
    return Overview(_headline(results), table, traces, layouts, members)


def _headline(results: PropagationResults) -> str:
    samples = len({row["sample_id"] for row in results.objects})
    text = f"**J&F {results.JF:.3f}** · J {results.J:.3f} · F {results.F:.3f}\n\n"
    text += f"The whole evaluation, whatever the view, by {results.config.protocol}: "
    objects = len(results.objects)
    text += f"{objects} object{'s' * (objects != 1)} in {samples} sample{'s' * (samples != 1)}"
    if results.prompts_note:
        text += f". {results.prompts_note}"
    return text


def _notes(dataset: Samples, problems: list[dict[str, str]]) -> str:
    """What is to be said about samples, each once, by file name."""
    rows = dict.fromkeys((name, _unnamed(name, why)) for name, why in named(dataset, problems))
    lines = [f"- {name}: {why}" for name, why in rows]
    return "\n".join(["", "", "Notes on samples:", "", *lines]) if lines else ""


def _unnamed(name: str, why: str) -> str:
    """A message without the sample that it begins with."""
    return re.sub(rf"^sample [0-9a-f]{{24}} \({re.escape(name)}\) ", "", why)


def _table(analysis: DatasetAnalysis) -> str:
    lines = ["| frames | objects | J | F | J&F |", "|---|---|---|---|---|"]
    for row in analysis.rows():
        scores = (number(row[name]) for name in ("J", "F", "JF"))
        lines.append(f"| {row['frames']} | {row['objects']} | {' | '.join(scores)} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in analysis.notes())])


def number(value: float) -> str:
    """A score as text; a dash if there is none."""
    return "–" if np.isnan(value) else f"{value:.3f}"
