"""Figures as plotly takes them: plain dictionaries, so that the panel can send them to the App as they
are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fiftyone_hs2s.metrics.analysis import EARLY, LATE

if TYPE_CHECKING:
    import plotly.graph_objects as go

BINS = 10
"""Bars of the histogram, over 0..1."""
_BLUE, _RED, _GREEN = "#3f7fbf", "#c0504d", "#5f9f5f"
_MARGIN = {"t": 40, "l": 50, "r": 20, "b": 45}


def _layout(title: str, x: str, y: str, **more: Any) -> dict[str, Any]:
    return {
        "title": {"text": title},
        "xaxis": {"title": {"text": x}, **more.pop("xaxis", {})},
        "yaxis": {"title": {"text": y}, **more.pop("yaxis", {})},
        "margin": _MARGIN,
        **more,
    }


def band(first: float, last: float | None, color: str, opacity: float = 0.12) -> dict[str, Any]:
    """Shades a span of the x axis, from bottom to top; plotly's shape."""
    sides = {"x0": first, "x1": last, "y0": 0, "y1": 1}
    return {
        "type": "rect",
        "yref": "paper",
        "fillcolor": color,
        "opacity": opacity,
        "line": {"width": 0},
        **sides,
    }


HISTOGRAM = _layout("Samples by J&F", "J&F", "samples", xaxis={"range": [0, 1]}, bargap=0.05)
TIME = _layout(
    "J&F against time",
    "steps of 1/6 s since the object's first frame",
    "mean J&F",
    yaxis={"range": [0, 1.02]},
)
WORST = _layout("Worst objects", "J&F", "", xaxis={"range": [0, 1]}, yaxis={"automargin": True})
SCATTER = _layout("Occlusion and J&F", "longest occlusion (frames)", "J&F", yaxis={"range": [0, 1.02]})
EVENTS = _layout("Events", "", "events")
COMPARISON = _layout("Evaluations", "", "mean over shared objects", yaxis={"range": [0, 1]}, barmode="group")

_STEPS = "length (steps of 1/6 s)"
SEQUENCE_LENGTHS = _layout("Length of the objects' sequences", _STEPS, "objects")
OCCLUSION_LENGTHS = _layout("Length of first occlusions", _STEPS, "objects", barmode="overlay")


def time_layout(last: float) -> dict[str, Any]:
    """The layout of J&F against time, with early (t < 10) and late (t > 20) shaded up to the last frame."""
    bands = [band(0, min(EARLY, last), _GREEN)] + ([band(LATE, last, _RED)] if last > LATE else [])
    return {**TIME, "shapes": bands}


def histogram(scores: Mapping[str, float]) -> tuple[dict[str, Any], list[list[str]]]:
    """Bars of scores in 0..1, and the sample ids in each bar.

    Args:
        scores: J&F by sample id
    """
    members: list[list[str]] = [[] for _ in range(BINS)]
    for sample_id, score in scores.items():
        members[min(int(score * BINS), BINS - 1)].append(sample_id)
    centers = [(k + 0.5) / BINS for k in range(BINS)]
    bars = {
        "type": "bar",
        "x": centers,
        "y": [len(ids) for ids in members],
        "width": [1 / BINS] * BINS,
        "ids": [str(k) for k in range(BINS)],
        "marker": {"color": _BLUE},
        "name": "samples",
    }
    return bars, members


def over_time(curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[dict[str, Any]]:
    """The mean over objects in each step of 1/6 s.

    Args:
        curves: by object its times in steps, float (K,), and values
    """
    if not curves:
        return []
    by_object = [_means(np.floor(times + 1e-9).astype(int), values) for times, values in curves.values()]
    steps, means = _means(*(np.concatenate(parts) for parts in zip(*by_object, strict=True)))
    line = {"type": "scatter", "mode": "lines", "name": "J&F", "line": {"color": _BLUE}}
    return [{**line, "x": steps.tolist(), "y": means.tolist()}]


def _means(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different keys, ascending, and the mean of the values of each."""
    unique, places = np.unique(keys, return_inverse=True)
    return unique, np.bincount(places, values) / np.bincount(places)


def worst_objects(objects: Sequence[Mapping[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Bars of the objects with the lowest J&F, the worst on top."""
    worst = sorted(objects, key=lambda row: row["JF"])[:limit][::-1]
    names = [f"{row['name']} · {row['key'][-6:]}·{row['object']}" for row in worst]
    values = [row["JF"] for row in worst]
    return [
        {"type": "bar", "orientation": "h", "x": values, "y": names, "marker": {"color": _RED}, "name": "J&F"}
    ]


def scatter(objects: Sequence[Mapping[str, Any]], column: str = "longest_occlusion") -> list[dict[str, Any]]:
    """J&F of each object against another column of the objects table."""
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [row[column] for row in objects],
            "y": [row["JF"] for row in objects],
            "text": [row["name"] for row in objects],
            "ids": [f"{row['sample_id']}/{k}" for k, row in enumerate(objects)],
            "marker": {"color": _BLUE, "size": 9, "opacity": 0.7},
            "name": "objects",
        }
    ]


def lengths(values: Sequence[float], name: str) -> dict[str, Any]:
    """A histogram of lengths, in steps."""
    return {
        "type": "histogram",
        "x": list(values),
        "name": name,
        "opacity": 0.7,
        "xbins": {"start": 0, "size": 1},
    }


def counts(values: Mapping[str, int]) -> dict[str, Any]:
    """How often each of some things is there, as bars."""
    return {"type": "bar", "x": list(values), "y": list(values.values()), "marker": {"color": _BLUE}}


def comparison(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Bars of J, F and J&F of several evaluations."""
    names = [row["name"] for row in rows]
    colors = zip(("J", "F", "JF"), (_BLUE, _GREEN, _RED), strict=True)
    return [
        {
            "type": "bar",
            "name": score,
            "x": names,
            "y": [row[score] for row in rows],
            "marker": {"color": color},
        }
        for score, color in colors
    ]


def figure(traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> go.Figure:
    """A plotly figure of traces and a layout."""
    import plotly.graph_objects as go

    return go.Figure(data=list(traces), layout=layout)
