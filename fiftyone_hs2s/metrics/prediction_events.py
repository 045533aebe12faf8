"""What may be wrong with a track, from the series of an object without ground truth.

- ``vanished``: after its first appearance nothing is predicted
- ``reappeared``: the frame on which the prediction is back
- ``area_jump``: from one frame to the next the predicted area doubles or halves
- ``position_jump``: the prediction moves by half its diameter more than it did on the frames before
- ``low_confidence``: the tracker's confidence is under 0.5
- ``disagreement``: J with the prediction of another run (such as backtracking to the prompt) is under 0.5

All numbers are fields of ``EventOptions``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fiftyone_hs2s.metrics.events import Event, EventOptions, by_frame, running_median, runs
from fiftyone_hs2s.metrics.scores import ObjectScores


def prediction_events(scores: ObjectScores, options: EventOptions | None = None) -> list[Event]:
    """The events of an object that show without ground truth.

    Severity and details: ``vanished`` has its share of the frames from the first prediction on; ``frames``,
    and whether it ``reappears``. ``reappeared`` has 0; the ``frames`` it was gone. ``area_jump`` has 1 -
    smaller / larger area; the ``ratio``. ``position_jump`` has the excess by the diameter, at most 1;
    ``diameters``. ``low_confidence`` and ``disagreement`` have 1 - the mean value; the latter ``prompt_J``,
    see ``prompt_agreement``.

    Args:
        scores: series of the object
        options: what counts; by default ``EventOptions()``

    Returns:
        the events by first frame
    """
    options = options or EventOptions()
    return by_frame([*_gaps(scores, options), *_jumps(scores, options), *_doubts(scores, options)])


def _event(scores: ObjectScores, label: str, places: np.ndarray, severity: float, **details: Any) -> Event:
    first, last = int(scores.frames[places[0]]), int(scores.frames[places[-1]])
    return Event(label, scores.object_id, first, last, float(severity), details)


def _gaps(scores: ObjectScores, options: EventOptions) -> Iterator[Event]:
    there = scores.predicted_area > options.occlusion_area
    lifetime = int(np.logical_or.accumulate(there).sum())
    for start, stop in runs(~there & np.logical_or.accumulate(there)):
        frames, reappears = stop - start, stop < len(there)
        yield _event(
            scores, "vanished", np.arange(start, stop), frames / lifetime, frames=frames, reappears=reappears
        )
        if reappears:
            yield _event(scores, "reappeared", np.array([stop]), 0.0, frames=frames)


def _jumps(scores: ObjectScores, options: EventOptions) -> Iterator[Event]:
    area = scores.predicted_area.astype(float)
    pairs = (area[1:] > options.occlusion_area) & (area[:-1] > options.occlusion_area)
    larger, smaller = np.maximum(area[1:], area[:-1]), np.maximum(np.minimum(area[1:], area[:-1]), 1)
    ratio = larger / smaller
    for start, stop in runs(pairs & (ratio >= options.jump_ratio) & (larger >= options.jump_area)):
        worst = float(ratio[start:stop].max())
        yield _event(scores, "area_jump", np.arange(start, stop) + 1, 1 - 1 / worst, ratio=worst)
    excess = _excess_motion(scores, pairs) / np.sqrt(4 / np.pi * smaller)
    for start, stop in runs(pairs & (excess >= options.jump_diameters) & (larger >= options.jump_area)):
        worst = float(excess[start:stop].max())
        yield _event(scores, "position_jump", np.arange(start, stop) + 1, min(worst, 1.0), diameters=worst)


def _excess_motion(scores: ObjectScores, pairs: np.ndarray) -> np.ndarray:
    """By how many pixels a step of the center exceeds the median of the 5 before it (the first one: of the
    first 5)."""
    steps = np.where(pairs, np.hypot(np.diff(scores.x), np.diff(scores.y)), 0.0)
    if not len(steps):
        return steps
    return steps - np.concatenate([[np.median(steps[:5])], running_median(steps, 5)[:-1]])


def _doubts(scores: ObjectScores, options: EventOptions) -> Iterator[Event]:
    limits = {"low_confidence": options.low_confidence, "disagreement": options.disagreement_j}
    for (label, limit), values in zip(limits.items(), (scores.confidence, scores.agreement), strict=True):
        known = np.flatnonzero(~np.isnan(values))
        for start, stop in runs(values[known] < limit):
            places = known[start:stop]
            details = {"prompt_J": prompt_agreement(scores)} if label == "disagreement" else {}
            yield _event(scores, label, places, 1 - values[places].mean(), **details)


def prompt_agreement(scores: ObjectScores) -> float | None:
    """J with the prompt of a run that tracked backward.

    It started on the object's last predicted frame, with the mask that is there, and J is taken on the first,
    where the prompt is; or the reverse, if the prompt came last. As J is 1 at the start, the smaller of the
    two is the one.

    Args:
        scores: series of the object, with the agreement of that run

    Returns:
        J in 0..1; None if there was no way to go: the object is predicted on one frame, or not compared
    """
    there = np.flatnonzero(scores.predicted_area)
    if len(there) < 2:
        return None
    ends = scores.agreement[there[[0, -1]]]
    return None if np.isnan(ends).any() else float(ends.min())
