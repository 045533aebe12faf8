"""A network that ends its process: what is in memory is gone, as when the system kills it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import torch
from color_network import ColorNetwork
from fiftyone_kit import H, W

from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
from fiftyone_hs2s.network import ImageFeatures
from fiftyone_hs2s.tracking import Tracker


class DeadlyNetwork(ColorNetwork):
    """Kills its process on frames that are nearly black.

    Args:
        once: a file; where it exists the process lives on. None to kill each time
    """

    def __init__(self, once: Path | None = None) -> None:
        super().__init__(others=False)
        self.once = once

    def encode_image(self, frame: torch.Tensor) -> ImageFeatures:
        if frame.mean() < 0.1 and not (self.once and self.once.exists()):
            if self.once:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_image(frame)


def deadly_model(once: Path | None = None) -> HS2SVideoModel:
    """A FiftyOne model around it."""
    return HS2SVideoModel(Tracker(DeadlyNetwork(once), size=(H, W), device="cpu", precision="float32"))


def darkening(frames: list) -> list:
    """Frames of which the later half is nearly black."""
    return [frame if number < len(frames) // 2 else frame // 20 for number, frame in enumerate(frames)]
