"""Masks as polygons that, filled again, have exactly the mask's pixels."""

from __future__ import annotations

import cv2
import numpy as np

Polygon = np.ndarray
"""int (N, 2): x and y of pixels."""


def mask_polygons(mask: np.ndarray) -> list[Polygon]:
    """The outlines of a mask's parts, the largest first.

    ``cv2.fillPoly`` with all of them gives back the mask. A part with holes is one polygon too: it goes to
    each hole over pixels of the part, around it, and back the same way.

    Args:
        mask: bool (H, W)
    """
    contours, hierarchy = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return []
    points = [contour[:, 0].astype(int) for contour in contours]
    holes: dict[int, list[Polygon]] = {}
    for place, (_, _, _, parent) in enumerate(hierarchy[0]):
        if parent >= 0:
            holes.setdefault(int(parent), []).append(points[place])
    outer = [place for place, row in enumerate(hierarchy[0]) if row[3] < 0]
    outer.sort(key=lambda place: -cv2.contourArea(contours[place]))
    return [_straighten(_cut_to_holes(points[place], holes.get(place, []), mask)) for place in outer]


def fill_polygons(polygons: list[Polygon], size: tuple[int, int]) -> np.ndarray:
    """The bool mask (H, W) of polygons."""
    canvas = np.zeros(size, np.uint8)
    for polygon in polygons:
        cv2.fillPoly(canvas, [polygon.astype(np.int32)], 1)
    return canvas > 0


def _cut_to_holes(outline: Polygon, holes: list[Polygon], mask: np.ndarray) -> Polygon:
    """One outline with its holes: from the leftmost point of each a cut goes left to what is there
    already."""
    for hole in sorted(holes, key=lambda hole: hole[:, 0].min()):
        start = int(hole[:, 0].argmin())
        x, y = hole[start]
        row = mask[y, : x + 1]
        # Leftmost pixel of the run that x is in.
        end = x - int(np.argmin(row[::-1])) + 1 if not row.all() else 0
        (where,) = np.flatnonzero((outline == (end, y)).all(1))[:1]
        way = np.roll(hole, -start, axis=0)
        outline = np.concatenate([outline[: where + 1], way, way[:1], outline[where:]])
    return outline


def _straighten(outline: Polygon) -> Polygon:
    """Without the points in the middle of straight lines."""
    if len(outline) < 3:
        return outline
    steps = np.sign(np.roll(outline, -1, axis=0) - outline)
    lengths = np.roll(outline, -1, axis=0) - outline
    straight = (lengths[:, 0] == 0) | (lengths[:, 1] == 0) | (np.abs(lengths[:, 0]) == np.abs(lengths[:, 1]))
    goes_on = (steps == np.roll(steps, 1, axis=0)).all(1) & straight & np.roll(straight, 1)
    return outline[~goes_on] if not goes_on.all() else outline
