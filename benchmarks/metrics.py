"""Speed of J and F against a plain transcription of their definition on whole frames, in one run.

    python benchmarks/metrics.py

The plain version does what the official evaluations do: boolean maps of the whole frame, boundary maps by
three shifts, dilation by a disk (OpenCV). Both run on one core, in turn, and must give the same values.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from statistics import median

import cv2
import numpy as np

from fiftyone_hs2s.metrics import boundary_f_measure, jaccard, score_label_maps

SIZE = (480, 854)
SHARES = (0.01, 0.08, 0.20, 0.50)
RADIUS = math.ceil(0.008 * math.hypot(*SIZE))
DISK = (np.hypot(*np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]) <= RADIUS).astype(np.uint8)


def plain_scores(truth: np.ndarray, prediction: np.ndarray) -> tuple[float, float]:
    """J and F of two masks, each step on the whole frame."""
    union = np.sum(truth | prediction)
    j = np.sum(truth & prediction) / union if union else 1.0
    true, predicted = plain_boundary(truth), plain_boundary(prediction)
    near_true, near_predicted = (
        cv2.dilate(boundary.astype(np.uint8), DISK) for boundary in (true, predicted)
    )
    if not true.any() or not predicted.any():
        return float(j), float(true.any() == predicted.any())
    precision = np.sum(predicted * near_true) / np.sum(predicted)
    recall = np.sum(true * near_predicted) / np.sum(true)
    return float(j), float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def plain_boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from their right, lower or lower right neighbor."""
    right, lower, diagonal = np.zeros_like(mask), np.zeros_like(mask), np.zeros_like(mask)
    right[:, :-1], lower[:-1], diagonal[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    boundary = (mask ^ right) | (mask ^ lower) | (mask ^ diagonal)
    boundary[-1] = mask[-1] ^ right[-1]
    boundary[:, -1] = mask[:, -1] ^ lower[:, -1]
    boundary[-1, -1] = False
    return boundary


def blob(share: float, seed: int, center: tuple[float, float] = (0.5, 0.5)) -> np.ndarray:
    """A wavy blob that covers this share of the frame."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]].astype(float)
    dy, dx = y - center[0] * SIZE[0], (x - center[1] * SIZE[1]) / 1.4
    angle, phases = np.arctan2(dy, dx), np.random.default_rng(seed).uniform(0, 2 * np.pi, 5)
    waves = sum(0.06 * np.sin((k + 2) * angle + phase) for k, phase in enumerate(phases))
    distance = np.hypot(dy, dx) / (1 + waves)
    return distance <= np.quantile(distance, share)


def timings(functions: list[Callable[[], object]], rounds: int = 60) -> list[float]:
    """Median milliseconds of each function, called in turn."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for function, its_times in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            its_times.append(1e3 * (time.perf_counter() - start))
    return [median(its_times) for its_times in times]


def three_objects(seed: int) -> np.ndarray:
    """A label map of three blobs of 5 % of the frame each."""
    label_map = np.zeros(SIZE, np.uint8)
    for i in (1, 2, 3):
        label_map[blob(0.05, 10 * seed + i, center=(0.5, 0.25 * i))] = i
    return label_map


def compare(name: str, plain: Callable[[], list], ours: Callable[[], list]) -> None:
    """Prints one line of the table."""
    difference = np.abs(np.subtract(plain(), ours())).max()
    plain_time, our_time = timings([plain, ours])
    print(f"{name:<28} {plain_time:8.2f} {our_time:8.2f} {plain_time / our_time:7.1f} {difference:12.0e}")


def main() -> None:
    cv2.setNumThreads(1)
    print(
        f"J and F of a frame of {SIZE[0]}x{SIZE[1]}, tolerance {RADIUS} px, one core, milliseconds (medians)"
    )
    print(f"{'object':<28} {'plain':>8} {'ours':>8} {'ratio':>7} {'difference':>12}")
    for share in SHARES:
        pair = blob(share, seed=1), np.roll(blob(share, seed=2), (4, 9), (0, 1))
        compare(
            f"{share:.0%} of the frame",
            lambda pair=pair: list(plain_scores(*pair)),
            lambda pair=pair: [jaccard(*pair), boundary_f_measure(*pair)],
        )
    truth, prediction = three_objects(1), three_objects(2)
    compare(
        "3 objects in label maps",
        lambda: [plain_scores(truth == i, prediction == i) for i in (1, 2, 3)],
        lambda: [score[:2] for score in score_label_maps(truth, prediction).values()],
    )


if __name__ == "__main__":
    main()
