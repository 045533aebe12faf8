"""Telling label maps from pictures of masks with soft edges, whose in-between values would be mistaken for
objects."""

from __future__ import annotations

import cv2
import numpy as np

_BLOCK = np.ones((3, 3), np.uint8)

_MOST_GRAYS = 30
"""Of objects beside void: where more grays are each rarer than white, they are no objects."""
_DARK = 20
"""Brightness below which all grays of a mask are ids."""
_COVERED = 0.8
"""Least of the solid areas' outline that has a rim where the edges are soft."""
_DIRECT = 0.1
"""Most of the solid areas' outline that may touch the background directly where the edges are soft."""
_FRAGMENTS = 4
"""Pieces of a value, at least, where areas are dithered or noisy, on average."""
_FRAGMENT_AREA = 6
"""Pixels of such a fragment, at most, on average."""


def has_soft_edges(values: np.ndarray, white: int | None = None) -> bool:
    """Whether some values of a label map are no objects but the soft edge of others, judged by where they
    lie.

    A soft edge (of anti-aliasing, blur or scaling) goes all around: hardly anywhere does a solid area touch
    the background without thin rims of other values in between. Dithering and JPEG leave crumbs: values that
    come in many fragments of a few pixels, side by side. An object as thin as that (a leash, a pole) is one
    fragment, or lies for itself.

    Args:
        values: uint8 or uint16 (H, W), 0 is background
        white: the brightest value of a gray image, which is nobody's edge; None for indices, where 255 is
            void
    """
    counts = count_values(values)
    labels = values
    if not white and len(counts) == 256 and counts[255]:
        labels = np.where(values == 255, 0, values).astype(values.dtype)
        counts[255] = 0
    counts[0] = 0
    if np.count_nonzero(counts) < 2:
        return False
    if white and _is_blurred(counts, white):
        return True
    highest = cv2.dilate(labels, _BLOCK)
    flat = cv2.compare(cv2.erode(labels, _BLOCK), highest, cv2.CMP_EQ)
    loose = (cv2.dilate(flat, _BLOCK) == 0) & (labels > 0)
    thin = _share(labels[loose], counts) > 0.75
    if not thin.any():
        return False
    beside = loose & ((highest > labels) | (_lowest(labels) < labels))
    rims = thin & (_share(labels[beside], counts) > 0.5)
    if white and _are_edge_grays(counts, thin, rims, white):
        return True
    if white:
        rims[white] = False
    if rims.sum() < (1 if white else 2):
        return False
    if _go_around(labels, rims[labels], ~loose):
        return True
    return bool(white or 2 * counts[rims].sum() > counts.sum()) and _are_crumbs(labels, rims, counts)


def count_values(values: np.ndarray) -> np.ndarray:
    """How many pixels have each value of a label map: int (256,), or (65536,) for uint16."""
    if values.dtype == np.uint8:
        return cv2.calcHist([values], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return np.bincount(values.ravel(), minlength=65536)


def _are_edge_grays(counts: np.ndarray, thin: np.ndarray, rims: np.ndarray, white: int) -> bool:
    """Whether all grays are thin, most of them rims, and white is not: they need not go all around.

    The darkest ones alone are ids, which count from 1.
    """
    grays = np.flatnonzero(counts[:white])
    if not len(grays) or thin[white] or not counts[white] or grays[-1] < _DARK * white / 255:
        return False
    return bool(thin[grays].all() and rims[grays].mean() >= 0.5)


def _is_blurred(counts: np.ndarray, white: int) -> bool:
    """Whether there are many grays, each rarer than white, as in a wide blur, whose rims are not thin."""
    between = np.delete(counts, white)
    return bool(np.count_nonzero(between) > _MOST_GRAYS and between.max() < counts[white])


def _lowest(labels: np.ndarray) -> np.ndarray:
    """The lowest value around each pixel, background left out."""
    highest = np.iinfo(labels.dtype).max
    return cv2.erode(np.where(labels == 0, highest, labels).astype(labels.dtype), _BLOCK)


def _share(pixels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The share of each value's pixels that these are."""
    return np.bincount(pixels, minlength=len(counts)) / np.maximum(counts, 1)


def _go_around(labels: np.ndarray, rim: np.ndarray, flat: np.ndarray) -> bool:
    """Whether the rims lie around the solid areas, and keep them from the background."""
    solid = (labels > 0) & ~rim
    if not (solid & flat).any():
        return False
    lowest = cv2.erode(labels, _BLOCK)
    outline = solid & (lowest != cv2.dilate(labels, _BLOCK))
    covered = outline & (cv2.dilate(rim.astype(np.uint8), _BLOCK) > 0)
    direct = outline & (lowest == 0)
    length = outline.sum()
    return bool(length and covered.sum() >= _COVERED * length and direct.sum() <= _DIRECT * length)


def _are_crumbs(labels: np.ndarray, rims: np.ndarray, counts: np.ndarray) -> bool:
    """Whether the rims are many small fragments, and most of the values are."""
    ids = np.flatnonzero(rims)
    if 2 * len(ids) <= np.count_nonzero(counts):
        return False
    fragments = sum(
        cv2.connectedComponents((labels == i).astype(np.uint8), connectivity=4)[0] - 1 for i in ids[:64]
    )
    return fragments >= _FRAGMENTS * len(ids[:64]) and counts[ids[:64]].sum() <= _FRAGMENT_AREA * fragments
