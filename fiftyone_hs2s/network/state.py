"""What the network carries from frame to frame: constant in size, however long the video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from fiftyone_hs2s.network.convlstm import Memory
from fiftyone_hs2s.network.encoders import ImageFeatures
from fiftyone_hs2s.network.merge import Prepared

References = dict[str, tuple[Prepared, ...]]  # {"first" | "previous": (at stride 32, at stride 16)}


@dataclass
class State:
    """N objects after a frame.

    Attributes:
        image: features of that frame, (1 or N, ...)
        masks: (N, 1, H, W) in 0..1: y_{t-1} of the next step, which the caller may replace
        first: x~_0 of each object, prepared for the merge layer; {} if the network does not read it
        recalled: what the merge layer at stride 16 reads of frames in between, prepared like the first, the
            oldest ahead, each (N, C, frames * cells); () if the network does not read any
        previous: x~_{t-1} where it is known already (right after the first frame), else None
        memories: (h, c) of the ConvLSTM and of the skip memory
        age: (N,) steps since the recurrent state started
        others: (N, 1, H, W) in 0..1, where the other objects of the frame are, which the caller sets; None
            for nowhere
    """

    image: ImageFeatures
    masks: torch.Tensor
    first: References
    previous: References | None
    memories: tuple[Memory, ...]
    age: torch.Tensor
    recalled: Prepared = ()
    others: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.masks)

    def detached(self) -> State:
        """The same state, through which no gradient goes back to frames before this one but the first."""
        memories = tuple((h.detach(), c.detach()) for h, c in self.memories)
        recalled = tuple(x.detach() for x in self.recalled)
        others = None if self.others is None else self.others.detach()
        return replace(self, masks=self.masks.detach(), memories=memories, recalled=recalled, others=others)

    def float(self) -> State:
        """The same state in float32."""

        def wide(x: torch.Tensor) -> torch.Tensor:
            return x.float() if x.is_floating_point() else x

        return self._map(wide, self.image.map(wide))

    def select(self, indices: list[int] | slice) -> State:
        """The state of some of the objects, in the order given; of a slice without copies."""
        image = self.image.select(indices) if len(self.image.joint) == len(self) > 1 else self.image

        return self._map(lambda x: x[indices], image)

    def _map(self, function: Callable[[torch.Tensor], torch.Tensor], image: ImageFeatures) -> State:
        """Applies a function to all tensors but those of the image, which another takes the place of."""
        return State(
            image=image,
            masks=function(self.masks),
            first=_map_references(self.first, function),
            previous=None if self.previous is None else _map_references(self.previous, function),
            memories=tuple((function(h), function(c)) for h, c in self.memories),
            age=function(self.age),
            recalled=tuple(function(x) for x in self.recalled),
            others=None if self.others is None else function(self.others),
        )

    @staticmethod
    def cat(states: list[State]) -> State:
        """Joins objects that are at the same frame.

        Raises:
            ValueError: without any state
        """
        if not states:
            raise ValueError("State.cat needs at least one state")
        first = states[0]
        if len(states) == 1:
            return first
        previous = [state.previous for state in states if state.previous is not None]
        others = [state.others for state in states if state.others is not None]
        return replace(
            first,
            masks=torch.cat([state.masks for state in states]),
            first=_join_references([state.first for state in states]),
            previous=_join_references(previous) if len(previous) == len(states) else None,
            memories=tuple(
                (torch.cat([h for h, _ in parts]), torch.cat([c for _, c in parts]))
                for parts in zip(*(state.memories for state in states), strict=True)
            ),
            age=torch.cat([state.age for state in states]),
            recalled=tuple(torch.cat(tensors) for tensors in zip(*(s.recalled for s in states), strict=True)),
            others=torch.cat(others) if len(others) == len(states) else None,
        )


def _map_references(references: References, function: Callable[[torch.Tensor], torch.Tensor]) -> References:
    return {
        name: tuple(tuple(function(x) for x in prepared) for prepared in levels)
        for name, levels in references.items()
    }


def _join_references(parts: list[References]) -> References:
    return {
        name: tuple(
            tuple(torch.cat(tensors) for tensors in zip(*levels, strict=True))
            for levels in zip(*(part[name] for part in parts), strict=True)
        )
        for name in parts[0]
    }
