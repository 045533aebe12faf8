"""Which masks of a sample start the tracking, and where."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, cast

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.choices import Direction, PromptMode
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
    from fiftyone_hs2s.tracking import Frames

logger = logging.getLogger(__name__)


class StoredMask:
    """A mask that is read from the dataset whenever it is used as an array.

    A video with masks on all of its frames thus needs no more memory than one with a single mask.

    Args:
        read: gives the mask, bool ``(height, width)``
    """

    def __init__(self, read: Callable[[], np.ndarray]) -> None:
        self._read = read

    def __array__(self, dtype: np.typing.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._read(), dtype)

    def any(self, *_: object, **__: object) -> bool:
        """True, for ``np.any()``: absent objects have been left out, so there is no need to look."""
        return True


@dataclass(frozen=True)
class Prompts:
    """Where the tracking of one video starts.

    Attributes:
        masks: the masks by 0-based frame index and object id (1, 2, ...), as the tracker takes them; in fact each is
            a :class:`StoredMask`
        identities: who each object id is
        first_number: the frame number of index 0, for messages
        boxes: how many detections have a box but no mask, and are ignored
    """

    masks: dict[int, dict[int, np.ndarray]]
    identities: dict[int, Identity]
    first_number: int = 1
    boxes: int = 0


def collect_prompts(
    labels: Iterable[tuple[int, fo.Detections | None]],
    read: Callable[[int], fo.Detections | None],
    frames: Frames,
    mode: PromptMode,
    direction: Direction,
    first_number: int = 1,
) -> Prompts:
    """Finds the prompts of one video.

    Args:
        labels: the detections of each labeled frame by 0-based frame index, ascending
        read: gives the detections of one frame again, by index
        frames: the video
        mode: ``"first"`` takes each object from its first mask (its last one when tracking backward), ``"all"``
            re-anchors it on every frame that has a mask of it
        direction: ``"forward"``, ``"backward"`` or ``"both"``
        first_number: the frame number of index 0, for messages

    Returns:
        the prompts

    Raises:
        HS2SError: if no frame has a mask, a mask is unusable, or objects cannot be told apart
    """
    census = _Census(mode, direction)
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
    if not census.anchors:
        if beyond:
            raise HS2SError(f"no frame has a detection with mask pixels{beyond}")
        raise HS2SError("no frame has a detection with mask pixels: mask each object on at least one frame")
    census.check_labels(first_number)
    if never := ", ".join(sorted(f"{key[0]} {key[1]}" for key in {*boxes} - census.anchors.keys())):
        logger.warning("Left out, with boxes but no mask on any frame: %s; mask each object on one frame", never)
    ids = {key: number for number, key in enumerate(census.identities, start=1)}

    @lru_cache(maxsize=1)
    def objects_on(index: int) -> dict[ObjectKey, FrameObject]:
        return read_objects(read(index), frames.size)

    masks: dict[int, dict[int, np.ndarray]] = {}
    for index, key in census.anchored():
        mask = StoredMask(partial(lambda i, k: objects_on(i)[k].mask, index, key))
        masks.setdefault(index, {})[ids[key]] = cast("np.ndarray", mask)
    identities = {ids[key]: identity for key, identity in census.named().items()}
    return Prompts(masks, identities, first_number, len(boxes))


def _bare_boxes(detections: fo.Detections | None) -> list[ObjectKey]:
    """The object of each detection of a frame that has a box there, but no mask."""
    found = detections.detections if detections else ()
    return [Identity.of(d).key() for d in found if not d.has_mask and any(d.bounding_box or ())]


class _Census:
    """Counts objects over the frames of a video."""

    def __init__(self, mode: PromptMode, direction: Direction) -> None:
        self._mode = mode
        self._backward = direction == "backward"
        self._seen_on: dict[str | int | None, int] = {}
        self._ambiguous: dict[str | int | None, int] = {}
        self._repeated: dict[str | int | None, tuple[int, int]] = {}
        self.identities: dict[ObjectKey, Identity] = {}
        self.anchors: dict[ObjectKey, dict[int, int]] = {}
        """By object, the frames that it is anchored on, and its place among the objects of that frame."""

    def add(self, index: int, objects: dict[ObjectKey, FrameObject]) -> None:
        for place, (key, found) in enumerate(objects.items()):
            self._note_label(index, key)
            if self._mode == "all" or key not in self.anchors:
                self.anchors.setdefault(key, {})[index] = place
            elif self._backward:
                self.anchors[key] = {index: place}
            check_same(key, self.identities.setdefault(key, found.identity), found.identity)

    def anchored(self) -> list[tuple[int, ObjectKey]]:
        """Frame and object of each prompt, by frame, as they lie there."""
        places = [(index, place, key) for key, found in self.anchors.items() for index, place in found.items()]
        return [(index, key) for index, _, key in sorted(places, key=lambda row: row[:2])]

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
