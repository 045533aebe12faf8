"""Events: intervals of frames of an object, with a reason. ``truth_events`` and ``prediction_events`` find
them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fiftyone_hs2s.metrics.scores import ObjectScores


@dataclass(frozen=True)
class EventOptions:
    """What counts as an event. Areas in pixels of the annotation, lengths in annotated frames."""

    occlusion_area: int = 0
    """Up to this area an object is not visible, and a prediction is none."""
    partial_share: float = 0.5
    median_frames: int = 25
    """Visible frames in the running median of the area."""
    recovered_j: float = 0.5
    """From this J on an object is tracked again."""
    lost_j: float = 0.1
    lost_frames: int = 3
    drift_drop: float = 0.3
    drift_frames: int = 5
    switch_share: float = 0.5
    leak_ratio: float = 2.0
    low_score: float = 0.7
    """Mean J&F under which a score is low."""
    jump_ratio: float = 2.0
    jump_area: int = 100
    """Jumps of an area that stays below this are noise."""
    jump_diameters: float = 0.5
    low_confidence: float = 0.5
    disagreement_j: float = 0.5


@dataclass(frozen=True)
class Event:
    """An interval of frames of one object."""

    label: str
    object_id: int
    first: int
    """Number of its first frame, as in ``ObjectScores.frames``."""
    last: int
    """Number of its last frame; the interval includes it."""
    severity: float
    """In 0..1; how it is measured depends on the kind of event, see ``truth_events`` and
    ``prediction_events``."""
    details: dict[str, Any] = field(default_factory=dict)
    """What else is known, by name; which ones depends on the label."""
    worst: int | None = None
    """Number of the frame on which the mask is worst, to begin a correction with, see :func:`worst_frame`."""

    def frames(self, numbers: np.ndarray) -> np.ndarray:
        """Which of the frames with these numbers, ascending, are in the interval: bool, like ``numbers``."""
        return (numbers >= self.first) & (numbers <= self.last)


def worst_frame(scores: ObjectScores, first: int | None = None, last: int | None = None) -> int:
    """The frame of an interval on which an object's mask is worst, the earliest of several.

    That is where J&F is lowest; without ground truth where the agreement with the other run is, or without
    one the tracker's confidence. Masks that were given are no result, and are not looked at.

    Args:
        scores: series of the object
        first: number of the interval's first frame; None for the first one that there is
        last: number of its last frame; None for the last one

    Returns:
        the frame's number; the interval's first where nothing of this is known
    """
    first = int(scores.frames[0]) if first is None else first
    inside = (scores.frames >= first) & (scores.frames <= (scores.frames[-1] if last is None else last))
    truth = np.where(scores.annotated, scores.JF, np.nan)
    for values in (truth, scores.agreement, scores.confidence):
        known = np.flatnonzero(inside & ~scores.prompted & ~np.isnan(values))
        if len(known):
            return int(scores.frames[known[values[known].argmin()]])
    return first


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """The intervals [start, stop) in which a bool array (T,) is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def running_median(values: np.ndarray, window: int) -> np.ndarray:
    """The median of each value and the ones before it, ``window`` in all (fewer at the start); float (T,)."""
    return np.array([np.median(values[max(0, k - window + 1) : k + 1]) for k in range(len(values))], float)


def by_frame(events: Iterable[Event]) -> list[Event]:
    """The events in the order in which they begin."""
    return sorted(events, key=lambda event: (event.first, event.last))
