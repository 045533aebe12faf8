"""The objects that detections show: who they are, how they are drawn into a label map, and cut out of one
again.

Everything that needs the objects of a frame reads them here: prompts, scores, training, the demo.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, NoReturn

import fiftyone as fo
import numpy as np
from scipy import ndimage

from fiftyone_hs2s.dataset.frame_paths import KEYFRAME, PROPAGATION
from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import join_masks

ObjectKey = tuple["str | int | None", ...]
KINDS = ("instance", "index", "label")
"""What an object can be known by, the most specific first."""


@dataclass(frozen=True)
class Identity:
    """Who an object is: what propagated detections take over from the prompt of their object.

    Attributes:
        label: its label
        index: its number in the video
        instance: the id of its ``fo.Instance``
    """

    label: str | None = None
    index: int | None = None
    instance: str | None = None

    @classmethod
    def of(cls, label: fo.Detection | fo.Polyline | fo.Keypoint) -> Identity:
        """Reads the identity that a label carries."""
        instance = None if label.instance_id is None else str(label.instance_id)
        return cls(label.label, label.index, instance)

    def key(self, kind: str = "instance") -> ObjectKey:
        """Names the object, the same on all frames of its video.

        Args:
            kind: what to know it by if it has that, one of :data:`KINDS`

        Returns:
            ``("instance", id)``, else ``("index", index)`` (0 counts), else ``("label", label)``
        """
        return next(
            ((k, name) for k in (kind, *KINDS) if (name := getattr(self, k)) is not None), ("label", None)
        )

    @property
    def name(self) -> str:
        """What to call the object: its label and index, else its instance."""
        parts = [str(part) for part in (self.label, self.index) if part is not None]
        return " ".join(parts) or f"instance {self.instance}"

    def is_called(self, name: int | str) -> bool:
        """Whether this is what a user calls the object: its index, label, both, or the id of its instance."""
        return name in (self.index, self.label, self.instance, self.name)


@dataclass
class FrameObject:
    """An object as one frame shows it."""

    mask: np.ndarray
    """bool ``(height, width)``, all of it: other objects may lie on top."""
    identity: Identity
    detections: list[fo.Detection]
    """The visible detections: several are its parts."""


class FrameObjects(NamedTuple):
    """The objects of a frame as one field shows them."""

    label_map: np.ndarray | None
    """uint8 or uint16 ``(height, width)`` with the objects' numbers; None if the field is not set."""
    detections: dict[int, list[fo.Detection]]
    """The visible detections of each object: several are its parts."""


def read_objects(
    detections: fo.Detections | None, size: tuple[int, int], kind: str = "instance"
) -> dict[ObjectKey, FrameObject]:
    """Reads the objects of one frame.

    Detections with the same instance or index are parts of one object. Detections that have nothing but the
    same label are several objects: the second is keyed ``("label", label, 2)``, the third ``("label", label,
    3)``, and so on.

    Args:
        detections: the frame's detections, or None
        size: the frame's ``(height, width)`` in pixels
        kind: what to know objects by, see :meth:`Identity.key`

    Returns:
        the objects that are present, by their key, in the order of the detections

    Raises:
        HS2SError: if a mask is unusable, or one index stands for two labels
    """
    objects: dict[ObjectKey, FrameObject] = {}
    for detection in detections.detections if detections else ():
        mask = detection_mask(detection, size)
        if mask is not None:
            add_object(objects, Identity.of(detection), mask, [detection], kind)
    return objects


def add_object(
    objects: dict[ObjectKey, FrameObject],
    identity: Identity,
    mask: np.ndarray,
    detections: Sequence[fo.Detection] = (),
    kind: str = "instance",
) -> None:
    """Adds an object, or a part of one, to those of its frame, by its key.

    Raises:
        HS2SError: if one index or instance stands for two labels
    """
    key = free_key(objects, identity, kind)
    if key in objects:
        check_same(key, objects[key].identity, identity)
        objects[key].mask = objects[key].mask | mask
        objects[key].detections += detections
    else:
        objects[key] = FrameObject(mask, identity, [*detections])


def free_key(others: Collection[ObjectKey], identity: Identity, kind: str = "instance") -> ObjectKey:
    """The key of an object among others of its frame; several of one label and nothing else are numbered."""
    key = identity.key(kind)
    count = sum(other[:2] == key for other in others) if key[0] == "label" else 0
    return (*key, count + 1) if count else key


