"""A dataset of two squares whose scores are known: what the tests of evaluation, failures, analysis and
panel share."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
from fiftyone_kit import H, T, W, detection, truth

SIDE = 16
SHIFT = 4
"""The prediction of object 1 is this many pixels too far left from frame 7 on."""


def shifted(mask: np.ndarray, pixels: int) -> np.ndarray:
    """The mask, moved to the left."""
    moved = np.zeros_like(mask)
    moved[:, : W - pixels] = mask[:, pixels:]
    return moved


def true_labels(number: int) -> fo.Detections:
    """Both squares on frame ``number``."""
    return labels(truth(number))


def predicted_labels(number: int) -> fo.Detections:
    """The first square as it is, the second one shifted on the later frames."""
    masks = truth(number)
    masks[1] = shifted(masks[1], SHIFT if number > T // 2 else 0)
    return labels(masks)


def labels(masks: dict[int, np.ndarray], **attributes) -> fo.Detections:
    """Detections of masks by index; empty masks are left out."""
    return fo.Detections(
        detections=[
            detection(m, label=f"square {i}", index=i, **attributes) for i, m in masks.items() if m.any()
        ]
    )


def labeled_sample(video, gt=true_labels, pred=predicted_labels, frames=range(1, T + 1)) -> fo.Sample:
    """A sample with labels in ``gt`` and ``pred``, made frame by frame."""
    metadata = fo.VideoMetadata(frame_width=W, frame_height=H, frame_rate=10, total_frame_count=T)
    sample = fo.Sample(filepath=str(video), metadata=metadata)
    for number in frames:
        sample.frames[number] = fo.Frame(gt=gt(number), pred=pred(number))
    return sample
