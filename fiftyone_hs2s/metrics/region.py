"""Region similarity J: the Jaccard index (intersection over union) of two masks."""

from __future__ import annotations

import numpy as np

from fiftyone_hs2s.errors import HS2SError

MAX_IDS = 1024
"""Up to so many ids are counted in one table without renumbering them first."""


def jaccard(truth: np.ndarray, prediction: np.ndarray, void: np.ndarray | None = None) -> float:
    """Region similarity J of two masks (Perazzi et al. 2016, "A Benchmark Dataset and Evaluation
    Methodology").

    Two empty masks are equal (J = 1), as in the official DAVIS evaluations.

    Args:
        truth: true mask (H, W), bool; of another type: what is not zero
        prediction: predicted mask (H, W), likewise
        void: mask (H, W) of the pixels to ignore. The DAVIS-2017 code ignores void pixels in its unsupervised
            task only; in the semi-supervised one it counts them as background

    Returns:
        |truth & prediction| / |truth | prediction|, in 0..1

    Raises:
        HS2SError: if the masks are not two-dimensional and of one size
    """
    truth, prediction = mask_pair(truth, prediction, void)
    union = int(np.count_nonzero(truth | prediction))
    return int(np.count_nonzero(truth & prediction)) / union if union else 1.0


def mask_pair(
    truth: np.ndarray, prediction: np.ndarray, void: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Both masks as bool arrays, without the pixels to ignore.

    Args:
        truth: mask (H, W) of any type
        prediction: mask (H, W) of any type
        void: mask (H, W) of the pixels that become background in both

    Raises:
        HS2SError: if the masks are not two-dimensional and of one size
    """
    check_sizes(truth, prediction)
    truth, prediction = truth.astype(bool, copy=False), prediction.astype(bool, copy=False)
    if void is None:
        return truth, prediction
    check_sizes(truth, void)
    valid = ~void.astype(bool, copy=False)
    return truth & valid, prediction & valid


def check_sizes(truth: np.ndarray, prediction: np.ndarray) -> None:
    """Refuses masks or label maps that cannot be compared pixel by pixel.

    Raises:
        HS2SError: if they are not two-dimensional and of one size
    """
    if truth.ndim != 2 or truth.shape != prediction.shape:
        raise HS2SError(
            f"Masks of shapes {truth.shape} and {prediction.shape} cannot be compared: both must be (H, W) of"
            " one size."
        )


def overlap_table(truth: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many pixels have which pair of ids.

    Args:
        truth: label map (H, W)
        prediction: label map (H, W)

    Returns:
        the ids in either of them, ascending, int (N,), with 0 first in any case; pixel counts, int (N, N), by
        the ids of the truth (rows) and of the prediction (columns)
    """
    ids = np.arange(1 + max(int(truth.max()), int(prediction.max())))
    if len(ids) > MAX_IDS:
        ids, places = np.unique(np.concatenate([[0], truth.ravel(), prediction.ravel()]), return_inverse=True)
        truth, prediction = places[1:].reshape(2, -1)
    pairs = truth.astype(np.intp) * len(ids) + prediction
    table = np.bincount(pairs.ravel(), minlength=len(ids) ** 2).reshape(len(ids), -1)
    present = np.flatnonzero((table.sum(0) + table.sum(1) > 0) | (ids == 0))
    return ids[present], table[np.ix_(present, present)]
