"""The objects that are being tracked, after a frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from fiftyone_hs2s.network.state import State

Chunks = tuple[State, ...]


@dataclass(frozen=True)
class Batch:
    """N objects after a frame; nothing of it is changed, so that a frame can be done again.

    Attributes:
        logits: float32 (N, h, w)
        ids: of the objects
        states: of each view, in chunks of that order
        given: masks that were given for the frame, of the last objects
    """

    logits: torch.Tensor
    ids: tuple[int, ...] = ()
    states: tuple[Chunks, ...] = ()
    given: Mapping[int, np.ndarray] = field(default_factory=dict)

    def keep(self, indices: Sequence[int], chunk_size: int) -> Batch:
        """Some of the objects, ascending."""
        if len(indices) == len(self.ids):
            return self
        ids = tuple(self.ids[index] for index in indices)
        given = {object_id: mask for object_id, mask in self.given.items() if object_id in ids}
        states = [State.cat(list(joined)).select(list(indices)) for joined in self.states if indices]
        chunks = tuple(chunked(state, chunk_size) for state in states)
        return Batch(self.logits[list(indices)], ids, chunks or tuple(() for _ in self.states), given)

    def chunked(self, chunk_size: int) -> Batch:
        """The same in other chunks."""
        if not self.ids:
            return self
        return replace(
            self, states=tuple(chunked(State.cat(list(joined)), chunk_size) for joined in self.states)
        )

    def float(self) -> Batch:
        """The same in float32."""
        return replace(self, states=tuple(tuple(state.float() for state in view) for view in self.states))

    def fed_back(self, seen: Iterator[Sequence[tuple[torch.Tensor, torch.Tensor | None]]]) -> Batch:
        """The same, with what the next step sees of each view's chunks: masks, and where the others are."""
        return replace(
            self,
            states=tuple(
                tuple(
                    replace(state, masks=masks, others=others)
                    for state, (masks, others) in zip(joined, parts, strict=True)
                )
                for joined, parts in zip(self.states, seen, strict=True)
            ),
        )

    def is_finite(self) -> torch.Tensor:
        """Whether all values are that carry the objects on, bool (). A sum is not, if one of them is not."""
        memories = (
            x for joined in self.states for state in joined for memory in state.memories for x in memory
        )
        return torch.stack([x.sum(dtype=torch.float32) for x in (self.logits, *memories)]).isfinite().all()


def chunked(state: State, chunk_size: int) -> Chunks:
    """A state in parts of so many objects."""
    count = len(state)
    if count <= chunk_size:
        return (state,)
    starts = range(0, count, chunk_size)
    return tuple(state.select(list(range(start, min(start + chunk_size, count)))) for start in starts)
