"""Objects that are hidden, lost or mixed up."""

from __future__ import annotations

import fiftyone as fo
from evaluation_kit import labels
from fiftyone_kit import T, truth

OCCLUDED, LOST = range(5, 8), range(8, T + 1)
"""The first square is out of view on frames 5 to 7, and never found again."""


def hidden_truth(number: int) -> fo.Detections:
    masks = truth(number)
    return labels({i: mask for i, mask in masks.items() if i or number not in OCCLUDED})


def lost_prediction(number: int) -> fo.Detections:
    masks = truth(number)
    return labels({i: mask for i, mask in masks.items() if i or number < OCCLUDED.start}, confidence=0.9)


def switched(number: int) -> fo.Detections:
    """From frame 7 on the mask of square 0 is on square 1, which has none."""
    masks = truth(number)
    return labels(masks if number < 7 else {0: masks[1]})


def found(sample, field="pred_events") -> dict[str, list[int]]:
    return {event.kind: event.support for event in sample[field].detections if event.object == "square 0"}
