"""How the objects' logits become one decision a pixel.

Both ways are put as margins, log-odds of an object over the background: the object with the greatest margin has the
pixel, if that margin is above 0. Margins are what is brought to the frame's size, so edges are smooth there.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

AGGREGATIONS = ("soft", "argmax")

_LIMIT = 16.0  # log-odds of the probability 1 - 1e-7 at which STM clamps


def object_margins(logits: torch.Tensor, aggregation: str) -> torch.Tensor:
    """Each object's log-odds over the background.

    "soft" is the soft aggregation of RGMP (eq. 2 there) and STM: the background has the probability that no object is
    there, prod(1 - p_m), and all compete by their odds p / (1 - p). "argmax" is what HS2S's released code does:
    the background has the fixed probability 0.5.

    Args:
        logits: (N, h, w), any float type
        aggregation: "soft" or "argmax"

    Returns:
        float32 (N, h, w)
    """
    logits = logits.float()
    if aggregation == "argmax":
        return logits
    logits = logits.clamp(-_LIMIT, _LIMIT)
    nothing = -F.softplus(logits).sum(0)  # log prod(1 - p_m)
    return logits - (nothing - torch.log(-torch.expm1(nothing)))


def object_probabilities(margins: torch.Tensor, aggregation: str) -> torch.Tensor:
    """The probability of each object at each pixel.

    Args:
        margins: float32 (N, h, w) from :func:`object_margins`
        aggregation: "soft" (those of all objects and the background sum to 1) or "argmax" (each by itself)

    Returns:
        float32 (N, h, w) in 0..1
    """
    if aggregation == "argmax":
        return margins.sigmoid()
    background = torch.zeros_like(margins[:1])
    return torch.cat([background, margins]).softmax(0)[1:]


def decide(margins: torch.Tensor, ids: list[int], size: tuple[int, int]) -> torch.Tensor:
    """Brings margins to a frame's size (bilinear) and gives each pixel to the object with the greatest one above 0.

    Only the box around each object's positive margins is enlarged: nothing outside it can become positive.

    Args:
        margins: float32 (N, h, w)
        ids: the ids of the N objects
        size: (H, W) of the frame

    Returns:
        int32 (H, W): ids, 0 for background
    """
    best = margins.new_zeros(size)
    labels = torch.zeros(size, dtype=torch.int32, device=margins.device)
    for margin, object_id, box in zip(margins, ids, _boxes(margins, size), strict=True):
        if box is None:
            continue
        enlarged = resize_box(margin, size, box)
        top = best[box]
        labels[box].masked_fill_(enlarged > top, object_id)
        torch.maximum(top, enlarged, out=top)
    return labels


def resize_box(margin: torch.Tensor, size: tuple[int, int], box: tuple[slice, slice]) -> torch.Tensor:
    """A part of ``F.interpolate(margin, size, mode="bilinear", align_corners=False)``, without computing the rest.

    Args:
        margin: (h, w)
        size: (H, W)
        box: rows and columns of the result that are wanted
    """
    rows, next_rows, row_weights = _taps(margin.shape[0], size[0], box[0], margin)
    columns, next_columns, column_weights = _taps(margin.shape[1], size[1], box[1], margin)
    first = int(columns[0])
    columns, next_columns, margin = columns - first, next_columns - first, margin[:, first : int(next_columns[-1]) + 1]
    tall = torch.lerp(margin[rows], margin[next_rows], row_weights[:, None])
    return torch.lerp(tall[:, columns], tall[:, next_columns], column_weights)


def _taps(old: int, new: int, part: slice, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The two source positions of each target position in ``part``, and the weight of the second."""
    position = (torch.arange(part.start, part.stop, dtype=torch.float32) + 0.5) * (old / new) - 0.5
    position = position.clamp(0, old - 1)
    before = position.long()
    after = (before + 1).clamp(max=old - 1)
    return before.to(like.device), after.to(like.device), (position - before).to(like.device)


def _boxes(margins: torch.Tensor, size: tuple[int, int]) -> list[tuple[slice, slice] | None]:
    """The part of the frame that each object's positive margins reach, None if there are none."""
    positive = margins > 0
    by_rows, by_columns = positive.any(2).cpu(), positive.any(1).cpu()
    height, width = margins.shape[1:]
    return [
        (_reach(rows, height, size[0]), _reach(columns, width, size[1])) if rows.any() else None
        for rows, columns in zip(by_rows, by_columns, strict=True)
    ]


def _reach(positive: torch.Tensor, old: int, new: int) -> slice:
    """Target positions whose source lies less than one pixel from a positive one."""
    where = positive.nonzero()
    start = math.ceil((int(where[0]) - 0.5) * new / old - 0.5)
    stop = math.floor((int(where[-1]) + 1.5) * new / old - 0.5) + 1
    return slice(max(0, start), min(new, stop))
