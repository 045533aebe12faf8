"""What the panel shows of one sample, as plain data: curves of one evaluation or several, events shaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.evaluate.compare import compare_evaluations, list_evaluations, load_evaluation
from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults
from fiftyone_hs2s.dataset.evaluate.figures import band
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import Event, ObjectScores, find_events

from .panel_content import COMPACT
from .panel_events import Rows, scored_events

_COLORS = ("#3f7fbf", "#c0504d", "#5f9f5f", "#8064a2", "#d98c2b", "#4bacc6", "#a66999")
_SHADES = {"lost": "#c0504d", "drift": "#d98c2b", "occlusion": "#777777", "partial_occlusion": "#aaaaaa"}
_OTHER_SHADE = "#8064a2"
_DASHES = ("dash", "dot", "dashdot", "longdash")
"""Lines of the evaluations that one is compared with."""
_MAX_SHAPES = 60
"""Intervals that are shaded at most: the App becomes slow with hundreds."""
_PLAYHEAD = {
    "type": "scatter",
    "mode": "lines",
    "x": [1, 1],
    "y": [0, 1],
    "name": "playhead",
    "showlegend": False,
    "line": {"color": "#ff6d04", "width": 2},
}


@dataclass(frozen=True)
class SampleCurves:
    """What the panel shows of one sample."""

    headline: str
    traces: list[dict[str, Any]] = field(default_factory=list)
    """The first one is the playhead."""
    layout: dict[str, Any] = field(default_factory=dict)
    frames: list[list[int]] = field(default_factory=list)
    """The playhead's x by frame number."""
    events: Rows = field(default_factory=Rows)


def newest_that_scored(dataset: Samples, sample_id: str) -> str | None:
    """The newest evaluation that scored a sample."""
    for key in reversed(list_evaluations(dataset)):
        try:
            series = load_evaluation(dataset, key).series
        except HS2SError:
            continue
        if any(entry.sample_id == sample_id for entry in series.values()):
            return key
    return None


def sample_curves(
    dataset: Samples, eval_key: str, sample_id: str, others: Sequence[str] = ()
) -> SampleCurves:
    """What to show of a sample: J and F of each object on each frame, with events shaded.

    Args:
        dataset: the dataset
        eval_key: the evaluation
        sample_id: the sample
        others: evaluations to compare with: J&F of each object by all of them, instead of J and F

    Raises:
        HS2SError: if an evaluation does not exist, or has no results
    """
    results = load_evaluation(dataset, eval_key)
    if not _keys(results, sample_id):
        return SampleCurves(
            f"This sample was not scored by **{eval_key}**: run *HS2S: evaluate masks* on it."
        )
    curves = list(
        _sample_traces(results, sample_id, {"JF": "solid"} if others else {"J": "solid", "F": "dot"})
    )
    for key, dash in zip(others, _DASHES * len(others), strict=False):
        curves += _sample_traces(load_evaluation(dataset, key), sample_id, {"JF": dash}, f" ({key})")
    prompts, events = [], []
    for key in _keys(results, sample_id):
        sequence = results.scores(key)
        for number in sequence.true_ids:
            scores = sequence.objects[number]
            prompts += [(frame, number) for frame in scores.frames[scores.prompted]]
        events += find_events(sequence, protocol=results.config.protocol)
    last = max((x for curve in curves for x in curve["x"]), default=1)
    dashed = ", ".join(f"{dash}: {key}" for key, dash in zip(others, _DASHES * len(others), strict=False))
    title = f"J&F per frame<br><sub>{eval_key}; {dashed}</sub>" if others else "J and F (dotted) per frame"
    return SampleCurves(
        _compared_scores(dataset, [*others, eval_key], sample_id) if others else _scores(results, sample_id),
        [_PLAYHEAD, *curves, *_prompt_marks(prompts)],
        _curve_layout(title, events, last, sum(curve["showlegend"] for curve in curves)),
        [[number, number] for number in range(last + 1)],
        scored_events(results, sample_id),
    )


def at_frame(traces: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The traces of a sample with the playhead at a frame; none if there are none."""
    return [{**trace, "x": [number, number]} if trace["name"] == "playhead" else trace for trace in traces]


def _keys(results: PropagationResults, sample_id: str) -> list[str]:
    return [key for key, entry in results.series.items() if entry.sample_id == sample_id]


def _scores(results: PropagationResults, sample_id: str) -> str:
    """J&F of the sample's objects."""
    rows = (row for row in results.objects if row["sample_id"] == sample_id)
    return "; ".join(f"{row['name']}: J&F **{row['JF']:.3f}**" for row in rows)


def _compared_scores(dataset: Samples, keys: Sequence[str], sample_id: str) -> str:
    """J&F of the sample's objects by the last evaluation, and by the others, on the frames that all scored;
    by the last alone where they cannot be compared.
    """
    *others, last = keys
    try:
        tables = compare_evaluations(dataset, keys, by="object").tables
    except HS2SError as error:
        return f"{_scores(load_evaluation(dataset, last), sample_id)}. Not compared: {error}"
    rows = [row for row in tables["object"] if row["sample_id"] == sample_id]
    if not rows:
        scores = _scores(load_evaluation(dataset, last), sample_id)
        return f"{scores}. Not compared: not scored by {', '.join(others)}"
    lines = []
    for row in sorted(rows, key=lambda row: row["object"]):
        by_others = ", ".join(f"{key} {row[f'{key}_JF']:.3f}" for key in others)
        lines.append(f"{row['object']}: J&F **{row[f'{last}_JF']:.3f}** ({by_others})")
    return f"{'; '.join(lines)}, on the frames that all scored"


def _sample_traces(
    results: PropagationResults, sample_id: str, lines: dict[str, str], of: str = ""
) -> Iterator[dict[str, Any]]:
    """The curves of a sample's objects.

    Args:
        results: the evaluation
        sample_id: the sample
        lines: how to draw which scores
        of: what to append to the names
    """
    for key in _keys(results, sample_id):
        sequence, names = results.scores(key), results.names(key)
        for number in sequence.true_ids:
            yield from _curves(sequence.objects[number], names[number], number, lines, of)


def _curves(
    scores: ObjectScores, name: str, number: int, lines: dict[str, str], of: str
) -> Iterator[dict[str, Any]]:
    known = scores.annotated & ~scores.prompted
    for score, dash in lines.items():
        yield {
            "type": "scatter",
            "mode": "lines",
            "x": scores.frames[known].tolist(),
            "y": getattr(scores, score)[known].tolist(),
            "name": f"{score.replace('JF', 'J&F')} {name}{of}",
            "legendgroup": name,
            "showlegend": score != "F" and not of,
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


def _curve_layout(title: str, events: list[Event], last: int, num_objects: int) -> dict[str, Any]:
    worst = sorted(events, key=lambda event: -event.severity)[:_MAX_SHAPES]
    return {
        "title": {"text": title, "font": {"size": 14}},
        "xaxis": {"title": {"text": "frame", "standoff": 5}, "range": [0, last + 1]},
        "yaxis": {"range": [0, 1.02]},
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": -0.35, "xanchor": "left", "yanchor": "top"},
        "shapes": [_shade(event) for event in worst],
        **COMPACT,
        "margin": {"t": 60, "l": 50, "r": 15, "b": 45},  # a title of two lines
        "height": 360 + 25 * (num_objects // 3),
    }


def _shade(event: Event) -> dict[str, Any]:
    color = _SHADES.get(event.label, _OTHER_SHADE)
    return band(event.first - 0.5, event.last + 0.5, color, opacity=0.15)
