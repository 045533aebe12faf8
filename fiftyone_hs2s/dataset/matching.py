"""Which predicted object is which true one: by identity, never by overlap."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.labels import ObjectKey, detection_mask
from fiftyone_hs2s.dataset.pieces import Piece
from fiftyone_hs2s.errors import HS2SError

_PATHS = ("detections.instance._id", "detections.index", "detections.label")


class Names(NamedTuple):
    """What a detection calls its object, from the most specific name to the least."""

    instance: str | None
    index: int | None  # type: ignore[assignment]  # a tuple has a method of that name
    label: str | None

    def key(self, kind: str) -> ObjectKey:
        """The object's key: its name of that kind, or the most specific that it has."""
        kinds = (kind, *self._fields)
        return next(((k, name) for k in kinds if (name := getattr(self, k)) is not None), ("label", None))


class FrameObjects(NamedTuple):
    """The objects of a frame as one field shows them."""

    label_map: np.ndarray | None
    """uint8 or uint16 (H, W) with the objects' numbers; None if the field is not set. Where masks overlap, the last
    detection wins."""
    detections: dict[int, list[fo.Detection]]
    """The visible detections of each object: several are its parts."""


class Matching:
    """Numbers the objects of a piece from 1, the same in the truth and in the prediction.

    Both are matched by ``instance`` if they share one, else by ``index``, else by ``label``. True objects come first:
    by index, or as they appear.

    Args:
        piece: the video, clip or group
        truth: field of the ground truth; None if there is none
        prediction: field of the predictions

    Raises:
        HS2SError: if several objects of a frame have nothing but the same label
    """

    def __init__(self, piece: Piece, truth: str | None, prediction: str) -> None:
        self._piece = piece
        true = list(_census(piece, truth)) if truth else []
        predicted = list(_census(piece, prediction))
        self.kind = _shared_kind(true, predicted)
        for number, names in (*true, *predicted) if self.kind == "label" else ():
            self._check_distinct(number, names)
        keys = [list(dict.fromkeys(n.key(self.kind) for _, names in side for n in names)) for side in (true, predicted)]
        if self.kind == "index":
            keys = [sorted(side, key=lambda key: (key[0] != "index", str(key[0]), _sortable(key[1]))) for side in keys]
        self.numbers: dict[ObjectKey, int] = {
            key: number for number, key in enumerate(dict.fromkeys([*keys[0], *keys[1]]), start=1)
        }
        self.num_truth = len(keys[0])
        self.predicted_numbers = [number for number, names in predicted if names]
        self.shares_identity = bool(set(keys[0]) & set(keys[1]))
        self.has_predictions = bool(predicted)
        self.labels = self._labels([*true, *predicted])
        self.names = {
            number: label if index is None else f"{label} {index}" for number, (label, index) in self.labels.items()
        }

    def objects(self, detections: fo.Detections | None) -> FrameObjects:
        """Draws a frame's detections as a label map.

        Raises:
            HS2SError: if a mask is unusable
        """
        if detections is None:
            return FrameObjects(None, {})
        dtype = np.uint8 if len(self.numbers) < 255 else np.uint16
        label_map = np.zeros(self._piece.size, dtype)
        visible: dict[int, list[fo.Detection]] = {}
        for detection in detections.detections:
            mask = detection_mask(detection, self._piece.size)
            if mask is not None:
                number = self.numbers[names_of(detection).key(self.kind)]
                label_map[mask] = number
                visible.setdefault(number, []).append(detection)
        return FrameObjects(label_map, visible)

    def name(self, number: int) -> str:
        """What to call an object: its label, with its index if it has one."""
        return self.names.get(number, f"object {number}")

    def _labels(self, census: list[tuple[int, list[Names]]]) -> dict[int, tuple[str, int | None]]:
        """Label and index of each object, as it is first called."""
        labels: dict[int, tuple[str, int | None]] = {}
        for _, frame in census:
            for names in frame:
                labels.setdefault(self.numbers[names.key(self.kind)], (names.label or "object", names.index))
        return labels

    def _check_distinct(self, number: int, names: list[Names]) -> None:
        keys = [n.key(self.kind) for n in names]
        if repeated := next((key[1] for key in keys if key[0] == "label" and keys.count(key) > 1), None):
            raise HS2SError(
                f"several detections of frame {number} have only the label {repeated!r}: "
                "set their `index` or `instance` so that they can be told apart"
            )


def names_of(detection: fo.Detection) -> Names:
    """What a detection calls its object."""
    instance = None if detection.instance_id is None else str(detection.instance_id)
    return Names(instance, detection.index, detection.label)


def _census(piece: Piece, field: str) -> Iterator[tuple[int, list[Names]]]:
    """The names on each frame that has the field, without reading masks."""
    columns = piece.values(*(f"{field}.{path}" for path in _PATHS))
    numbers = piece.values("frame_number")[0] if piece.is_video else range(1, len(columns[0]) + 1)
    for number, *frame in zip(numbers, *columns, strict=True):
        if frame[2] is not None:
            rows = zip(*(names or [None] * len(frame[2]) for names in frame), strict=True)
            yield number, [Names(None if i is None else str(i), index, label) for i, index, label in rows]


def _shared_kind(true: list[tuple[int, list[Names]]], predicted: list[tuple[int, list[Names]]]) -> str:
    if not true:
        return "instance"
    for kind in Names._fields:
        sides = [{getattr(names, kind) for _, frame in side for names in frame} - {None} for side in (true, predicted)]
        if sides[0] & sides[1]:
            return kind
    return "index"


def _sortable(value: str | int | None) -> tuple[bool, int, str]:
    return not isinstance(value, int), value if isinstance(value, int) else 0, str(value)
