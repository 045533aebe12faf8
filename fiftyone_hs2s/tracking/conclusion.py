"""What comes of a frame: the objects compete for its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from fiftyone_hs2s.masks import draw_masks, label_dtype
from fiftyone_hs2s.network.aggregation import aggregate
from fiftyone_hs2s.tracking.batch import Batch
from fiftyone_hs2s.tracking.decision import decide_in_boxes, decide_whole
from fiftyone_hs2s.tracking.result import Probabilities, TrackedFrame
from fiftyone_hs2s.tracking.seen import shrink
from fiftyone_hs2s.tracking.views import Size

_NOWHERE = -1e4
"""A margin below any other."""


@dataclass(frozen=True)
class Conclusion:
    """What a frame's logits come to.

    Attributes:
        own: each object's own mask, or its share, (N, h, w) in 0..1
        shares: what is left of each after the objects competed, (N, h, w) in 0..1
        margins: float32 (N, h, w)
    """

    own: torch.Tensor
    shares: torch.Tensor
    margins: torch.Tensor

    @property
    def others(self) -> torch.Tensor:
        """Where the others are for each object, (N, 1, h, w) in 0..1."""
        return (self.shares.sum(0) - self.shares).clamp(0, 1)[:, None]

    def tracked(self, batch: Batch, size: Size, aggregation: str) -> TrackedFrame | None:
        """The result, by one copy from the device; None if there are values that are not finite.

        Args:
            batch: the objects
            size: (H, W) of the frame
            aggregation: how the objects competed
        """
        decide = decide_in_boxes if self.margins.device.type == "cpu" else decide_whole
        own = (self.margins == self.margins.amax(0)) & (self.margins > 0)
        certainty = (self.shares * own).sum((1, 2)) / own.sum((1, 2)).clamp(min=1)
        numbers = torch.cat([certainty, batch.is_finite()[None]])
        labels, (*means, finite) = _to_host(decide(self.margins, batch.ids, size), numbers)
        if not finite:
            return None
        labels = labels.astype(label_dtype(batch.ids), copy=False)
        draw_masks(labels, batch.given)
        values = dict(zip(batch.ids, map(float, means), strict=True))
        confidence = {i: 1.0 if i in batch.given else min(1.0, values[i]) for i in sorted(batch.ids)}
        lazy = Probabilities(list(batch.ids), self.margins, batch.given, size, aggregation)
        return TrackedFrame(labels, confidence, lazy)


def conclude(batch: Batch, aggregation: str, feedback: str, size: Size) -> Conclusion:
    """Lets objects compete; masks that were given are the result.

    Where the network learned from clips of one object (``feedback`` "own"), what it is fed back is its own
    mask, not its share: a share that another object took by mistake would be lost for good (on schoolgirls, 7
    objects, that cost 2 to 10 points of J&F).

    Args:
        batch: the objects
        aggregation: how they compete, see :func:`aggregate`
        feedback: what they are fed back, see :class:`HS2SConfig`
        size: (h, w) of the network
    """
    margins, shares = aggregate(batch.logits, aggregation)
    own = shares.clone() if feedback == "share" else batch.logits.sigmoid()
    if not batch.given:
        return Conclusion(own, shares, margins)
    start = len(batch.ids) - len(batch.given)
    small = torch.cat([shrink(batch.given[i], size, margins.device) for i in batch.ids[start:]])[:, 0]
    for values in (own, shares):
        values[:start] *= 1 - small.amax(0)
        values[start:] = small
    # Masks that were given need no decision.
    return Conclusion(own, shares, torch.cat([margins[:start], margins.new_full(small.shape, _NOWHERE)]))


def _to_host(labels: torch.Tensor, numbers: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Labels (H, W) and float32 numbers (n,), as one copy: a GPU is waited for once."""
    parts = [numbers.float().view(torch.uint8), labels.reshape(-1).view(torch.uint8)]
    packed, count = torch.cat(parts).cpu().numpy(), 4 * len(numbers)
    dtype = np.uint8 if labels.dtype == torch.uint8 else np.int32
    return packed[count:].view(dtype).reshape(labels.shape), packed[:count].view(np.float32)
