"""Frames in between, which the merge layer at stride 16 reads along with the first one."""

from __future__ import annotations

import torch

from fiftyone_hs2s.network.merge import Prepared
from fiftyone_hs2s.network.state import References, State

CERTAIN = 0.8
"""Mean probability over an object's own pixels from which a frame is worth remembering."""


def is_due(state: State, every: int) -> torch.Tensor:
    """(N,) bool, the objects whose frame shall be remembered.

    Only a mask of which the network is certain: what it remembers by mistake it would find again and again.
    """
    own = (state.masks > 0.5).to(state.masks.dtype)
    area = own.sum((1, 2, 3))
    certainty = (state.masks * own).sum((1, 2, 3)) / area.clamp(min=1)
    return (state.age > 0) & (state.age % every == 0) & (area > 0) & (certainty > CERTAIN)


def recall(recalled: Prepared, latest: Prepared, due: torch.Tensor) -> Prepared:
    """Drops the oldest frame for the latest one where it is ``due`` (N,).

    It is asked of the values, not of the program: reading ``due`` would make a GPU wait.
    """
    moved = (
        torch.cat([old[:, :, new.shape[2] :], new], 2) for old, new in zip(recalled, latest, strict=True)
    )
    return tuple(torch.where(due.view(-1, 1, 1), new, old) for new, old in zip(moved, recalled, strict=True))


def with_recalled(first: References, recalled: Prepared) -> References:
    """The first frame as reference, with the frames in between joined to it at stride 16."""
    if not recalled:
        return first
    deep, fine = first["first"]
    return {"first": (deep, tuple(torch.cat(pair, 2) for pair in zip(fine, recalled, strict=True)))}
