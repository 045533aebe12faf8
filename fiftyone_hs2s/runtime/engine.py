"""What all runtimes have in common: the three calls of a network that tracks."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from fiftyone_hs2s.network import HS2S, ImageFeatures, State


class Engine(ABC):
    """Computes a network in some precision, with the calls of :class:`HS2S`.

    Args:
        network: the network in float32, on the device that it is computed on
        precision: the number format of its work

    Attributes:
        name: what computes it, for people
    """

    name: str

    def __init__(self, network: HS2S, precision: torch.dtype) -> None:
        self.network, self.precision = network, precision

    def ready(self, size: tuple[int, int]) -> Engine:
        """The engine to use for pictures of a size (h, w): this one, once it is prepared for them, or one
        that takes its place."""
        return self

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
    def step(self, image: ImageFeatures, state: State) -> tuple[torch.Tensor, State]:
        """See :meth:`HS2S.step`."""
