"""What all runtimes have in common: the three calls of a network that tracks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from fiftyone_hs2s.network import HS2S, ImageFeatures, State

Started = tuple[ImageFeatures, torch.Tensor, torch.Tensor | None]
"""What objects start from: a picture, their masks, and where the others are."""
Stepped = tuple[torch.Tensor, State]
"""What a step gives: logits, and the objects after it."""


class Engine(ABC):
    """Computes a network in some precision, with the calls of :class:`HS2S`.

    Args:
        network: the network in float32, on the device that it is computed on
        precision: the number format of its work

    Attributes:
        name: what computes it, for people
    """

    name: str
    takes_pictures = False
    """Whether the objects of a call may each have a picture of their own."""

    def __init__(self, network: HS2S, precision: torch.dtype) -> None:
        self.network, self.precision = network, precision

    def ready(self, size: tuple[int, int]) -> Engine:
        """The engine to use for pictures of a size (h, w): this one, once it is prepared for them, or one
        that takes its place."""
        return self

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Around everything that is computed for a frame, by this engine or beside it."""
        with torch.inference_mode():
            yield

    @abstractmethod
    def in_float32(self) -> Engine:
        """The same in float32."""

    @abstractmethod
    def encode_image(self, frame: torch.Tensor) -> ImageFeatures:
        """See :meth:`HS2S.encode_image`."""

    @abstractmethod
    def start(self, image: ImageFeatures, masks: torch.Tensor, others: torch.Tensor | None = None) -> State:
        """See :meth:`HS2S.start`."""

    @abstractmethod
    def step(self, image: ImageFeatures, state: State) -> Stepped:
        """See :meth:`HS2S.step`."""

    def starts(self, given: Sequence[Started]) -> list[State]:
        """Starts the objects of a frame, in parts."""
        return [self.start(*part) for part in given]

    def steps(self, given: Sequence[tuple[ImageFeatures, State]]) -> list[Stepped]:
        """Advances the objects of a frame, in parts."""
        return [self.step(*part) for part in given]
