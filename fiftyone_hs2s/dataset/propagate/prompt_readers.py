"""What starts an object, in every kind of label that FiftyOne has: masks as they are, boxes and points as
hints.

A reader for each kind, chosen by the field's type, gives the masks that a frame's labels hold, and hints for
objects of which only a box or points are known; a mask maker turns those into masks where they are needed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import cv2
import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.labels import FAR, pixel_box
from fiftyone_hs2s.dataset.objects import (
    FrameObject,
    Identity,
    ObjectKey,
    add_object,
    check_same,
    free_key,
    read_objects,
)
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.hints import Hint
from fiftyone_hs2s.mask_files.soft_edges import count_values, has_soft_edges
from fiftyone_hs2s.masks import VOID, fit_mask

logger = logging.getLogger(__name__)

Size = tuple[int, int]
"""(height, width) of the frame in pixels."""
_ROUNDING = 1e-3
"""How far beyond the frame's edge a relative coordinate may be."""
_SUBPIXELS = 4
"""Binary digits after the point, with which OpenCV draws polygons."""


class HintedObject(NamedTuple):
    """An object of which a frame shows no mask, but where it is."""

    hint: Hint
    identity: Identity
    kind: str
    """What is known: ``"box"``, ``"points"``, or ``"box and points"``."""


class FramePrompts(NamedTuple):
    """What a frame's labels say of objects, by their key."""

    masks: dict[ObjectKey, FrameObject]
    hints: dict[ObjectKey, HintedObject]


class PromptReader(Protocol):
    """Reads one kind of label."""

    def __call__(self, label: Any, size: Size, targets: Mapping[int, str]) -> FramePrompts:
        """Reads the labels of a frame.

        Args:
            label: the value of the frame's field
            size: (height, width) of the frame in pixels
            targets: the names of a segmentation's values, where the dataset has them

        Raises:
            HS2SError: if a label cannot be used
        """


def read_detections(label: fo.Detections, size: Size, targets: Mapping[int, str]) -> FramePrompts:
    """Masks as they are; a detection without one is a hint, if it has a box."""
    boxes = ((d, pixel_box(d, size)) for d in label.detections if not d.has_mask)
    hinted = ((Identity.of(d), Hint(box), "box") for d, box in boxes if box is not None)
    return FramePrompts(read_objects(label, size), _keyed(hinted))


def read_polylines(label: fo.Polylines, size: Size, targets: Mapping[int, str]) -> FramePrompts:
    """Closed or filled polylines are masks; several shapes of one are filled together, so that holes stay
    holes."""
    masks: dict[ObjectKey, FrameObject] = {}
    for polyline in label.polylines:
        identity = Identity.of(polyline)
        if not (polyline.closed or polyline.filled):
            raise HS2SError(f"its polyline {_named(identity)} is a line, not an area: close it (closed=True)")
        corners = np.array([corner for shape in polyline.points for corner in shape], float)
        if not (abs(corners) <= FAR).all():  # nor are those that are not finite
            raise HS2SError(
                f"its polyline {_named(identity)} is not relative: divide pixels by the frame's width"
                " and height"
            )
        mask = _fill(polyline.points, size)
        if mask.any():
            add_object(masks, identity, mask)
    return FramePrompts(masks, {})


def read_segmentation(label: fo.Segmentation, size: Size, targets: Mapping[int, str]) -> FramePrompts:
    """Each value of the mask but 0 is an object, known by that value; of an RGB mask each color but black.

    An object without a name is labeled with its value, as FiftyOne does where it makes detections of them.
    """
    values = _read_values(label)
    if values is None:
        return FramePrompts({}, {})
    colored = values.ndim == 3
    if colored:  # as FiftyOne numbers colors
        values = values[..., :3].astype(int) @ (65536, 256, 1)
    found = _object_values(values, VOID in targets)
    if not colored and VOID in found and len(found) > 1 and VOID not in targets:
        logger.warning(
            "The value 255 beside others in a segmentation is taken for void; name it in the mask targets"
        )
        found.remove(VOID)
    values = fit_mask(values, size, "segmentation")
    masks: dict[ObjectKey, FrameObject] = {}
    for value in found:
        add_object(masks, Identity(targets.get(value, str(value)), value), values == value)
    return FramePrompts(masks, {})


def read_keypoints(label: fo.Keypoints, size: Size, targets: Mapping[int, str]) -> FramePrompts:
    """The points of each are on one object, but those of which its ``sam_labels`` say 0: these are beside it.

    ``sam_labels`` is the attribute that FiftyOne's Segment Anything models read.
    """
    hinted = []
    for keypoint in label.keypoints:
        relative = np.array(keypoint.points, float).reshape(-1, 2)
        signs = keypoint["sam_labels"] if keypoint.has_field("sam_labels") else None
        identity = Identity.of(keypoint)
        if signs is not None and len(signs) != len(relative):
            raise HS2SError(
                f"its keypoint {_named(identity)} has {len(relative)} points and {len(signs)} sam_labels"
            )
        positive = np.ones(len(relative), bool) if signs is None else np.asarray(signs) > 0
        there = np.isfinite(relative).all(1)  # FiftyOne's way to say that a point is not in view
        outside = there & (abs(relative - 0.5) > 0.5 + _ROUNDING).any(1)
        if outside.any():
            raise HS2SError(
                f"its keypoint {_named(identity)} has the point {relative[outside][0].tolist()} outside the"
                " frame: points are relative to its width and height, in 0..1"
            )
        points = relative * (size[1], size[0])
        if (positive & there).any():
            hint = Hint(None, points[positive & there], points[~positive & there])
            hinted.append((identity, hint, "points"))
    return FramePrompts({}, _keyed(hinted))


