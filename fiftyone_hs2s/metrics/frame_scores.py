"""J, F and areas of the objects of one frame."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from fiftyone_hs2s.masks import VOID
from fiftyone_hs2s.metrics.boundary import boundary_f_measure, bounding_box, tolerance_in_pixels
from fiftyone_hs2s.metrics.region import check_sizes, overlap_table

NAN = float("nan")


class FrameScore(NamedTuple):
    """One object on one frame; areas in pixels."""

    J: float
    """Region similarity in 0..1; NaN on a frame without ground truth."""
    F: float
    """Boundary similarity in 0..1; NaN on a frame without ground truth."""
    truth_area: int
    predicted_area: int
    intersection: int
    """Pixels that are the object's in the truth and in the prediction."""
    other_id: int
    """The other true object that the prediction covers most, 0 if it covers none."""
    other_area: int
    """Pixels of that other object that the prediction covers."""
    x: float
    """Center of mass of the prediction, in pixels from the left; NaN if it is empty."""
    y: float
    """Likewise from the top."""


def score_label_maps(
    truth: np.ndarray | None, prediction: np.ndarray, exclude_void: bool = False, void: int | None = None
) -> dict[int, FrameScore]:
    """J, F and areas of all objects of a frame, matched by id.

    The values are those of ``jaccard`` and ``boundary_f_measure`` on the objects' masks.

    Args:
        truth: true label map (H, W), uint8 or uint16; None for a frame without ground truth
        prediction: predicted label map (H, W)
        exclude_void: leave the pixels out that are 255 in a uint8 truth (the unsupervised DAVIS task),
            instead of taking them as background (the semi-supervised one). In a prediction 255 always is
            background
        void: a value that means in uint16 label maps what 255 means in uint8

    Returns:
        the scores by id, of every object in the truth or in the prediction

    Raises:
        HS2SError: if the label maps differ in size
    """
    known = truth is not None
    truth = np.zeros_like(prediction) if truth is None else truth
    check_sizes(truth, prediction)
    radius = tolerance_in_pixels(truth.shape)
    truth, prediction = _without_void(truth, prediction, exclude_void, void)
    box = bounding_box((truth != 0) | (prediction != 0))
    objects = _score_box(truth[box], prediction[box], radius, truth.size, (box[1].start, box[0].start))
    return objects if known else {i: score._replace(J=NAN, F=NAN) for i, score in objects.items()}


def _without_void(
    truth: np.ndarray, prediction: np.ndarray, exclude: bool, void: int | None
) -> tuple[np.ndarray, np.ndarray]:
    ignored = void_pixels(truth, void)
    if ignored is not None:
        truth = np.where(ignored, 0, truth)
        prediction = np.where(ignored, 0, prediction) if exclude else prediction
    unsure = void_pixels(prediction, void)
    return truth, prediction if unsure is None else np.where(unsure, 0, prediction)


def void_pixels(label_map: np.ndarray, void: int | None) -> np.ndarray | None:
    """The void pixels of a label map, None if there are none."""
    value = VOID if label_map.dtype == np.uint8 else void
    found = None if value is None else label_map == value
    return found if found is not None and found.any() else None


def _score_box(
    truth: np.ndarray, prediction: np.ndarray, radius: int, image_area: int, corner: tuple[int, int]
) -> dict[int, FrameScore]:
    """The scores of all objects, from a box around them that starts at ``corner`` (x, y) of the image."""
    ids, table = overlap_table(truth, prediction)
    others = table.copy()
    others[0] = 0  # the background is no object
    np.fill_diagonal(others, 0)
    scores = {}
    for k, i in enumerate(ids.tolist()[1:], start=1):
        areas = true, predicted, intersection = int(table[k].sum()), int(table[:, k].sum()), int(table[k, k])
        if true and predicted:
            f = boundary_f_measure(truth == i, prediction == i, tolerance=radius)
        else:  # only a mask of the whole image has as little of a boundary as the empty one
            f = float(max(areas) == image_area)
        j = intersection / (true + predicted - intersection)
        rival = int(others[:, k].argmax())
        other_area = int(others[rival, k])
        x, y = _center(prediction == i, corner) if predicted else (NAN, NAN)
        scores[i] = FrameScore(j, f, *areas, int(ids[rival]) if other_area else 0, other_area, x, y)
    return scores


def _center(mask: np.ndarray, corner: tuple[int, int]) -> tuple[float, float]:
    pixels = mask.view(np.uint8)
    per_column = cv2.reduce(pixels, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0]
    per_row = cv2.reduce(pixels, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0]
    area = per_row.sum()
    x, y = (float(counts @ np.arange(len(counts)) / area) for counts in (per_column, per_row))
    return corner[0] + x, corner[1] + y
