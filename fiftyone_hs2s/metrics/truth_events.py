"""Why a track failed, from the series of an object with ground truth.

- ``occlusion``: after its first appearance the object's true area is at or below a threshold (0, 50 or 100 px
  in table 4 of the HS2S paper)
- ``partial_occlusion``: the true area is under half of its running median
- ``reappearance``: from the end of an occlusion until the object is tracked again, or until it is gone again
- ``lost``: J is under 0.1 for 3 frames or more while the object is visible
- ``drift``: J is 0.3 or more below the best level so far for 5 frames or more, but not lost
- ``identity_switch``: at least half of the prediction lies on another object, and more than on its own
- ``leak``: the predicted area is over twice the true one
- ``hallucination``: something is predicted while the object is absent
- ``low_score``: mean J&F is under 0.7, and so it is on the frames without the failures above, half of all or
  more

All numbers are fields of ``EventOptions``. Frames without ground truth do not end an interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fiftyone_hs2s.metrics.events import Event, EventOptions, by_frame, running_median, runs
from fiftyone_hs2s.metrics.scores import ObjectScores


def truth_events(scores: ObjectScores, options: EventOptions | None = None) -> list[Event]:
    """The events of an object against its ground truth.

    Severity is what the event costs: the sum of 1 - J over its frames by the number of all annotated frames,
    so by how much the object's mean J would be higher without.

    Details: ``occlusion`` has ``frames`` (annotated ones), ``threshold`` and ``reappears``;
    ``partial_occlusion`` has ``visible_share``, the smallest; ``reappearance`` has ``recovered`` and
    ``frames_to_recover`` (0: on the first frame; None: not); ``drift`` has ``drop``, the largest;
    ``identity_switch`` has ``other_id``; ``leak`` has ``ratio``, the largest.

    Args:
        scores: series of the object
        options: what counts; by default ``EventOptions()``

    Returns:
        the events by first frame
    """
    series = _Annotated(scores, options or EventOptions())
    finders = (
        _occlusions,
        _partial_occlusions,
        _reappearances,
        _lost,
        _drifts,
        _switches,
        _leaks,
        _hallucinations,
    )
    return by_frame(event for find in finders for event in find(series))


def low_score(
    scores: ObjectScores, counted: np.ndarray, failures: Iterable[Event], options: EventOptions | None = None
) -> Event | None:
    """The stretch of frames that a low score comes from, if no failure explains it.

    Of all stretches it is the one over which J&F falls short of the limit by most in sum. Details: ``J`` and
    ``F``, the means over its frames, and ``reason``: ``"poor region"`` if J is under the limit too, else
    ``"poor boundary"``.

    Args:
        scores: series of the object
        counted: bool (T,), the frames that count for its score
        failures: its other failures
        options: what counts; by default ``EventOptions()``
    """
    limit = (options or EventOptions()).low_score
    unexplained = counted.copy()
    for failure in failures:
        unexplained &= ~failure.frames(scores.frames)
    if unexplained.sum() <= counted.sum() / 2 or not all(
        scores.JF[p].mean() < limit for p in (counted, unexplained)
    ):
        return None
    total = np.concatenate([[0.0], np.cumsum(np.where(unexplained, limit - scores.JF, 0.0))])
    stop = int(np.argmax(total - np.minimum.accumulate(total)))
    start = stop - 1 - int(np.argmin(total[:stop][::-1]))
    places = start + np.flatnonzero(unexplained[start:stop])
    j, f = (float(values[places].mean()) for values in (scores.J, scores.F))
    severity = float((1 - scores.J[places]).sum() / scores.annotated.sum())
    details = {"J": j, "F": f, "reason": "poor region" if j < limit else "poor boundary"}
    first, last = (int(scores.frames[place]) for place in places[[0, -1]])
    return Event("low_score", scores.object_id, first, last, severity, details)


class _Annotated:
    """The series of an object on its annotated frames."""

    def __init__(self, scores: ObjectScores, options: EventOptions) -> None:
        known = scores.annotated
        self.scores = scores
        self.options = options
        self.frames, self.J = scores.frames[known], scores.J[known]
        self.truth_area, self.predicted_area = scores.truth_area[known], scores.predicted_area[known]
        self.intersection = scores.intersection[known]
        self.other_id, self.other_area = scores.other_id[known], scores.other_area[known]
        self.visible = self.truth_area > options.occlusion_area
        self.occluded = ~self.visible & np.logical_or.accumulate(self.visible)

    def event(self, label: str, start: int, stop: int, **details: Any) -> Event:
        severity = float((1 - self.J[start:stop]).sum()) / len(self.J)
        first, last = int(self.frames[start]), int(self.frames[stop - 1])
        return Event(label, self.scores.object_id, first, last, severity, details)


def _occlusions(series: _Annotated) -> Iterator[Event]:
    threshold = series.options.occlusion_area
    for start, stop in runs(series.occluded):
        reappears = stop < len(series.frames)
        yield series.event(
            "occlusion", start, stop, frames=stop - start, threshold=threshold, reappears=reappears
        )


def _partial_occlusions(series: _Annotated) -> Iterator[Event]:
    visible = np.flatnonzero(series.visible)
    share = np.ones(len(series.frames))
    median = running_median(series.truth_area[visible], series.options.median_frames)
    share[visible[1:]] = series.truth_area[visible[1:]] / median[:-1]
    for start, stop in runs(share < series.options.partial_share):
        yield series.event("partial_occlusion", start, stop, visible_share=float(share[start:stop].min()))


def _reappearances(series: _Annotated) -> Iterator[Event]:
    for start, stop in runs(series.visible):
        if start == 0 or not series.occluded[start - 1]:
            continue
        tracked = np.flatnonzero(series.J[start:stop] >= series.options.recovered_j)
        delay = int(tracked[0]) if len(tracked) else None
        end = stop if delay is None else start + delay + 1
        yield series.event("reappearance", start, end, recovered=delay is not None, frames_to_recover=delay)


def _lost(series: _Annotated) -> Iterator[Event]:
    for start, stop in runs(series.visible & (series.J < series.options.lost_j)):  # noqa: SIM300
        if stop - start >= series.options.lost_frames:
            yield series.event("lost", start, stop)


def _drifts(series: _Annotated) -> Iterator[Event]:
    """The best level is the largest median of ``drift_frames`` visible frames in a row, of those before
    the frame."""
    options = series.options
    visible = np.flatnonzero(series.visible)
    j = series.J[visible]
    level = running_median(j, options.drift_frames)
    level[: options.drift_frames - 1] = -np.inf  # the given mask of the first frame alone is no level
    best = np.concatenate([[-np.inf], np.maximum.accumulate(level)[:-1]]) if len(j) else level
    for start, stop in runs((j <= best - options.drift_drop) & (j >= options.lost_j)):
        if stop - start >= options.drift_frames:
            drop = float((best - j)[start:stop].max())
            yield series.event("drift", int(visible[start]), int(visible[stop - 1]) + 1, drop=drop)


def _switches(series: _Annotated) -> Iterator[Event]:
    elsewhere = series.other_area >= np.maximum(1, series.options.switch_share * series.predicted_area)
    on_other = elsewhere & (series.other_area > series.intersection)
    for start, stop in runs(on_other):
        ids, counts = np.unique(series.other_id[start:stop], return_counts=True)
        yield series.event("identity_switch", start, stop, other_id=int(ids[counts.argmax()]))


def _leaks(series: _Annotated) -> Iterator[Event]:
    ratio = series.predicted_area / np.maximum(series.truth_area, 1)
    for start, stop in runs(series.visible & (ratio > series.options.leak_ratio)):
        yield series.event("leak", start, stop, ratio=float(ratio[start:stop].max()))


def _hallucinations(series: _Annotated) -> Iterator[Event]:
    for start, stop in runs(~series.visible & (series.predicted_area > series.options.occlusion_area)):
        yield series.event("hallucination", start, stop)
