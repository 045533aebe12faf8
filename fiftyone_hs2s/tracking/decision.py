"""The decision a pixel, at the frame's own size: margins are what is resized, so edges are smooth there."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def decide(margins: torch.Tensor, ids: list[int], size: tuple[int, int]) -> torch.Tensor:
    """Brings margins to a frame's size (bilinear) and gives each pixel to the object with the greatest one
    above 0.

    Only the box around each object's positive margins is enlarged: nothing outside it can become positive.

    Args:
        margins: float32 (N, h, w)
        ids: the ids of the N objects
        size: (H, W) of the frame

    Returns:
        uint8 (H, W), or int32 if an id is above 255: ids, 0 for background
    """
    best = margins.new_zeros(size)
    labels = torch.zeros(size, dtype=torch.uint8 if max(ids) < 256 else torch.int32, device=margins.device)
    by_rows, by_columns = margins.amax(2).cpu(), margins.amax(1).cpu()
    for margin, object_id, rows, columns in zip(margins, ids, by_rows, by_columns, strict=True):
        if not (rows > 0).any():
            continue
        near_rows, far_rows = _block(rows, size[0])
        near_columns, far_columns = _block(columns, size[1])
        top = best[far_rows, far_columns]
        part = margin[near_rows, near_columns][None, None]
        enlarged = F.interpolate(part, top.shape, mode="bilinear", align_corners=False)[0, 0]
        labels[far_rows, far_columns].masked_fill_(enlarged > top, object_id)
        torch.maximum(top, enlarged, out=top)
    return labels


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
