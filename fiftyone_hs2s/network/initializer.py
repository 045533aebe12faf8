"""The initializer network of the plain S2S (eq. 1)."""

from __future__ import annotations

import torch
from torch import nn

from fiftyone_hs2s.network.backbones import BACKBONES
from fiftyone_hs2s.network.config import HS2SConfig
from fiftyone_hs2s.network.convlstm import Memory
from fiftyone_hs2s.network.encoders import Encoder, ImageFeatures


class Initializer(nn.Module):
    """h_0 and c_0 from the first frame and its mask."""

    def __init__(self, config: HS2SConfig) -> None:
        super().__init__()
        channels = BACKBONES[config.backbone].channels
        self.encoder = Encoder(config)
        self.state = nn.Conv2d(config.width, 2 * config.width, 1)
        self.skip_state = nn.Conv2d(channels[4], 2 * config.skip_width, 1) if config.skip_width else None

    def forward(self, image: ImageFeatures, masks: torch.Tensor) -> tuple[Memory, ...]:
        features, x = self.encoder(image, masks)
        states = [self.state(x)] + ([self.skip_state(features[16])] if self.skip_state is not None else [])
        return tuple(tuple(state.tanh().chunk(2, 1)) for state in states)
