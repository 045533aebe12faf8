"""Propagation within one field: the keyframes in it are the prompts, and stay as they are; boxes get
the masks that are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, cast

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.find_sequences import find_sequences, whole_sequences
from fiftyone_hs2s.dataset.objects import ObjectKey, is_prompt
from fiftyone_hs2s.dataset.propagate.keyframes import (
    ObjectTrack,
    completed,
    is_box,
    is_keyframe,
    is_ours,
    merged,
    read_tracks,
)
from fiftyone_hs2s.dataset.sequences import LabeledSequence


def find_in_place(samples: Samples, field: str) -> list[LabeledSequence]:
    """The sequences of samples, with a field of which propagation reads the keyframes and writes the rest."""
    wholes = {sequence.sample_id: sequence for sequence in whole_sequences(samples)}
    found = (InPlace(sequence, wholes[sequence.sample_id], field) for sequence in find_sequences(samples))
    return [cast("LabeledSequence", sequence) for sequence in found]


class InPlace:
    """A sequence of which only keyframes and boxes are seen, and only what runs of ours made is replaced;
    else as it is.

    Args:
        sequence: the sequence, whose filters hold for what is read
        whole: the same without filters, and not cut to a clip
        field: the field
    """

    def __init__(self, sequence: LabeledSequence, whole: LabeledSequence, field: str) -> None:
        self._sequence, self._whole, self._field = sequence, whole, field
        self._start = sequence.number(0) - whole.number(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sequence, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return InPlace, (self._sequence, self._whole, self._field)

    def read(self, field: str) -> Iterator[tuple[int, tuple[fo.Detections | None]]]:
        """The keyframes and boxes of each labeled frame, by its index."""
        return ((index, (_prompts(labels),)) for index, (labels,) in self._sequence.read(field))

    def read_at(self, field: str, index: int) -> fo.Detections | None:
        """The keyframes and boxes of one frame."""
        return _prompts(self._sequence.read_at(field, index))

    def write(self, field: str, labels: Mapping[int, fo.Detections]) -> None:
        """Writes what a run found beside what is to stay."""
        new = {
            index: merged(self._there(index), found.detections, self.tracks)
            for index, found in labels.items()
        }
        self._sequence.write(field, new)

    def has_labels(self, field: str) -> bool:
        """Whether any frame has a label that a run of ours made."""
        return any(True for _ in self._ours())

    def clear(self, field: str) -> None:
        """Removes what runs of ours made."""
        for index in list(self._ours()):
            labels = self._there(index)
            kept = [d for d in (labels.detections if labels else ()) if not is_ours(d)]
            self._sequence.write(field, {index: fo.Detections(detections=kept)})

    @cached_property
    def tracks(self) -> dict[ObjectKey, ObjectTrack]:
        """The objects with keyframes."""
        return read_tracks(
            ((index, labels) for index, (labels,) in self.read(self._field)), self._sequence.number(0)
        )

    def completed(self, labels: Iterable[tuple[int, fo.Detections]]) -> Iterator[tuple[int, fo.Detections]]:
        """What is tracked, with the labels of persons that the prompts were made of in their place."""
        for index, found in labels:
            if any(is_prompt(d) for d in found.detections):
                there = self._there(index)
                own = there.detections if there else []
                found.detections = [completed(own, d) if is_prompt(d) else d for d in found.detections]
            yield index, found

    def _there(self, index: int) -> fo.Detections | None:
        return self._whole.read_at(self._field, index + self._start)

    def _ours(self) -> Iterator[int]:
        """The frames of the sequence that hold what runs of ours made."""
        for index, (labels,) in self._whole.read(self._field):
            inside = self._sequence.shows(self._whole.number(index))
            if inside and labels and any(is_ours(d) for d in labels.detections):
                yield index - self._start


def keyframes_in(sequence: LabeledSequence) -> Mapping[ObjectKey, ObjectTrack]:
    """The keyframes of a sequence of :func:`find_in_place`; none of another one."""
    return sequence.tracks if isinstance(sequence, InPlace) else {}


def labels_for(
    sequence: LabeledSequence, labels: Iterable[tuple[int, fo.Detections]]
) -> Iterable[tuple[int, fo.Detections]]:
    """What is tracked of a sequence, as it is to be written: see :meth:`InPlace.completed`."""
    return sequence.completed(labels) if isinstance(sequence, InPlace) else labels


def _prompts(labels: fo.Detections | None) -> fo.Detections | None:
    return labels and fo.Detections(detections=[d for d in labels.detections if is_keyframe(d) or is_box(d)])
