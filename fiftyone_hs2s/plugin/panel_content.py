"""What the panel shows, as plain data: texts, plotly traces and layouts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.diagnose.analyze import DatasetAnalysis, analyze
from fiftyone_hs2s.dataset.diagnose.event_labels import Names, event_title, explanation
from fiftyone_hs2s.dataset.evaluate import figures
from fiftyone_hs2s.dataset.evaluate.compare import compare_evaluations, list_evaluations, load_evaluation
from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import Event, ObjectScores, find_events

from .execution import named

_COLORS = ("#3f7fbf", "#c0504d", "#5f9f5f", "#8064a2", "#d98c2b", "#4bacc6", "#a66999")
_SHADES = {"lost": "#c0504d", "drift": "#d98c2b", "occlusion": "#777777", "partial_occlusion": "#aaaaaa"}
_OTHER_SHADE = "#8064a2"
_COMPACT = {"height": 270, "margin": {"t": 40, "l": 50, "r": 15, "b": 45}}
_MAX_SHAPES = 60
"""Intervals that are shaded at most: the App becomes slow with hundreds."""


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


@dataclass(frozen=True)
class SampleCurves:
    """What the panel shows of one sample."""

    headline: str
    traces: list[dict[str, Any]] = field(default_factory=list)
    """The first one is the playhead."""
    layout: dict[str, Any] = field(default_factory=dict)
    frames: list[list[int]] = field(default_factory=list)
    """The playhead's x by frame number."""


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
    layouts = {name: {**layout, **_COMPACT} for name, layout in layouts.items()}
    table = _table(analyze(dataset, eval_key=eval_key)) + _notes(dataset, results.problems)
    return Overview(_headline(results), table, traces, layouts, members)


def newest_that_scored(dataset: Samples, sample_id: str) -> str | None:
    """The newest evaluation that scored a sample."""
    for key in reversed(list_evaluations(dataset)):
        try:
            series = load_evaluation(dataset, key).series
        except HS2SError:
            continue
        if any(entry["sample_id"] == sample_id for entry in series.values()):
            return key
    return None


def sample_curves(dataset: Samples, eval_key: str, sample_id: str) -> SampleCurves:
    """What to show of a sample: J and F of each object on each frame, with events shaded.

    Raises:
        HS2SError: if the evaluation does not exist, or has no results
    """
    results = load_evaluation(dataset, eval_key)
    keys = [key for key, entry in results.series.items() if entry["sample_id"] == sample_id]
    if not keys:
        return SampleCurves(
            f"This sample was not scored by **{eval_key}**: run *HS2S: evaluate masks* on it."
        )
    rows = [row for row in results.objects if row["sample_id"] == sample_id]
    lines = [f"{row['name']}: J&F **{row['JF']:.3f}**" for row in rows]
    curves, events, prompts = [], [], []
    for key in keys:
        sequence, names = results.scores(key), results.names(key)
        shown = {number: sequence.objects[number] for number in sequence.true_ids}
        curves += [c for number, scores in shown.items() for c in _curves(scores, names[number], number)]
        prompts += [
            (frame, number) for number, scores in shown.items() for frame in scores.frames[scores.prompted]
        ]
        events += [(event, names) for event in find_events(sequence, protocol=results.config.protocol)]
    last = max((x for curve in curves for x in curve["x"]), default=1)
    playhead = {
        "type": "scatter",
        "mode": "lines",
        "x": [1, 1],
        "y": [0, 1],
        "name": "playhead",
        "showlegend": False,
    }
    playhead["line"] = {"color": "#ff6d04", "width": 2}
    what = "\n".join(f"- {_event_text(*pair)}" for pair in events) or "none"
    return SampleCurves(
        f"{'; '.join(lines)}\n\nEvents:\n\n{what}",
        [playhead, *curves, *_prompt_marks(prompts)],
        _curve_layout([event for event, _ in events], last),
        [[number, number] for number in range(last + 1)],
    )


def _event_text(event: Event, names: Names) -> str:
    frames = f"frame {event.first}" if event.first == event.last else f"frames {event.first}-{event.last}"
    return f"{event_title(event, names)}, {frames}: {explanation(event, names)}"


def _headline(results: PropagationResults) -> str:
    samples = len({row["sample_id"] for row in results.objects})
    text = f"**J&F {results.JF:.3f}** · J {results.J:.3f} · F {results.F:.3f}\n\n"
    text += f"The whole evaluation, whatever the view, by {results.config.protocol}: "
    text += f"{len(results.objects)} objects in {samples} samples"
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
        scores = (_number(row[name]) for name in ("J", "F", "JF"))
        lines.append(f"| {row['frames']} | {row['objects']} | {' | '.join(scores)} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in analysis.notes())])


def comparison(dataset: Samples, eval_key: str, other: str) -> str:
    """Two evaluations on what both of them scored, as a table, with what they do not share; or why they
    cannot be."""
    try:
        found = compare_evaluations(dataset, [other, eval_key])
    except HS2SError as error:
        return f"**Not compared**: {error}"
    lines = ["| evaluation | J | F | J&F | change |", "|---|---|---|---|---|"]
    for row in found.rows:
        scores = (_number(row[name]) for name in ("J", "F", "JF"))
        change = "–" if row["name"] == other else f"{row['change']:+.3f}"
        lines.append(f"| {row['name']} | {' | '.join(scores)} | {change} |")
    title = f"**Compared with {other}**, on the {found.rows[0]['objects']} objects that both scored"
    return "\n".join([title, "", *lines, "", *(f"- {note}" for note in found.notes)])


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _curves(scores: ObjectScores, name: str, number: int) -> Iterator[dict[str, Any]]:
    known = scores.annotated & ~scores.prompted
    for score, dash in (("J", "solid"), ("F", "dot")):
        yield {
            "type": "scatter",
            "mode": "lines",
            "x": scores.frames[known].tolist(),
            "y": getattr(scores, score)[known].tolist(),
            "name": f"{score} {name}",
            "legendgroup": name,
            "showlegend": score == "J",
            "line": {"color": _color(number), "dash": dash},
        }


def _prompt_marks(prompts: list[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Marks above the curves where an object's mask was given.

    Args:
        prompts: frame and number of the object
    """
    if prompts:
        frames, numbers = zip(*prompts, strict=True)
        colors = [_color(number) for number in numbers]
        marker = {"symbol": "diamond", "size": 9, "color": colors}
        marks = {"type": "scatter", "mode": "markers", "x": [*map(int, frames)], "y": [1.0] * len(frames)}
        yield {**marks, "name": "prompts", "marker": marker}


def _color(number: int) -> str:
    return _COLORS[(number - 1) % len(_COLORS)]


def _curve_layout(events: list[Event], last: int) -> dict[str, Any]:
    worst = sorted(events, key=lambda event: -event.severity)[:_MAX_SHAPES]
    return {
        "title": {"text": "J and F (dotted) per frame"},
        "xaxis": {"title": {"text": "frame", "standoff": 5}, "range": [0, last + 1]},
        "yaxis": {"range": [0, 1.02]},
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": -0.35, "xanchor": "left", "yanchor": "top"},
        "shapes": [_shade(event) for event in worst],
        **_COMPACT,
        "height": 360,
    }


def _shade(event: Event) -> dict[str, Any]:
    color = _SHADES.get(event.label, _OTHER_SHADE)
    sides = {"x0": event.first - 0.5, "x1": event.last + 0.5, "y0": 0, "y1": 1}
    return {
        "type": "rect",
        "yref": "paper",
        "fillcolor": color,
        "opacity": 0.15,
        "line": {"width": 0},
        **sides,
    }
