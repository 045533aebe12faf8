"""Which predicted object is which true one: by identity, never by overlap."""

from __future__ import annotations

from collections.abc import Iterator

import fiftyone as fo

from fiftyone_hs2s.dataset.objects import (
    KINDS,
    FrameObjects,
    Identity,
    ObjectKey,
    check_distinct,
    read_identities,
    render,
)
from fiftyone_hs2s.dataset.pieces import Piece

Census = list[tuple[int, list[Identity]]]
"""The objects that the detections of each frame name, by frame number."""

_PATHS = ("detections.label", "detections.index", "detections.instance._id")


class Matching:
    """Numbers the objects of a piece from 1, the same in the truth and in the prediction.

    Both are matched by ``instance`` if they share one, else by ``index``, else by ``label``. True objects come first:
    by index, else as they appear, whatever they are matched by, so that their numbers are the same in all evaluations.

    Args:
        piece: the video, clip or group
        truth: field of the ground truth; None if there is none
        prediction: field of the predictions

    Raises:
        HS2SError: if several objects of a frame have nothing but the same label
    """

    def __init__(self, piece: Piece, truth: str | None, prediction: str) -> None:
        self._piece = piece
        true = list(census(piece, truth)) if truth else []
        predicted = list(census(piece, prediction))
        self.kind = _shared_kind(true, predicted)
        for number, names in (*true, *predicted) if self.kind == "label" else ():
            check_distinct([identity.key("label") for identity in names], number)
        keys = [keys_in_order(side, self.kind) for side in (true, predicted)]
        self.numbers: dict[ObjectKey, int] = {
            key: number for number, key in enumerate(dict.fromkeys([*keys[0], *keys[1]]), start=1)
        }
        self.num_truth = len(keys[0])
        self.predicted_numbers = [number for number, names in predicted if names]
        self.shares_identity = bool(set(keys[0]) & set(keys[1]))
        self.has_predictions = bool(predicted)
        self.labels = self._labels([*true, *predicted])
        self.names = {number: _name(*names) for number, names in self.labels.items()}

    def objects(self, detections: fo.Detections | None) -> FrameObjects:
        """Draws a frame's detections as a label map.

        Raises:
            HS2SError: if a mask is unusable
        """
        return render(detections, self._piece.size, lambda key: self.numbers[key[:2]], self.kind)

    def name(self, number: int) -> str:
        """What to call an object: its label, with its index if it has one."""
        return self.names.get(number, f"object {number}")

    def _labels(self, found: Census) -> dict[int, tuple[str, int | None]]:
        """Label and index of each object, as it is first called."""
        labels: dict[int, tuple[str, int | None]] = {}
        for _, frame in found:
            for names in frame:
                labels.setdefault(self.numbers[names.key(self.kind)], (names.label or "object", names.index))
        return labels


def census(piece: Piece, field: str) -> Iterator[tuple[int, list[Identity]]]:
    """The names on each frame that has the field, without reading masks."""
    columns = piece.values(*(f"{field}.{path}" for path in _PATHS))
    numbers = piece.values("frame_number")[0] if piece.is_video else range(1, len(columns[0]) + 1)
    for number, *frame in zip(numbers, *columns, strict=True):
        if frame[0] is not None:
            yield number, read_identities(*frame)


def _shared_kind(true: Census, predicted: Census) -> str:
    if not true:
        return KINDS[0]
    for kind in KINDS:
        sides = [{getattr(names, kind) for _, frame in side for names in frame} - {None} for side in (true, predicted)]
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
