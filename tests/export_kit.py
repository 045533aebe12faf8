"""A sequence with all that is hard to export: several objects, a late one, gaps, holes, parts, overlaps."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
from fiftyone_kit import H, T, W, detection, truth

LABELS = {1: "dog", 2: "cat", 7: "dog"}
UNLABELED, EMPTY = 10, 11
"""A frame without labels, and one without an object."""


def masks(number: int) -> dict[int, np.ndarray]:
    """The masks on frame ``number`` (from 1), by index: 2 comes late, over 7; 1 has a gap, a hole, two
    parts."""
    found: dict[int, np.ndarray] = {}
    if number == EMPTY:
        return found
    red, blue = truth(number)[0], truth(number)[1]
    if number not in (6, 7):
        found[1] = red.copy()
        found[1][12:15, 4 * number + 2 : 4 * number + 5] = False
        found[1][60:62, 3:7] = True
    if number >= 4:
        found[2] = blue
    if number <= 9:
        found[7] = np.zeros((H, W), bool)
        found[7][30:58, 20:90] = True
    return found


def label_map(number: int) -> np.ndarray:
    """The masks in one picture: 7 is the largest, 2 lies over it."""
    result, found = np.zeros((H, W), np.uint8), masks(number)
    for index in (7, 1, 2):
        if index in found:
            result[found[index]] = index
    return result


def labeled_frames() -> list[int]:
    """The numbers of the frames with labels."""
    return [number for number in range(1, T + 1) if number != UNLABELED]


def hard_sample(video: object, field: str = "pred", **about: object) -> fo.Sample:
    """The sequence as a sample."""
    sample = fo.Sample(filepath=str(video), **about)
    instances = {index: fo.Instance() for index in LABELS}
    for number in labeled_frames():
        found = [
            detection(m, label=LABELS[i], index=i, instance=instances[i]) for i, m in masks(number).items()
        ]
        sample.frames[number] = fo.Frame(**{field: fo.Detections(detections=found)})
    return sample


def names(step: int = 1) -> dict[str, int]:
    """Frame numbers by the names of the exported frames."""
    return {f"{number - 1:05}": number for number in labeled_frames() if (number - 1) % step == 0}


def messages(rows: list[dict[str, str]]) -> str:
    return " | ".join(row["message"] for row in rows)
