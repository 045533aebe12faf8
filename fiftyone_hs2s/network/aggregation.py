"""How objects compete for a pixel, in tracking and in training alike.

Both ways are put as margins, log-odds of an object over the background: the object with the greatest margin
has the pixel, if that margin is above 0.
"""

from __future__ import annotations

import torch

AGGREGATIONS = ("soft", "argmax")

_LIMIT = 16.0
"""Log-odds of the probability 1 - 1e-7, at which STM clamps."""


def aggregate(logits: torch.Tensor, aggregation: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Lets objects compete.

    "soft" is the soft aggregation of RGMP (eq. 2 there) and STM: the background has the probability that no
    object is there, prod(1 - p_m), and all compete by their odds p / (1 - p). "argmax" is what HS2S's
    released code does: the background has the fixed probability 0.5.

    Args:
        logits: (..., N, h, w), any float type
        aggregation: "soft" or "argmax"

    Returns:
        float32 (..., N, h, w): each object's margin, its log-odds over the background; and its probability in
        0..1. Those of "soft" and the background's sum to 1 over the objects; those of "argmax" are each by
        itself
    """
    logits = logits.float()
    if aggregation == "argmax":
        return logits, logits.sigmoid()
    logits = logits.clamp(-_LIMIT, _LIMIT)
    odds = logits.exp()
    # 1 / prod(1 - p) = prod(1 + odds): exact where p is tiny, and no logarithm an object
    background = 1 / ((1 + odds).prod(-3, keepdim=True).clamp(max=1e30) - 1)
    return logits - background.log(), odds / (odds.sum(-3, keepdim=True) + background)


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


class Meeting:
    """Which objects of a batch meet: those of one clip compete, and see where the others are.

    Args:
        clip: (N,) the clip of each object, ascending
    """

    def __init__(self, clip: torch.Tensor) -> None:
        _, counts = clip.unique_consecutive(return_counts=True)
        self.most = int(counts.max())
        self.alone = self.most == 1
        self.place = torch.cat([torch.arange(int(count), device=clip.device) for count in counts])
        self.row = torch.repeat_interleave(torch.arange(len(counts), device=clip.device), counts)

    def table(self, values: torch.Tensor, missing: float) -> torch.Tensor:
        """Lays values (N, 1, H, W) out by clip: (clips, K, H, W), ``missing`` where a clip has fewer than
        K objects."""
        table = values.new_full((int(self.row[-1]) + 1, self.most, *values.shape[2:]), missing)
        return table.index_put((self.row, self.place), values[:, 0])

    def compete(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Soft aggregation of logits (N, 1, H, W): margins and probabilities, float32 (clips, K, H, W)."""
        return aggregate(self.table(logits.float(), -_LIMIT), "soft")

    def shares(self, logits: torch.Tensor) -> torch.Tensor:
        """The objects' probabilities after soft aggregation: (N, 1, H, W) of logits (N, 1, H, W)."""
        _, shares = self.compete(logits)
        return shares[self.row, self.place][:, None].to(logits.dtype)

    def others(self, masks: torch.Tensor) -> torch.Tensor:
        """The sum of the others' masks (N, 1, H, W) for each object, in 0..1."""
        if self.alone:
            return torch.zeros_like(masks)
        totals = masks.new_zeros(int(self.row[-1]) + 1, *masks.shape[1:]).index_add(0, self.row, masks)
        return (totals[self.row] - masks).clamp(0, 1)