READERS: dict[type[fo.Label], PromptReader] = {
    fo.Detections: read_detections,
    fo.Polylines: read_polylines,
    fo.Segmentation: read_segmentation,
    fo.Keypoints: read_keypoints,
}
"""The reader of each type of label."""


def read_frame(
    labels: Mapping[str, fo.Label | None], size: Size, targets: Callable[[str], Mapping[int, str]]
) -> FramePrompts:
    """Reads all prompt fields of a frame.

    An object may have a mask in one field and a box in another: the mask counts. A box and points of one
    object are one hint.

    Args:
        labels: the value of each field
        size: (height, width) of the frame in pixels
        targets: gives the names of the values of a segmentation field

    Raises:
        HS2SError: if a label cannot be used, or one object has two names or two masks
    """
    masks: dict[ObjectKey, FrameObject] = {}
    hints: dict[ObjectKey, HintedObject] = {}
    for field, label in labels.items():
        if label is None:
            continue
        found = READERS[type(label)](label, size, targets(field))
        for key, item in found.masks.items():
            if key in masks:
                raise HS2SError(
                    f"{key[0]} {key[1]} has a mask in two prompt fields, one of them {field!r}: keep one"
                )
            masks[key] = item
        for key, hinted in found.hints.items():
            hints[key] = _joined(key, hints[key], hinted) if key in hints else hinted
    return FramePrompts(masks, {key: hinted for key, hinted in hints.items() if key not in masks})


def _joined(key: ObjectKey, one: HintedObject, other: HintedObject) -> HintedObject:
    check_same(key, one.identity, other.identity)
    hint = Hint(
        one.hint.box or other.hint.box,
        np.concatenate([one.hint.positive, other.hint.positive]),
        np.concatenate([one.hint.negative, other.hint.negative]),
    )
    kind = one.kind if one.kind == other.kind else "box and points"
    return HintedObject(hint, one.identity, kind)


def _keyed(hinted: Iterable[tuple[Identity, Hint, str]]) -> dict[ObjectKey, HintedObject]:
    """By key; what has only a label that another one has is numbered, as for masks."""
    found: dict[ObjectKey, HintedObject] = {}
    for identity, hint, kind in hinted:
        key = free_key(found, identity)
        if key in found:
            raise HS2SError(f"{key[0]} {key[1]} appears twice on one frame: keep one")
        found[key] = HintedObject(hint, identity, kind)
    return found


def _fill(shapes: list[list[tuple[float, float]]], size: Size) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    scale = np.array((size[1], size[0])) * 2**_SUBPIXELS
    corners = [
        np.round(np.array(shape, float) * scale - 2 ** (_SUBPIXELS - 1)).astype(np.int32) for shape in shapes
    ]
    cv2.fillPoly(mask, [shape for shape in corners if len(shape) > 2], 1, shift=_SUBPIXELS)
    return mask > 0


def _read_values(label: fo.Segmentation) -> np.ndarray | None:
    """The mask, whole numbers (h, w) or colors (h, w, 3 or more); None if there is none."""
    try:
        values = label.get_mask()
    except Exception as error:
        raise HS2SError(f"its mask {label.mask_path!r} cannot be read ({error}): restore the file") from error
    if values is None:
        return None
    values = np.asarray(values).squeeze()
    colored = values.ndim == 3 and values.shape[2] >= 3
    if not (values.ndim == 2 or colored) or values.dtype.kind not in "biu":
        raise HS2SError(
            f"its segmentation has {values.dtype} values of shape {values.shape}: it takes whole numbers, 2D"
        )
    if values.min(initial=0) < 0:
        raise HS2SError(
            f"its segmentation has the value {values.min()}: 0 is the background, objects are above"
        )
    return values


def _object_values(values: np.ndarray, white_is_object: bool) -> list[int]:
    """The values but 0, if they are objects and not the shades of soft edges."""
    if values.dtype in (np.uint8, np.uint16):
        found = np.flatnonzero(count_values(values))
        soft = has_soft_edges(values, None if white_is_object else int(np.iinfo(values.dtype).max))
    else:
        found, order = np.unique(values, return_inverse=True)
        soft = len(found) > 2**16 or has_soft_edges(order.reshape(values.shape).astype(np.uint16))
    if soft:
        raise HS2SError(
            "its segmentation has soft edges (anti-aliased, blurred, or from a JPEG), whose in-between values"
            " would be objects: save it without smoothing, as PNG"
        )
    return [int(value) for value in found if value]


def _named(identity: Identity) -> str:
    return repr(identity.label) if identity.index is None else f"{identity.label!r} {identity.index}"
