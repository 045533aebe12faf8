"""Who is in a field, read without masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import fiftyone as fo

from fiftyone_hs2s.dataset.frame_paths import joined_path
from fiftyone_hs2s.dataset.objects import Identity

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.sequences import LabeledSequence


def list_names(samples: fo.Dataset | fo.DatasetView, field: str, most: int = 10) -> list[str]:
    """The names of the objects in a field, by label and index.

    Args:
        samples: videos, clips, or images
        field: the field with the detections, with ``frames.`` where it is one of frames
        most: how many of the samples are looked at
    """
    path = joined_path(field)
    rows = samples[:most].values([f"{path}.detections.{part}" for part in ("label", "index")])
    found = {
        pair
        for labels, indices in zip(*rows, strict=True)
        for pair in zip(labels or (), indices or (), strict=True)
    }
    ordered = sorted(found, key=lambda pair: (pair[0] or "", -1 if pair[1] is None else pair[1]))
    return [Identity(label, index).name for label, index in ordered]


Census = list[tuple[int, list[Identity]]]
"""The objects that the detections of each frame name, by frame index."""


def census(sequence: LabeledSequence, field: str) -> Iterator[tuple[int, list[Identity]]]:
    """Who is on each frame that has the field, by frame index, without reading masks."""
    paths = ("label", "index", "instance._id")
    for index, columns in sequence.read(*(f"{field}.detections.{path}" for path in paths)):
        nothing = [None] * len(columns[0])
        rows = zip(*(column or nothing for column in columns), strict=True)
        yield index, [Identity(label, number, instance and str(instance)) for label, number, instance in rows]
