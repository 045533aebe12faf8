"""The mask of a FiftyOne detection on the whole frame."""

from __future__ import annotations

import cv2
import fiftyone as fo
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.hints import Box

FAR = 4.0
"""Relative coordinates beyond this are no relative ones: an object that is cut by the frame's edge reaches
less far."""


def detection_mask(detection: fo.Detection, size: tuple[int, int]) -> np.ndarray | None:
    """Draws a detection's mask onto the whole frame.

    The mask's own pixels are the truth: they are placed at the box's rounded corner as they are, and
    stretched to the box, as FiftyOne draws them, only if they were made at another resolution than the
    frame's.

    Args:
        detection: a detection whose mask is cropped to its relative bounding box
        size: the frame's ``(height, width)`` in pixels

    Returns:
        a bool ``(height, width)`` mask, or None where the object is absent: no mask, an empty mask or an
        empty box

    Raises:
        HS2SError: if the mask or the box cannot be read, or the mask is that of the whole frame
    """
    pixels = _mask_pixels(detection)
    if pixels is None or not pixels.any():
        return None
    box = pixel_box(detection, size)
    if box is None:
        return None
    full = _paste(*_fit(pixels, box, size), size)
    return full if full.any() else None


def pixel_box(detection: fo.Detection, size: tuple[int, int]) -> Box | None:
    """A detection's bounding box in pixels.

    Args:
        detection: the detection
        size: the frame's ``(height, width)`` in pixels

    Returns:
        its edges, not rounded and perhaps beyond the frame's; None if there is no box, or an empty one

    Raises:
        HS2SError: if it is no box
    """
    values = list(detection.bounding_box or ())
    if not values:
        return None
    if len(values) != 4:
        raise HS2SError(
            f"its bounding box {values} has {len(values)} numbers: it takes left, top, width and height, in"
            " 0..1"
        )
    box = np.asarray(values, dtype=float)
    if not np.isfinite(box).all():
        raise HS2SError(f"its bounding box {values} is not finite: fix or remove the detection")
    if (np.abs(box) > FAR).any():
        raise HS2SError(
            f"its bounding box {values} is not relative: divide pixels by the frame's width and height"
        )
    if (box[2:] <= 0).any():
        return None
    left, top, width, height = (box * (size[1], size[0], size[1], size[0])).tolist()
    return left, top, left + width, top + height


def _mask_pixels(detection: fo.Detection) -> np.ndarray | None:
    try:
        pixels = detection.get_mask()
    except Exception as error:
        raise HS2SError(
            f"its mask {detection.mask_path!r} cannot be read ({error}): restore the file"
        ) from error
    if pixels is None:
        return None
    if pixels.dtype.kind not in "biuf":
        raise HS2SError(f"its mask holds values of the type {pixels.dtype}: masks must be 0 or 1")
    if pixels.ndim != 2:
        raise HS2SError(f"its mask has shape {pixels.shape}: masks must be 2D, one value per pixel")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise HS2SError("its mask holds values that are not finite: masks must be 0 or 1")
    if pixels.dtype.itemsize > 1 and len(np.unique(pixels[pixels != 0])) > 1:
        raise HS2SError("its mask holds several values other than 0: give each object its own 0/1 mask")
    return pixels != 0


def _fit(pixels: np.ndarray, box: Box, size: tuple[int, int]) -> tuple[np.ndarray, int, int]:
    """Stretches mask pixels to their box unless they have its size.

    Returns:
        the pixels, and the top and left of where they lie
    """
    rows, columns = pixels.shape
    width, height = box[2] - box[0], box[3] - box[1]
    if abs(columns - width) < 1.5 and abs(rows - height) < 1.5:
        return pixels, round(box[1]), round(box[0])
    if _is_whole_frame(pixels, box, size):
        raise HS2SError(
            f"its mask is that of the whole frame, {columns}x{rows} pixels, but its box is"
            f" {width:.0f}x{height:.0f}: crop the mask to the box (fo.Detection.from_mask does)"
        )
    left, top, right, bottom = (int(np.floor(edge + 1e-6)) for edge in box)  # as FiftyOne does
    target = max(1, right - left), max(1, bottom - top)
    interpolation = cv2.INTER_AREA if target[0] < columns and target[1] < rows else cv2.INTER_LINEAR
    return cv2.resize(pixels.astype(np.float32), target, interpolation=interpolation) >= 0.5, top, left


def _is_whole_frame(pixels: np.ndarray, box: Box, size: tuple[int, int]) -> bool:
    """Whether mask pixels are plainly not cropped to their box, but those of the whole frame.

    They are if they have the frame's aspect, and show the object where the box is. With exactly the frame's
    size it is enough that the object lies within the box, or that the box is of another aspect.
    """
    rows, columns = pixels.shape
    if not _same_aspect(pixels.shape, size):
        return False
    scale = np.array([size[1] / columns, size[0] / rows] * 2)
    slack = 1 + scale
    inward = np.array([1, 1, -1, -1])
    edges = (np.array(box) - (0, 0, size[1], size[0])) * inward
    if (edges <= slack).all():  # the box is the whole frame, too
        return False
    y, x = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    beyond = (np.array([x[0], y[0], x[-1] + 1, y[-1] + 1]) * scale - box) * inward
    if (rows, columns) == tuple(size):
        return bool((beyond >= -slack).all()) or not _same_aspect((box[3] - box[1], box[2] - box[0]), size)
    return bool((np.abs(beyond) <= slack).all())


def _same_aspect(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two sizes (height, width) have about the same aspect.

    The slack is wide since video encoders stretch frames to multiples of 16 pixels, which is much on a small
    video.
    """
    (rows, columns), (height, width) = one, other
    return abs(columns - width * rows / height) <= 1 + 0.2 * columns or (
        abs(rows - height * columns / width) <= 1 + 0.2 * rows
    )


def _paste(pixels: np.ndarray, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    """Places mask pixels on an empty frame; what lies outside of it is cut off."""
    full = np.zeros(size, dtype=bool)
    inside = pixels[max(0, -top) : max(0, size[0] - top), max(0, -left) : max(0, size[1] - left)]
    y, x = max(0, top), max(0, left)
    full[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return full
