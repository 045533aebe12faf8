"""A small network that makes a mask of a box or of points, on one frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from fiftyone_hs2s.network.backbones import BACKBONES, SameConv2d, build_stages
from fiftyone_hs2s.network.depthwise import DepthwiseConv2d

HINTS = 3
"""Channels that say what is meant: the box, positive points, negative points."""
SIDE = 256
"""Pixels of a side of the square view of an object that the network takes."""


class MaskMakerNetwork(nn.Module):
    """EfficientNet-Lite0 with the hints added after its first convolution, and a feature pyramid up to stride
    2.

    Args:
        width: channels of the pyramid
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        channels = BACKBONES["efficientnet_lite0"].channels
        self.stages = build_stages("efficientnet_lite0", 0, 5)
        self.hints = SameConv2d(HINTS, channels[0], 3, 2, bias=False)
        nn.init.zeros_(self.hints.weight)  # it starts as the pretrained backbone
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels[:0:-1])
        self.gates = nn.ModuleList(nn.Conv2d(HINTS, width, 3, padding=1) for _ in self.laterals)
        self.blocks = nn.ModuleList(_block(width) for _ in self.laterals)
        self.head = nn.Conv2d(width, 1, 3, padding=1)
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1), persistent=False)

    def forward(self, view: torch.Tensor, hints: torch.Tensor) -> torch.Tensor:
        """Segments what is meant.

        Args:
            view: (N, 3, H, W), RGB in 0..1; sides are multiples of 32
            hints: (N, 3, H, W), 0..1, see :data:`HINTS`

        Returns:
            logits (N, 1, H, W)
        """
        x = self.stages[0]((view - self.mean) / self.std) + self.hints(hints)
        features = []
        for stage in self.stages[1:]:
            x = stage(x)
            features.append(x)
        merged: torch.Tensor | None = None
        for lateral, gate, block, feature in zip(
            self.laterals, self.gates, self.blocks, features[::-1], strict=True
        ):
            level = lateral(feature) + gate(F.adaptive_avg_pool2d(hints, feature.shape[2:]))
            if merged is not None:
                level = level + F.interpolate(
                    merged, size=feature.shape[2:], mode="bilinear", align_corners=False
                )
            merged = block(level)
        return F.interpolate(self.head(merged), size=view.shape[2:], mode="bilinear", align_corners=False)


def _block(width: int) -> nn.Sequential:
    """Two depthwise separable convolutions."""
    layers: list[nn.Module] = []
    for _ in range(2):
        depthwise = DepthwiseConv2d(width, width, 5, padding=2, groups=width)
        layers += [nn.ReLU(), depthwise, nn.Conv2d(width, width, 1)]
    return nn.Sequential(*layers, nn.ReLU())
