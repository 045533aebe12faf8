"""Puts the scores of an evaluation into the dataset, many at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.evaluate.scoring import ObjectLabels, ScoredSequence
from fiftyone_hs2s.dataset.frame_paths import frame_path
from fiftyone_hs2s.metrics import ObjectScores, Protocol
from fiftyone_hs2s.metrics.protocols import counted_frames, scored_ids

SCORES = ("J", "F", "JF")
COUNTS = ("tp", "fp", "fn")
_FLUSH = 1000
"""Labels, frames and samples that are written at once."""


class LabelScore(NamedTuple):
    """One object on one counted frame on which it is true or predicted."""

    frame_id: str
    labels: ObjectLabels
    j: float
    f: float
    hit: bool
    """Whether it is true, predicted, and J reaches the threshold."""

    def statuses(self) -> tuple[str | None, str | None]:
        """What the true and the predicted labels are: ``tp``, ``fn`` and ``fp``."""
        truth = ("tp" if self.hit else "fn") if self.labels.truth else None
        predicted = ("tp" if self.hit else "fp") if self.labels.predicted else None
        return truth, predicted

    def matches(self) -> Iterator[tuple]:
        """Rows ``(true label, predicted label, iou, confidence, true id, predicted id)`` as FiftyOne's
        results take."""
        truth, predicted = self.labels.truth[:1], self.labels.predicted[:1]
        true_part = [(d.label or "object", d.id) for d in truth]
        predicted_part = [(d.label or "object", d.confidence, d.id) for d in predicted]
        if self.hit:
            (true_label, true_id), (label, confidence, predicted_id) = true_part[0], predicted_part[0]
            yield true_label, label, self.j, confidence, true_id, predicted_id
            return
        yield from ((label, None, None, None, label_id, None) for label, label_id in true_part)
        yield from (
            (None, label, None, confidence, None, label_id) for label, confidence, label_id in predicted_part
        )


def label_scores(scored: ScoredSequence, protocol: Protocol, iou: float) -> Iterator[LabelScore]:
    """The objects on the frames that count, and predicted objects that are not in the truth at all."""
    sequence = scored.sequence
    for number in (*scored_ids(sequence, protocol), *sequence.extra_ids):
        scores = sequence.objects[number]
        for k in np.flatnonzero(counted_frames(scores, protocol)):
            labels = scored.labels[k].get(number)
            if labels:
                j = float(scores.J[k])
                hit = bool(labels.truth and labels.predicted) and j >= iou
                yield LabelScore(scored.frame_ids[k], labels, j, float(scores.F[k]), hit)


def frame_means(scored: ScoredSequence, protocol: Protocol) -> dict[str, dict[str, float]]:
    """Mean J, F and J&F of the objects that count, by score and frame id."""
    objects = [scored.sequence.objects[number] for number in scored_ids(scored.sequence, protocol)]
    counted = np.array([counted_frames(scores, protocol) for scores in objects], bool).reshape(
        -1, len(scored.frame_ids)
    )
    places = np.flatnonzero(counted.any(0))
    return {name: _means(objects, name, counted, places, scored.frame_ids) for name in SCORES}


def _means(
    objects: list[ObjectScores], name: str, counted: np.ndarray, places: np.ndarray, frame_ids: list[str]
) -> dict[str, float]:
    values = np.array([getattr(scores, name) for scores in objects]).reshape(counted.shape)
    return {frame_ids[k]: float(values[counted[:, k], k].mean()) for k in places}


class Writer:
    """Collects values and writes them with few queries.

    Args:
        dataset: the dataset, or a view with all samples that may be scored
        key: the evaluation's key
        truth: field of the ground truth, without ``frames.``
        prediction: field of the predictions
        is_video: whether the fields are those of frames
    """

    def __init__(
        self, dataset: fo.Dataset | fo.DatasetView, key: str, truth: str, prediction: str, is_video: bool
    ) -> None:
        self._dataset, self._key, self._is_video = dataset, key, is_video
        self._fields = {"truth": truth, "predicted": prediction}
        self._labels: defaultdict[str, list[dict]] = defaultdict(list)
        self._frames: defaultdict[str, dict[str, float | int]] = defaultdict(dict)

    def add_labels(self, score: LabelScore) -> None:
        """Takes the values of an object's labels."""
        sides = {
            "truth": (score.labels.truth, score.labels.predicted),
            "predicted": (score.labels.predicted, score.labels.truth),
        }
        for (side, (own, other)), status in zip(sides.items(), score.statuses(), strict=True):
            both = bool(own and other)
            values = {"": status, "_id": other[0].id if score.hit else "", "_iou": score.j if both else None}
            if side == "predicted":
                values |= {"_F": score.f, "_JF": (score.j + score.f) / 2}
            for label in own:
                for suffix, value in values.items():
                    self._add_label(side, suffix, score.frame_id, label.id, value)

    def _add_label(
        self, side: str, suffix: str, frame_id: str, label_id: str, value: str | float | None
    ) -> None:
        path = frame_path(f"{self._fields[side]}.detections.{self._key}{suffix}", self._is_video)
        owner = "frame_id" if self._is_video else "sample_id"
        self._labels[path].append({owner: frame_id, "label_id": label_id, "value": value})
        if len(self._labels[path]) >= _FLUSH:
            self._dataset.set_label_values(path, self._labels.pop(path), skip_none=True)

    def add_frames(self, name: str, values: dict[str, float] | dict[str, int]) -> None:
        """Takes a field's values by frame id."""
        self._frames[name].update(values)
        if len(self._frames[name]) >= _FLUSH:
            self._write_frames(name)

    def add_samples(self, name: str, values: Mapping[str, float | None]) -> None:
        """Writes a field's values by sample id."""
        rows = iter(values.items())
        while part := dict(islice(rows, _FLUSH)):
            self._dataset.set_values(f"{self._key}_{name}", part, key_field="id")

    def flush(self) -> None:
        """Writes what is left."""
        for path, rows in self._labels.items():
            self._dataset.set_label_values(path, rows, skip_none=True)
        for name in list(self._frames):
            self._write_frames(name)
        self._labels.clear()

    def _write_frames(self, name: str) -> None:
        if values := self._frames.pop(name):
            path = frame_path(f"{self._key}_{name}", self._is_video)
            self._dataset.set_values(path, values, key_field=frame_path("id", self._is_video))
