"""The decision a pixel, at the frame's own size: margins are what is resized, so edges are smooth there.

Each pixel goes to the object with the greatest margin above 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F


def decide_in_boxes(margins: torch.Tensor, ids: Sequence[int], size: tuple[int, int]) -> torch.Tensor:
    """Brings margins to a frame's size (bilinear) and decides, on a CPU.

    Only the box around each object's positive margins is enlarged: nothing outside it can become positive.

    Args:
        margins: float32 (N, h, w)
        ids: the ids of the N objects
        size: (H, W) of the frame

    Returns:
        uint8 (H, W), or int32 if an id is above 255: ids, 0 for background
    """
    best, labels = _nothing(margins, ids, size)
    by_rows, by_columns = margins.amax(2), margins.amax(1)
    for margin, object_id, rows, columns in zip(margins, ids, by_rows, by_columns, strict=True):
        if not (rows > 0).any():
            continue
        near_rows, far_rows = _block(rows, size[0])
        near_columns, far_columns = _block(columns, size[1])
        _claim(
            margin[near_rows, near_columns],
            object_id,
            best[far_rows, far_columns],
            labels[far_rows, far_columns],
        )
    return labels


def decide_whole(margins: torch.Tensor, ids: Sequence[int], size: tuple[int, int]) -> torch.Tensor:
    """The same of whole margins: more work, but a GPU need not be waited for to know where the boxes are."""
    best, labels = _nothing(margins, ids, size)
    for margin, object_id in zip(margins, ids, strict=True):
        _claim(margin, object_id, best, labels)
    return labels


def _nothing(
    margins: torch.Tensor, ids: Sequence[int], size: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    dtype = torch.uint8 if max(ids) < 256 else torch.int32
    return margins.new_zeros(size), torch.zeros(size, dtype=dtype, device=margins.device)


def _claim(margin: torch.Tensor, object_id: int, best: torch.Tensor, labels: torch.Tensor) -> None:
    """Gives an object the pixels at which its margin (h, w), enlarged, is above the best one (H, W)."""
    enlarged = F.interpolate(margin[None, None], best.shape, mode="bilinear", align_corners=False)[0, 0]
    labels.masked_fill_(enlarged > best, object_id)
    torch.maximum(best, enlarged, out=best)


def _block(highest: torch.Tensor, new: int) -> tuple[slice, slice]:
    """The part of an axis that an object's positive margins need, before and after resizing.

    It starts and ends where a source and a target position meet, so that resizing the part is part of
    resizing the whole; and one pixel beyond the object, so that what lies beyond, which is not seen, makes no
    difference.

    Args:
        highest: the greatest margin at each position of the axis
        new: the length of the axis after resizing
    """
    old = len(highest)
    step = old // math.gcd(old, new)
    where = (highest > 0).nonzero()
    start = max(0, (int(where[0]) - 1) // step * step)
    stop = min(old, -(-(int(where[-1]) + 2) // step) * step)
    return slice(start, stop), slice(start * new // old, stop * new // old)
