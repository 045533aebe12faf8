"""The masks of a sequence that objects can be tracked from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.objects import (
    FrameObject,
    Identity,
    ObjectKey,
    check_same,
    read_objects,
    refuse_shared_label,
)
from fiftyone_hs2s.errors import HS2SError

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.sequences import LabeledSequence
    from fiftyone_hs2s.tracking import Frames

logger = logging.getLogger(__name__)


class DatasetPrompts:
    """The masks of one field of a sequence that objects can be tracked from: :class:`fiftyone_hs2s.tracking.Prompts`.

    The masks of a frame are read when they are asked for, so a video with masks on all of its frames needs no more
    memory than one with a single mask.

    Args:
        read: gives the detections of a frame, by index
        size: the frames' (height, width) in pixels
        keys: the objects with masks on each frame, in order, by index
        identities: who the objects are
        first_number: the frame number of index 0, for messages
        boxes: how many detections have a box but no mask, and are ignored

    Attributes:
        identities: who each object id (1, 2, ...) is
    """

    def __init__(
        self,
        read: Callable[[int], fo.Detections | None],
        size: tuple[int, int],
        keys: dict[int, list[ObjectKey]],
        identities: dict[ObjectKey, Identity],
        first_number: int = 1,
        boxes: int = 0,
    ) -> None:
        self._read, self._size = read, size
        self._numbers = {key: number for number, key in enumerate(identities, start=1)}
        self._ids = {index: [self._numbers[key] for key in found] for index, found in keys.items()}
        self.identities = dict(enumerate(identities.values(), start=1))
        self.first_number, self.boxes = first_number, boxes

    def ids(self) -> Mapping[int, Sequence[int]]:
        """The ids of the objects with masks, by frame index."""
        return self._ids

    def masks(self, index: int) -> Mapping[int, np.ndarray]:
        """The masks of a frame, bool ``(height, width)``, by id."""
        found = read_objects(self._read(index), self._size)
        return {self._numbers[key]: each.mask for key, each in found.items() if key in self._numbers}


def sequence_prompts(sequence: LabeledSequence, field: str, frames: Frames) -> DatasetPrompts:
    """The prompts of a sequence, see :func:`collect_prompts`."""
    labels = ((index, detections) for index, (detections,) in sequence.read(field))
    return collect_prompts(labels, lambda index: sequence.read_at(field, index), frames, sequence.number(0))


def collect_prompts(
    labels: Iterable[tuple[int, fo.Detections | None]],
    read: Callable[[int], fo.Detections | None],
    frames: Frames,
    first_number: int = 1,
) -> DatasetPrompts:
    """Finds the prompts of one video: all masks that objects can be tracked from.

    Args:
        labels: the detections of each labeled frame by 0-based frame index, ascending
        read: gives the detections of one frame again, by index
        frames: the video
        first_number: the frame number of index 0, for messages

    Raises:
        HS2SError: if no frame has a mask, a mask is unusable, or objects cannot be told apart
    """
    census = _Census()
    boxes: list[ObjectKey] = []
    beyond = ""
    for index, detections in labels:
        if index >= len(frames):
            beyond = f" before its last frame, {len(frames) + first_number - 1}: {frames.incomplete or 'it ends there'}"
            logger.warning("Masks after the video's last frame, %d, are left out", len(frames) + first_number - 1)
            break
        try:
            census.add(index, read_objects(detections, frames.size))
        except HS2SError as error:
            raise HS2SError(f"frame {index + first_number}, {error}") from error
        boxes += _bare_boxes(detections)
    if not census.keys:
        if beyond:
            raise HS2SError(f"no frame has a detection with mask pixels{beyond}")
        raise HS2SError("no frame has a detection with mask pixels: mask each object on at least one frame")
    census.check_labels(first_number)
    if never := ", ".join(sorted(f"{key[0]} {key[1]}" for key in {*boxes} - census.identities.keys())):
        logger.warning("Left out, with boxes but no mask on any frame: %s; mask each object on one frame", never)
    return DatasetPrompts(read, frames.size, census.keys, census.named(), first_number, len(boxes))


def _bare_boxes(detections: fo.Detections | None) -> list[ObjectKey]:
    """The object of each detection of a frame that has a box there, but no mask."""
    found = detections.detections if detections else ()
    return [Identity.of(d).key() for d in found if not d.has_mask and any(d.bounding_box or ())]


class _Census:
    """Counts objects over the frames of a video."""

    def __init__(self) -> None:
        self._seen_on: dict[str | int | None, int] = {}
        self._ambiguous: dict[str | int | None, int] = {}
        self._repeated: dict[str | int | None, tuple[int, int]] = {}
        self.identities: dict[ObjectKey, Identity] = {}
        self.keys: dict[int, list[ObjectKey]] = {}
        """The objects on each frame, as they lie there."""

    def add(self, index: int, objects: dict[ObjectKey, FrameObject]) -> None:
        for key, found in objects.items():
            self._note_label(index, key)
            check_same(key, self.identities.setdefault(key, found.identity), found.identity)
        if objects:
            self.keys[index] = list(objects)

    def _note_label(self, index: int, key: ObjectKey) -> None:
        if key[0] != "label":
            return
        label = key[1]
        if len(key) > 2:
            self._ambiguous.setdefault(label, index)
        first = self._seen_on.setdefault(label, index)
        if index != first:
            self._repeated.setdefault(label, (first, index))

    def check_labels(self, first_number: int) -> None:
        """Refuses several objects of one bare label on several frames: which is which?"""
        for label in self._ambiguous.keys() & self._repeated.keys():
            first, second = (index + first_number for index in self._repeated[label])
            refuse_shared_label(label, first, second, otherwise=", or keep the masks of one frame")

    def named(self) -> dict[ObjectKey, Identity]:
        """The identities; objects that share a bare label get a free index.

        Those with no more than a label get an instance: the App colors and lists them by that, or each frame's mask by
        itself.
        """
        taken = {identity.index for identity in self.identities.values()}
        free = (number for number in range(1, len(self.identities) + len(taken) + 1) if number not in taken)
        named = {
            key: replace(identity, index=next(free)) if key[0] == "label" and key[1] in self._ambiguous else identity
            for key, identity in self.identities.items()
        }
        return {key: _with_instance(identity) if key[0] == "label" else identity for key, identity in named.items()}


def _with_instance(identity: Identity) -> Identity:
    return replace(identity, instance=str(fo.Instance().id))
