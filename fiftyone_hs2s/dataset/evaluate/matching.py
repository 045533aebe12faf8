"""Which predicted object is which true one: by identity, or by overlap where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping

import fiftyone as fo

from fiftyone_hs2s.dataset.census import Census, census
from fiftyone_hs2s.dataset.objects import (
    KINDS,
    FrameObjects,
    ObjectKey,
    check_distinct,
    read_objects,
    render,
)
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics.first_frame_match import FirstFrames, Match, match_problem


class Matching:
    """Numbers the objects of a sequence from 1, the same in the truth and in the prediction.

    By identity both are matched by ``instance`` if they share one, else by ``index``, else by ``label``.
    Where predictions have lost their identity, ``first_frame`` matches by overlap, see :class:`FirstFrames`.
    True objects come first: by index, else as they appear, whatever they are matched by, so that their
    numbers are the same in all evaluations.

    Args:
        sequence: the video, clip or group
        truth: field of the ground truth; None if there is none
        prediction: field of the predictions
        match: ``identity`` or ``first_frame``

    Raises:
        HS2SError: if several objects of a frame have nothing but the same label, or a mask is unusable
    """

    def __init__(
        self, sequence: LabeledSequence, truth: str | None, prediction: str, match: str = "identity"
    ) -> None:
        self._sequence = sequence
        true = list(census(sequence, truth)) if truth else []
        predicted = list(census(sequence, prediction))
        self.by_overlap = by_overlap = bool(truth) and match == "first_frame"
        self.kind = KINDS[0] if by_overlap else _shared_kind(true, predicted)
        for index, names in (*true, *predicted) if by_overlap or self.kind == "label" else ():
            check_distinct([identity.key(self.kind) for identity in names], sequence.number(index))
        keys = [keys_in_order(side, self.kind) for side in (true, predicted)]
        self.matches = _overlaps(sequence, truth, prediction) if truth and by_overlap else {}
        """What each true object was matched with by overlap."""
        same = {found.predicted: key for key, found in self.matches.items()}
        same = same if by_overlap else {key: key for key in keys[1] if key in keys[0]}
        self._true: dict[ObjectKey, int] = {key: number for number, key in enumerate(keys[0], start=1)}
        others = (key for key in keys[1] if key not in same)
        self._predicted = {key: self._true[same[key]] for key in keys[1] if key in same}
        self._predicted |= {key: number for number, key in enumerate(others, start=len(keys[0]) + 1)}
        self.num_truth = len(keys[0])
        self.predicted_indices = [index for index, names in predicted if names]
        """The frames that have predictions."""
        self.shares_identity = bool(same)
        self.has_predictions = bool(predicted)
        self.labels = {**self._labels(predicted, self._predicted), **self._labels(true, self._true)}
        self.labels = dict(sorted(self.labels.items()))
        self.names = {number: _name(*names) for number, names in self.labels.items()}

    def objects(self, detections: fo.Detections | None, true: bool = False) -> FrameObjects:
        """Draws a frame's detections as a label map, without objects of another run that this one lacks.

        Args:
            detections: the frame's
            true: whether they are the truth

        Raises:
            HS2SError: if a mask is unusable
        """
        numbers = self._true if true else self._predicted
        return render(detections, self._sequence.size, lambda key: numbers.get(key[:2]), self.kind)

    @property
    def doubts(self) -> str | None:
        """What is doubtful about objects matched by overlap, in words."""
        return match_problem({key: self.name(number) for key, number in self._true.items()}, self.matches)

    @property
    def matched_names(self) -> dict[int, str]:
        """By number, what true objects were matched with by overlap: ``index 0, J 0.97``."""
        return {
            self._true[key]: f"{found.predicted[0]} {found.predicted[1]}, J {found.J:.2f}"
            for key, found in self.matches.items()
        }

    def name(self, number: int) -> str:
        """What to call an object: its label, with its index if it has one."""
        return self.names.get(number, f"object {number}")

    def _labels(self, found: Census, numbers: Mapping[ObjectKey, int]) -> dict[int, tuple[str, int | None]]:
        """Label and index of each object, as it is first called."""
        labels: dict[int, tuple[str, int | None]] = {}
        for _, frame in found:
            for names in frame:
                labels.setdefault(numbers[names.key(self.kind)], (names.label or "object", names.index))
        return labels


def _overlaps(sequence: LabeledSequence, truth: str, prediction: str) -> dict[ObjectKey, Match[ObjectKey]]:
    """What each true object is matched with, by its key."""
    found: FirstFrames[ObjectKey, ObjectKey] = FirstFrames()
    for index, (true, predicted) in sequence.read(truth, prediction):
        try:
            shown = read_objects(true, sequence.size)
            if predicted is not None and found.new(shown):
                others = read_objects(predicted, sequence.size)
                found.update(*({key: o.mask for key, o in side.items()} for side in (shown, others)))
        except HS2SError as error:
            raise HS2SError(f"frame {sequence.number(index)}: {error}") from error
    return found.finish()


def _shared_kind(true: Census, predicted: Census) -> str:
    if not true:
        return KINDS[0]
    for kind in KINDS:
        sides = [
            {getattr(names, kind) for _, frame in side for names in frame} - {None}
            for side in (true, predicted)
        ]
        if sides[0] & sides[1]:
            return kind
    return "index"


def _name(label: str, index: int | None) -> str:
    """The label, with the index unless it ends with that."""
    return label if index is None or label.endswith(f" {index}") else f"{label} {index}"


def keys_in_order(found: Census, kind: str) -> list[ObjectKey]:
    """The objects by the index that each has where it first appears."""
    first: dict[ObjectKey, int | None] = {}
    for _, frame in found:
        for names in frame:
            first.setdefault(names.key(kind), names.index)
    return sorted(first, key=lambda key: (first[key] is None, first[key] or 0))
