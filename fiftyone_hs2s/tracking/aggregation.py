"""How the objects' logits become one decision a pixel.

Both ways are put as margins, log-odds of an object over the background: the object with the greatest margin has the
pixel, if that margin is above 0. Margins are what is brought to the frame's size, so edges are smooth there.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

AGGREGATIONS = ("soft", "argmax")

_LIMIT = 16.0
"""Log-odds of the probability 1 - 1e-7, at which STM clamps."""


def aggregate(logits: torch.Tensor, aggregation: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Lets objects compete.

    "soft" is the soft aggregation of RGMP (eq. 2 there) and STM: the background has the probability that no object is
    there, prod(1 - p_m), and all compete by their odds p / (1 - p). "argmax" is what HS2S's released code does:
    the background has the fixed probability 0.5.

    Args:
        logits: (N, h, w), any float type
        aggregation: "soft" or "argmax"

    Returns:
        float32 (N, h, w): each object's margin, its log-odds over the background; and its probability in 0..1. Those
        of "soft" and the background's sum to 1 over the objects; those of "argmax" are each by itself
    """
    logits = logits.float()
    if aggregation == "argmax":
        return logits, logits.sigmoid()
    logits = logits.clamp(-_LIMIT, _LIMIT)
    odds = logits.exp()
    # 1 / prod(1 - p) = prod(1 + odds): exact where p is tiny, and no logarithm an object
    background = 1 / ((1 + odds).prod(0).clamp_(max=1e30) - 1)
    return logits - background.log(), odds / (odds.sum(0) + background)


def margins_to_probabilities(margins: torch.Tensor, aggregation: str) -> torch.Tensor:
    """The probabilities that belong to margins, wherever those were resized to.

    Args:
        margins: float32 (N, h, w) from :func:`aggregate`
        aggregation: the same as there

    Returns:
        float32 (N, h, w) in 0..1
    """
    if aggregation == "argmax":
        return margins.sigmoid()
    return torch.cat([torch.zeros_like(margins[:1]), margins]).softmax(0)[1:]


def decide(margins: torch.Tensor, ids: list[int], size: tuple[int, int]) -> torch.Tensor:
    """Brings margins to a frame's size (bilinear) and gives each pixel to the object with the greatest one above 0.

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

    It starts and ends where a source and a target position meet, so that resizing the part is part of resizing the
    whole; and one pixel beyond the object, so that what lies beyond, which is not seen, makes no difference.

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
