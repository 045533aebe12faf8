"""The ways in which the network sees each frame, whose results are averaged: mirrored, and at other sizes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from fiftyone_hs2s.averages import WAYS

Size = tuple[int, int]


@dataclass(frozen=True)
class View:
    """A way to see a frame.

    Args:
        mirrored: whether left and right are exchanged
        scale: factor of the network's size
    """

    mirrored: bool = False
    scale: float = 1.0

    def size(self, base: Size) -> Size:
        """The size (h, w) of the view, multiples of 32, where the plain one is ``base``."""
        height, width = (max(32, round(side * self.scale / 32) * 32) for side in base)
        return height, width

    def turn(self, x: torch.Tensor) -> torch.Tensor:
        """Mirrors (..., h, w) if the view is mirrored: from the frame to the view, and from the view to
        the frame."""
        return x.flip(-1) if self.mirrored else x

    def see(self, x: torch.Tensor) -> torch.Tensor:
        """Brings what is known at the plain size, (N, 1, h, w), to the view."""
        return self.turn(_resize(x, self.size((x.shape[-2], x.shape[-1]))))

    def bring_back(self, x: torch.Tensor, base: Size) -> torch.Tensor:
        """Brings what the view gave, (N, 1, h, w), to the plain size."""
        return _resize(self.turn(x), base)


def _resize(x: torch.Tensor, size: Size) -> torch.Tensor:
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)


AVERAGES = {name: tuple(View(*way) for way in ways) for name, ways in WAYS.items()}
"""What is averaged, by name; the plain view comes first."""