def render(
    detections: fo.Detections | None,
    size: tuple[int, int],
    number: Callable[[ObjectKey], int | None],
    kind: str = "instance",
) -> FrameObjects:
    """Draws the objects of one frame into a label map. Where masks overlap, the smaller one is on top.

    Args:
        detections: the frame's detections; None if the field is not set
        size: the frame's ``(height, width)`` in pixels
        number: gives the number of an object, from 1, by its key; None leaves it out. What gets the same
            number is one object
        kind: what to know objects by, see :meth:`Identity.key`

    Raises:
        HS2SError: if a mask is unusable, or one index stands for two labels
    """
    if detections is None:
        return FrameObjects(None, {})
    masks: dict[int, np.ndarray] = {}
    visible: dict[int, list[fo.Detection]] = {}
    for key, found in read_objects(detections, size, kind).items():
        if (n := number(key)) is None:
            continue
        masks[n] = masks[n] | found.mask if n in masks else found.mask
        visible.setdefault(n, []).extend(found.detections)
    return FrameObjects(join_masks(masks, size), visible)


def check_same(key: ObjectKey, one: Identity, other: Identity) -> None:
    """Makes sure that what has the same key is one object.

    Raises:
        HS2SError: if it has two labels
    """
    if one.label != other.label:
        raise HS2SError(
            f"{key[0]} {key[1]} is both {one.label!r} and {other.label!r}: give each object its own {key[0]}"
        )


def check_distinct(keys: Sequence[ObjectKey], number: int) -> None:
    """Makes sure that no two detections of a frame have nothing but one label.

    Args:
        keys: those of the frame's detections
        number: the frame's number, for the message

    Raises:
        HS2SError: if two have
    """
    for key in keys:
        if key[0] == "label" and keys.count(key) > 1:
            refuse_shared_label(key[1], number)


def refuse_shared_label(label: str | int | None, *frames: int, otherwise: str = "") -> NoReturn:
    """Refuses several detections that have nothing but one label: which is which on the next frame?

    Args:
        label: the label
        frames: numbers of the frames that show it
        otherwise: another way out than to tell them apart

    Raises:
        HS2SError: always
    """
    where = f"frame {frames[0]}" if len(frames) == 1 else f"the frames {' and '.join(map(str, frames))}"
    raise HS2SError(
        f"several detections of {where} have only the label {label!r}: "
        f"set their `index` or `instance` so that they can be told apart{otherwise}"
    )


def label_map_to_detections(
    label_map: np.ndarray,
    identities: Mapping[int, Identity],
    confidence: Mapping[int, float] | None = None,
    prompts: Mapping[int, Mapping[str, str] | None] = MappingProxyType({}),
) -> fo.Detections:
    """Cuts a label map into one detection an object.

    Args:
        label_map: uint8 or uint16 ``(height, width)``, 0 is background
        identities: who each id is; other values of the map are left out
        confidence: each id's confidence in 0..1
        prompts: the ids whose mask was given to the tracker; their detections say so with ``keyframe``. What
            the mask was made of, if it was, is their ``propagation``

    Returns:
        detections with boxes on pixel edges, so that :func:`render` gives back the same pixels
    """
    height, width = label_map.shape
    found = ndimage.find_objects(label_map)
    detections = []
    for object_id, identity in identities.items():
        region = found[object_id - 1] if object_id <= len(found) else None
        if region is None:
            continue
        rows, columns = region
        detection = fo.Detection(
            label=identity.label,
            bounding_box=[
                columns.start / width,
                rows.start / height,
                (columns.stop - columns.start) / width,
                (rows.stop - rows.start) / height,
            ],
            mask=label_map[region] == object_id,
            index=identity.index,
            confidence=(confidence or {}).get(object_id),
        )
        if identity.instance is not None:
            detection.instance = fo.Instance(id=identity.instance)
        if object_id in prompts:
            detection[KEYFRAME] = True
            if (origin := prompts[object_id]) is not None:
                detection[PROPAGATION] = dict(origin)
        detections.append(detection)
    return fo.Detections(detections=detections)


def is_prompt(detection: fo.Detection) -> bool:
    """Whether a tracker was given this mask, or a person drew it, rather than that it is a result."""
    return detection.has_field(KEYFRAME) and bool(detection[KEYFRAME])
