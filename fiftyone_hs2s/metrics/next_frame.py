"""Which frame of a track to correct next, without ground truth.

Each frame of an object has a doubt in 0..1, about the error to expect there, and what a mask on one frame
would take of it away is estimated by distance: the error of a track grows with the frames since the last mask
that was given, so a mask that comes nearer by a part of the way takes that part of the doubt away, and one in
another scene takes nothing. The frame whose mask would take most away, of all objects and frames together, is
the one. ``benchmarks/next_frame.py`` has the figures.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from fiftyone_hs2s.metrics.prediction_events import prediction_events
from fiftyone_hs2s.metrics.scores import ObjectScores, SequenceScores

_GONE = 0.5
"""Doubt where an object has no mask after its first one: it may be out of view, or lost."""
_JUMPS = ("area_jump", "position_jump")


@dataclass(frozen=True)
class NextFrame:
    """The frame to correct next.

    Attributes:
        frame: its number, as the sequence has it
        object_id: the object that gains most
        relief: the doubt that a mask of each object there would take away, in frames of whole doubt
        reason: ``"disagreement"``, ``"low_confidence"``, ``"vanished"`` or ``"scene_cut"``: what makes most
            of the doubt that it takes away
    """

    frame: int
    object_id: int
    relief: float
    reason: str


def next_frame(sequence: SequenceScores, cuts: Collection[int] = ()) -> NextFrame | None:
    """The frame of a sequence whose correction should help most.

    Args:
        sequence: series of the objects, with confidence, and agreement with a track back where there is one
        cuts: numbers of the frames that begin a scene

    Returns:
        the frame; None if nothing is predicted, or nothing is in doubt
    """
    scenes = np.isin(sequence.frames, list(cuts)).cumsum()
    parts = {i: _doubts(scores, scenes) for i, scores in sequence.objects.items()}
    relief = {}
    for i, part in parts.items():
        doubt = np.sum(list(part.values()), axis=0)
        relief[i] = reliefs(doubt, _given(sequence.objects[i]), scenes)
    total = np.sum(list(relief.values()), axis=0) if relief else np.zeros(0)
    if not total.any():
        return None
    place = int(total.argmax())
    number = max(relief, key=lambda i: relief[i][place])
    given = _given(sequence.objects[number])
    reasons = {name: reliefs(doubt, given, scenes)[place] for name, doubt in parts[number].items()}
    reason = max(reasons, key=lambda name: reasons[name])
    begins = reason == "vanished" and sequence.frames[place] in cuts
    return NextFrame(
        int(sequence.frames[place]), number, float(total[place]), "scene_cut" if begins else reason
    )


def reliefs(doubt: np.ndarray, given: np.ndarray, scenes: np.ndarray) -> np.ndarray:
    """What a mask on each frame would take of the doubt away.

    Args:
        doubt: float (T,), in 0..1
        given: bool (T,), the frames whose mask was given
        scenes: int (T,), the scene of each frame

    Returns:
        float (T,)
    """
    now = _distance(np.flatnonzero(given), scenes)
    places = np.arange(len(doubt))
    found = np.zeros(len(doubt))
    for place in places:
        near = np.where(scenes == scenes[place], np.abs(places - place), np.inf)
        with np.errstate(invalid="ignore", divide="ignore"):
            left = np.where(near < now, near / now, 1)  # of the doubt
        found[place] = np.sum(doubt * (1 - left))
    return found


def _distance(given: np.ndarray, scenes: np.ndarray) -> np.ndarray:
    """Frames from each frame to the nearest one of some, in its scene; infinite where there is none."""
    places = np.arange(len(scenes))
    nearest = np.full(len(scenes), np.inf)
    for place in given:
        nearest = np.minimum(nearest, np.where(scenes == scenes[place], np.abs(places - place), np.inf))
    return nearest


def _given(scores: ObjectScores) -> np.ndarray:
    """The frames whose mask was given; the first one with a mask if it is not known which."""
    there = scores.predicted_area > 0
    if scores.prompted.any() or not there.any():
        return scores.prompted
    return np.arange(len(there)) == there.argmax()


def _doubts(scores: ObjectScores, scenes: np.ndarray) -> dict[str, np.ndarray]:
    """The doubt of each frame of an object, by what it comes from; their sum is at most 1."""
    there = scores.predicted_area > 0
    since = np.logical_or.accumulate(there)
    low = np.where(there, 1 - np.nan_to_num(scores.confidence, nan=1.0), 0)
    for event in prediction_events(scores):
        if event.label in _JUMPS:
            low = np.where(event.frames(scores.frames) & there, np.maximum(low, event.severity), low)
    apart = np.where(there, 1 - np.nan_to_num(scores.agreement, nan=1.0), 0) * _blame(scores, scenes)
    return {
        "low_confidence": low,
        "disagreement": np.minimum(apart, 1 - low),
        "vanished": np.where(since & ~there, _GONE, 0.0),
    }


def _blame(scores: ObjectScores, scenes: np.ndarray) -> np.ndarray:
    """How likely it is the prediction that errs, 0..1, where the track back differs: either errs the more,
    the farther it is from where it started."""
    there = np.flatnonzero(scores.predicted_area)
    forth = _distance(np.flatnonzero(_given(scores)), np.zeros_like(scenes))
    forth = np.where(np.isinf(forth), len(scenes), forth)
    back = np.abs(np.arange(len(scenes)) - there[-1]) if len(there) else np.zeros(len(scenes))
    return forth / np.maximum(forth + back, 1)
