"""J and F straight from their definitions, on the whole image, by distances instead of dilation. Slow on
purpose."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt


def boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from a neighbor to the right, below, or below right, inside the image."""
    found = np.zeros(mask.shape, bool)
    found[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    found[:-1] |= mask[:-1] != mask[1:]
    found[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return found


def reference_j(truth: np.ndarray, prediction: np.ndarray) -> float:
    union = (truth | prediction).sum()
    return float((truth & prediction).sum() / union) if union else 1.0


def reference_f(truth: np.ndarray, prediction: np.ndarray, radius: int | None = None) -> float:
    radius = int(np.ceil(0.008 * np.hypot(*truth.shape))) if radius is None else radius
    truth, prediction = boundary(truth), boundary(prediction)
    if not truth.any() or not prediction.any():
        return float(truth.any() == prediction.any())
    precision = (distance_transform_edt(~truth)[prediction] <= radius).mean()
    recall = (distance_transform_edt(~prediction)[truth] <= radius).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def disk(size: tuple[int, int], center: tuple[float, float], radius: float) -> np.ndarray:
    """A filled disk as bool mask; center (y, x)."""
    y, x = np.mgrid[: size[0], : size[1]]
    return (y - center[0]) ** 2 + (x - center[1]) ** 2 <= radius**2
