"""What objects of a sequence can be tracked from: masks as they are, and masks made of boxes and points."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.frame_paths import frame_path
from fiftyone_hs2s.dataset.objects import (
    FrameObject,
    Identity,
    ObjectKey,
    check_same,
    refuse_shared_label,
)
from fiftyone_hs2s.dataset.propagate.made_masks import MadeMask, make_masks
from fiftyone_hs2s.dataset.propagate.prompt_readers import FramePrompts, HintedObject, read_frame
from fiftyone_hs2s.errors import HS2SError

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.sequences import LabeledSequence
    from fiftyone_hs2s.mask_makers import MaskMaker
    from fiftyone_hs2s.tracking import Frames

Values = Any
"""The values of the prompt fields of a frame."""

logger = logging.getLogger(__name__)


class DatasetPrompts:
    """The masks of one field of a sequence that objects can be tracked from:
    :class:`fiftyone_hs2s.tracking.Prompts`.

    The masks of a frame are read when they are asked for, so a video with masks on all of its frames needs no
    more memory than one with a single mask.

    Args:
        read: gives the detections of a frame, by index
        size: the frames' (height, width) in pixels
        keys: the objects with masks on each frame, in order, by index
        identities: who the objects are
        first_number: the frame number of index 0, for messages
        boxes: how many boxes have no mask, and are ignored
        made: the masks that were made of boxes and points

    Attributes:
        identities: who each object id (1, 2, ...) is
        origins: what the mask of an object was made of, and by what, by its id
    """

    def __init__(
        self,
        read: Callable[[int], FramePrompts],
        size: tuple[int, int],
        keys: dict[int, list[ObjectKey]],
        identities: dict[ObjectKey, Identity],
        first_number: int = 1,
        boxes: int = 0,
        made: Mapping[ObjectKey, MadeMask] | None = None,
    ) -> None:
        self._read, self._size, self._made = read, size, made or {}
        self._numbers = {key: number for number, key in enumerate(identities, start=1)}
        self._ids = {index: [self._numbers[key] for key in found] for index, found in keys.items()}
        self.identities = dict(enumerate(identities.values(), start=1))
        self.first_number, self.boxes = first_number, boxes
        self.origins = {self._numbers[key]: each.origin for key, each in self._made.items()}

    def ids(self) -> Mapping[int, Sequence[int]]:
        """The ids of the objects with masks, by frame index."""
        return self._ids

    def masks(self, index: int) -> Mapping[int, np.ndarray]:
        """The masks of a frame, bool ``(height, width)``, by id."""
        masks = {self._numbers[key]: each.mask() for key, each in self._made.items() if each.index == index}
        if set(self._ids[index]) <= masks.keys():
            return masks
        found = self._read(index).masks
        return masks | {self._numbers[key]: each.mask for key, each in found.items() if key in self._numbers}


def sequence_prompts(
    sequence: LabeledSequence,
    fields: str | Sequence[str],
    frames: Frames,
    maker: MaskMaker | None = None,
    backward: bool = False,
) -> DatasetPrompts:
    """The prompts of a sequence, see :func:`collect_prompts`.

    Args:
        sequence: the sequence
        fields: the field, or fields, with what objects start from
        frames: its frames
        maker: makes masks of boxes and points; None if these are ignored
        backward: whether an object of which only boxes or points are known starts at its last one
    """
    names = (fields,) if isinstance(fields, str) else tuple(fields)
    targets = {name: mask_targets(sequence, name) for name in names}

    def read(values: Sequence[fo.Label | None]) -> FramePrompts:
        return read_frame(dict(zip(names, values, strict=True)), frames.size, targets.__getitem__)

    return collect_prompts(
        sequence.read(*names),
        read,
        lambda index: [sequence.read_at(name, index) for name in names],
        frames,
        sequence.number(0),
        maker,
        backward,
    )


def mask_targets(sequence: LabeledSequence, field: str) -> Mapping[int, str]:
    """The names that the dataset has for the values of a segmentation field."""
    dataset = sequence.dataset
    paths = (frame_path(field, sequence.is_video), field)
    found = next((dataset.mask_targets[path] for path in paths if path in dataset.mask_targets), None)
    named = found or dataset.default_mask_targets or {}
    return {
        int(value[1:], 16) if str(value).startswith("#") else int(value): name
        for value, name in named.items()
    }


def collect_prompts(
    labels: Iterable[tuple[int, Values]],
    read: Callable[[Values], FramePrompts],
    read_at: Callable[[int], Values],
    frames: Frames,
    first_number: int = 1,
    maker: MaskMaker | None = None,
    backward: bool = False,
) -> DatasetPrompts:
    """Finds the prompts of one video: all masks that objects can be tracked from.

    An object that no frame has a mask of starts from its first box or points, or the last ones when tracking
    backward. Boxes of an object that has a mask somewhere are no prompts: the App itself puts such on later
    frames of a track.

    Args:
        labels: the labels of each labeled frame by 0-based frame index, ascending, in any form that ``read``
            takes
        read: what the labels of a frame say
        read_at: gives the labels of one frame again, by index
        frames: the video
        first_number: the frame number of index 0, for messages
        maker: makes masks of boxes and points; None if these are ignored
        backward: see above

    Raises:
        HS2SError: if no frame has a mask, a label is unusable, or objects cannot be told apart
    """
    census = _Census()
    boxes: list[ObjectKey] = []
    hinted: dict[ObjectKey, tuple[int, HintedObject]] = {}
    beyond = ""
    for index, values in labels:
        if index >= len(frames):
            beyond = (
                f" before its last frame, {len(frames) + first_number - 1}:"
                f" {frames.incomplete or 'it ends there'}"
            )
            logger.warning(
                "Masks after the video's last frame, %d, are left out", len(frames) + first_number - 1
            )
            break
        try:
            found = read(values)
            census.add(index, found.masks)
        except HS2SError as error:
            raise HS2SError(f"frame {index + first_number}, {error}") from error
        boxes += found.hints
        for key, each in found.hints.items():
            if backward or key not in hinted:
                hinted[key] = index, each
    made: dict[ObjectKey, MadeMask] = {}
    if maker is not None:
        wanted = {key: found for key, found in hinted.items() if key[:2] not in census.known}
        made = make_masks(maker, frames, wanted, first_number)
        census.add_made(made)
        boxes = [key for key in boxes if key not in made]
    if not census.keys:
        raise HS2SError(_nothing(bool(boxes) and maker is None, beyond))
    census.check_labels(first_number)
    if never := ", ".join(sorted(f"{key[0]} {key[1]}" for key in {*boxes} - census.identities.keys())):
        logger.warning(
            "Left out, with boxes but no mask on any frame: %s; mask each object on one frame", never
        )
    again = functools.partial(_again, read, read_at)
    return DatasetPrompts(again, frames.size, census.keys, census.named(), first_number, len(boxes), made)


def _nothing(boxes: bool, beyond: str) -> str:
    """Why there is nothing to start from."""
    if beyond or not boxes:
        fix = beyond or ": mask each object on at least one frame"
        return f"no frame has a detection with mask pixels{fix}"
    return "no frame has a mask, only boxes or points: choose a mask maker, or draw masks"


def _again(
    read: Callable[[Values], FramePrompts], read_at: Callable[[int], Values], index: int
) -> FramePrompts:
    return read(read_at(index))


class _Census:
    """Counts objects over the frames of a video."""

    def __init__(self) -> None:
        self._seen_on: dict[str | int | None, int] = {}
        self._ambiguous: dict[str | int | None, int] = {}
        self._repeated: dict[str | int | None, tuple[int, int]] = {}
        self.identities: dict[ObjectKey, Identity] = {}
        self.keys: dict[int, list[ObjectKey]] = {}
        """The objects on each frame, as they lie there."""

    @property
    def known(self) -> set[ObjectKey]:
        """The objects that some frame has a mask of; those that have only a label, by that."""
        return {key[:2] for key in self.identities}

    def add_made(self, made: Mapping[ObjectKey, MadeMask]) -> None:
        """Adds objects whose masks were made."""
        for key, each in made.items():
            self._note_label(each.index, key)
            self.identities[key] = each.identity
            self.keys.setdefault(each.index, []).append(key)
        self.keys = dict(sorted(self.keys.items()))

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

        Those with no more than a label get an instance: the App colors and lists them by that, or each
        frame's mask by itself.
        """
        taken = {identity.index for identity in self.identities.values()}
        free = (number for number in range(1, len(self.identities) + len(taken) + 1) if number not in taken)
        named = {
            key: (
                replace(identity, index=next(free))
                if key[0] == "label" and key[1] in self._ambiguous
                else identity
            )
            for key, identity in self.identities.items()
        }
        return {
            key: _with_instance(identity) if key[0] == "label" else identity
            for key, identity in named.items()
        }


def _with_instance(identity: Identity) -> Identity:
    return replace(identity, instance=str(fo.Instance().id))
