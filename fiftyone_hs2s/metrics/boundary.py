"""Boundary similarity F: the F-measure of the contours of two masks that lie within a tolerance of each
other.

Only the box around both masks is looked at, and in it a mask is one large integer with a bit per pixel, row
after row. Shifting, joining and counting millions of pixels are then single operations on integers, and the
result is exact.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics.region import mask_pair

TOLERANCE = 0.008
"""Tolerance of the official evaluations, as a share of the image's diagonal."""


def boundary_f_measure(
    truth: np.ndarray, prediction: np.ndarray, void: np.ndarray | None = None, tolerance: float = TOLERANCE
) -> float:
    """Boundary F-measure of two masks (Perazzi et al. 2016), with the values of the official DAVIS-2017 code.

    A boundary pixel differs from its right, lower or lower right neighbor; the border of the image is no
    boundary. Precision is the share of predicted boundary pixels within the tolerance (Euclidean distance) of
    a true one, recall the reverse. Without any boundary on either side F = 1, on one side F = 0. So F
    compares a mask of the whole image, which has no boundary, with an empty mask as equal; that is how the
    official code has it.

    Args:
        truth: true mask (H, W), bool; of another type: what is not zero
        prediction: predicted mask (H, W), likewise
        void: mask (H, W) of pixels to ignore: they become background in both masks before the boundary is
            taken
        tolerance: below 1 a share of the diagonal, rounded up to whole pixels; otherwise pixels

    Returns:
        2 * precision * recall / (precision + recall), in 0..1

    Raises:
        HS2SError: if the masks are not two-dimensional and of one size, or the tolerance is not positive
    """
    truth, prediction = mask_pair(truth, prediction, void)
    radius = tolerance_in_pixels(truth.shape, tolerance)
    box = bounding_box(truth | prediction)
    return _f_measure(truth[box], prediction[box], radius)


def tolerance_in_pixels(size: tuple[int, ...], tolerance: float = TOLERANCE) -> int:
    """The distance in pixels up to which boundaries match: 8 at 480x854, 12 at 720x1280.

    Args:
        size: (H, W)
        tolerance: below 1 a share of the diagonal, rounded up to whole pixels; otherwise pixels
    """
    if not tolerance > 0:
        raise HS2SError(f"The boundary tolerance must be positive, not {tolerance}.")
    return math.ceil(tolerance if tolerance >= 1 else tolerance * math.hypot(*size))


def bounding_box(foreground: np.ndarray) -> tuple[slice, slice]:
    """The box around the foreground and one pixel on each side, cut at the image; one corner pixel if there
    is none.

    Args:
        foreground: bool or uint8 array (H, W)

    Returns:
        rows and columns, to index an array of the image's size
    """
    height, width = foreground.shape
    x, y, w, h = cv2.boundingRect(foreground.view(np.uint8))
    return slice(max(y - 1, 0), min(y + h + 1, height)), slice(max(x - 1, 0), min(x + w + 1, width))


def _f_measure(truth: np.ndarray, prediction: np.ndarray, radius: int) -> float:
    # A gap of `radius` bits keeps the rows apart when they are shifted.
    row_bytes = (truth.shape[1] + radius + 7) // 8
    true, predicted = (
        _boundary(_pack(mask, row_bytes), truth.shape, row_bytes) for mask in (truth, prediction)
    )
    num_true, num_predicted = true.bit_count(), predicted.bit_count()
    if not num_true or not num_predicted:
        return float(num_true == num_predicted)
    precision = (predicted & _dilate(true, 8 * row_bytes, radius)).bit_count() / num_predicted
    recall = (true & _dilate(predicted, 8 * row_bytes, radius)).bit_count() / num_true
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _pack(mask: np.ndarray, row_bytes: int) -> int:
    """The mask as an integer: bit ``8 * row_bytes * y + x`` is pixel (y, x)."""
    rows = np.zeros((len(mask), row_bytes), np.uint8)
    rows[:, : (mask.shape[1] + 7) // 8] = np.packbits(mask, axis=1, bitorder="little")
    return int.from_bytes(rows.tobytes(), "little")


def _boundary(mask: int, size: tuple[int, ...], row_bytes: int) -> int:
    """The pixels that differ from their right, lower or lower right neighbor inside the image."""
    height, width = size
    stride = 8 * row_bytes
    has_lower = (1 << stride * (height - 1)) - 1
    has_right = int.from_bytes(((1 << width - 1) - 1).to_bytes(row_bytes, "little") * height, "little")
    lower, right = (mask ^ mask >> stride) & has_lower, (mask ^ mask >> 1) & has_right
    return lower | right | (mask ^ mask >> stride + 1) & has_lower & has_right


def _dilate(pixels: int, stride: int, radius: int) -> int:
    """All positions within ``radius`` of a pixel (also in the gaps between the rows, where nobody looks).

    A disk is the union of a few rectangles, ever higher and ever narrower. Their dilations share their work:
    what has been grown in height so far is joined to what has been grown in width so far, and this grows on.
    """
    high = grown = pixels
    for rows, columns in _disk_steps(radius):
        for _ in range(rows):
            high |= high << stride | high >> stride
        for _ in range(columns):
            grown |= grown << 1 | grown >> 1
        grown |= high
    return grown


@lru_cache(maxsize=64)
def _disk_steps(radius: int) -> tuple[tuple[int, int], ...]:
    """From each rectangle of a disk to the next: by how much it is higher, and narrower, on each side."""
    half_widths = [math.isqrt(radius**2 - y**2) for y in range(radius + 1)]
    highest = {width: y for y, width in enumerate(half_widths)}
    corners = [(y, width) for width, y in highest.items()]
    return tuple((y1 - y0, w0 - w1) for (y0, w0), (y1, w1) in pairwise(corners))
