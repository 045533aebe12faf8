"""FiftyOne detections to full-frame masks, and label maps back to detections."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import fiftyone as fo
import numpy as np
from scipy import ndimage

from fiftyone_hs2s.dataset.sequences import KEYFRAME
from fiftyone_hs2s.errors import HS2SError

ObjectKey = tuple["str | int | None", ...]


@dataclass(frozen=True)
class Identity:
    """What propagated detections take over from the prompt of their object."""

    label: str | None = None
    index: int | None = None
    instance: fo.Instance | None = None

    @classmethod
    def of(cls, detection: fo.Detection) -> Identity:
        """Reads the identity of a detection."""
        instance = detection.instance if detection.instance_id is not None else None
        return cls(detection.label, detection.index, instance)


def object_key(detection: fo.Detection) -> ObjectKey:
    """Names the object that a detection shows, the same on all frames of its video.

    Args:
        detection: the detection

    Returns:
        ``("instance", id)``, else ``("index", index)`` (0 counts), else ``("label", label)``
    """
    if detection.instance_id is not None:
        return "instance", str(detection.instance_id)
    if detection.index is not None:
        return "index", detection.index
    return "label", detection.label


def detection_mask(detection: fo.Detection, size: tuple[int, int]) -> np.ndarray | None:
    """Renders a detection's mask onto the whole frame.

    The mask's own pixels are the truth: they are placed at the box's rounded corner as they are, and resized to the
    box only if they were made at another resolution than the frame's.

    Args:
        detection: a detection whose mask is cropped to its relative bounding box
        size: the frame's ``(height, width)`` in pixels

    Returns:
        a bool ``(height, width)`` mask, or None where the object is absent: no mask, an empty mask or an empty box

    Raises:
        HS2SError: if the mask cannot be read or doesn't belong to its box
    """
    pixels = _mask_pixels(detection)
    box = np.asarray(detection.bounding_box or (0, 0, 0, 0), dtype=float)
    if pixels is None or not pixels.any():
        return None
    if not np.isfinite(box).all():
        raise HS2SError(f"its bounding box {box.tolist()} is not finite: mend or remove the detection")
    if (box[2:] <= 0).any():
        return None
    left, top, width, height = box * (size[1], size[0], size[1], size[0])
    pixels = _fit(pixels, width, height)
    full = _paste(pixels, round(top), round(left), size)
    return full if full.any() else None


class FrameObject(NamedTuple):
    """An object as one frame shows it."""

    mask: np.ndarray
    """bool ``(height, width)``"""
    identity: Identity


def read_objects(detections: fo.Detections | None, size: tuple[int, int]) -> dict[ObjectKey, FrameObject]:
    """Renders the objects of one frame.

    Detections with the same instance or index are parts of one object. Detections that have nothing but the same label
    are several objects: the second is keyed ``("label", label, 2)``, the third ``("label", label, 3)``, and so on.

    Args:
        detections: the frame's detections, or None
        size: the frame's ``(height, width)`` in pixels

    Returns:
        the objects that are present, by their :func:`object_key`

    Raises:
        HS2SError: if a mask is unusable, or one index stands for two labels
    """
    objects: dict[ObjectKey, FrameObject] = {}
    for detection in detections.detections if detections else ():
        mask = detection_mask(detection, size)
        if mask is not None:
            _add_object(objects, detection, mask)
    return objects


def _add_object(objects: dict[ObjectKey, FrameObject], detection: fo.Detection, mask: np.ndarray) -> None:
    key, identity = object_key(detection), Identity.of(detection)
    if key[0] == "label":
        count = sum(other[:2] == key for other in objects)
        key = (*key, count + 1) if count else key
    elif key in objects:
        check_same(key, objects[key].identity, identity)
        mask = mask | objects[key].mask
    objects[key] = FrameObject(mask, identity)


def check_same(key: ObjectKey, one: Identity, other: Identity) -> None:
    """Makes sure that what has the same key is one object.

    Raises:
        HS2SError: if it has two labels
    """
    if one.label != other.label:
        raise HS2SError(
            f"{key[0]} {key[1]} is both {one.label!r} and {other.label!r}: give each object its own {key[0]}"
        )


def label_map_to_detections(
    label_map: np.ndarray,
    identities: Mapping[int, Identity],
    confidence: Mapping[int, float] | None = None,
    prompts: Container[int] = (),
) -> fo.Detections:
    """Cuts a label map into one detection an object.

    Args:
        label_map: uint8 or uint16 ``(height, width)``, 0 is background
        identities: who each id is; other values of the map are left out
        confidence: each id's confidence in 0..1
        prompts: the ids whose mask was given to the tracker; their detections say so with ``keyframe``

    Returns:
        detections with boxes on pixel edges, so that :func:`detection_mask` gives back the same pixels
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
            detection.instance = identity.instance
        if object_id in prompts:
            detection[KEYFRAME] = True
        detections.append(detection)
    return fo.Detections(detections=detections)


def is_prompt(detection: fo.Detection) -> bool:
    """Whether a tracker was given this mask, or a person drew it, rather than that it is a result."""
    return detection.has_field(KEYFRAME) and bool(detection[KEYFRAME])


def _mask_pixels(detection: fo.Detection) -> np.ndarray | None:
    try:
        pixels = detection.get_mask()
    except Exception as error:
        raise HS2SError(f"its mask {detection.mask_path!r} cannot be read ({error}): restore the file") from error
    if pixels is None:
        return None
    if pixels.ndim != 2:
        raise HS2SError(f"its mask has shape {pixels.shape}: masks must be 2D, one value a pixel")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise HS2SError("its mask holds values that are not finite: masks must be 0 or 1")
    if pixels.dtype.itemsize > 1 and len(np.unique(pixels[pixels != 0])) > 1:
        raise HS2SError("its mask holds several values other than 0: give each object its own 0/1 mask")
    return pixels > 0


def _fit(pixels: np.ndarray, width: float, height: float) -> np.ndarray:
    """Brings mask pixels to the size of their box (in pixels of the frame) unless they have it."""
    rows, columns = pixels.shape
    if abs(columns - width) < 1.5 and abs(rows - height) < 1.5:
        return pixels
    if not _close(columns, width * rows / height) and not _close(rows, height * columns / width):
        raise HS2SError(
            f"its mask is {columns}x{rows} pixels but its box is {width:.0f}x{height:.0f}: "
            "crop the mask to the box (fo.Detection.from_mask does)"
        )
    target = max(1, round(width)), max(1, round(height))
    interpolation = cv2.INTER_AREA if target[0] < columns else cv2.INTER_LINEAR
    return cv2.resize(pixels.astype(np.float32), target, interpolation=interpolation) >= 0.5


def _close(side: int, expected: float) -> bool:
    """Whether a side is what the other side's scale makes one expect.

    The slack is wide since video encoders stretch frames to multiples of 16 pixels, which is much on a small video.
    """
    return abs(side - expected) <= 1 + 0.2 * side


def _paste(pixels: np.ndarray, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    """Places mask pixels on an empty frame; what lies outside of it is cut off."""
    full = np.zeros(size, dtype=bool)
    inside = pixels[max(0, -top) : max(0, size[0] - top), max(0, -left) : max(0, size[1] - left)]
    y, x = max(0, top), max(0, left)
    full[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return full
