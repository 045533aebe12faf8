"""The network computed by PyTorch."""

from __future__ import annotations

from typing import cast

import torch

from fiftyone_hs2s.network import HS2S, ImageFeatures, State
from fiftyone_hs2s.network.precision import converted
from fiftyone_hs2s.runtime.device import choose_memory_format
from fiftyone_hs2s.runtime.engine import Engine


class TorchEngine(Engine):
    """Computes a network by PyTorch, in a lower precision under autocast with weights converted once.

    Args:
        network: the network in float32
        precision: the number format of its work
        device: where it is
    """

    name = "PyTorch"
    takes_pictures = True

    def __init__(self, network: HS2S, precision: torch.dtype, device: torch.device) -> None:
        super().__init__(network, precision)
        self._device, self._low = device, precision != torch.float32
        self._format = choose_memory_format(network, device)
        network.to(memory_format=self._format)
        self._network = cast(HS2S, converted(network, precision)) if self._low else network

    def in_float32(self) -> TorchEngine:
        return TorchEngine(self.network, torch.float32, self._device)

    def encode_image(self, frame: torch.Tensor) -> ImageFeatures:
        with self._autocast():
            return self._network.encode_image(frame.contiguous(memory_format=self._format))

    def start(self, image: ImageFeatures, masks: torch.Tensor, others: torch.Tensor | None = None) -> State:
        with self._autocast():
            return self._network.start(image, masks, others)

    def step(self, image: ImageFeatures, state: State) -> tuple[torch.Tensor, State]:
        with self._autocast():
            return self._network.step(image, state)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, self.precision, enabled=self._low)
