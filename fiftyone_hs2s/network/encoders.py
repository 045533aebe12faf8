"""The image trunk, and the encoder: eq. 6 to 8 of the paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from fiftyone_hs2s.network.backbones import BACKBONES, STRIDES, build_stages
from fiftyone_hs2s.network.config import HS2SConfig
from fiftyone_hs2s.network.decoder import DecoderBlock


@dataclass(eq=False)
class ImageFeatures:
    """What all objects of a frame share: computed once a frame.

    Attributes:
        joint: (B, C, h, w) where the mask joins in; the normalized picture itself when nothing is shared
        skips: {stride: features} of the trunk, for the decoder
        key: (B, 112, H/16, W/16) features of the picture alone, for attention; None without it
    """

    joint: torch.Tensor
    skips: dict[int, torch.Tensor]
    key: torch.Tensor | None

    def select(self, indices: list[int] | slice | torch.Tensor) -> ImageFeatures:
        """Features of some pictures of the batch."""
        return self.map(lambda x: x[indices])

    def expand(self, count: int) -> ImageFeatures:
        """Features of one picture, for so many objects."""
        return self.map(lambda x: expand(x, count))

    @staticmethod
    def cat(images: Sequence[ImageFeatures]) -> ImageFeatures:
        """Features of all the pictures, in their order."""
        first = images[0]
        return ImageFeatures(
            torch.cat([image.joint for image in images]),
            {stride: torch.cat([image.skips[stride] for image in images]) for stride in first.skips},
            None
            if first.key is None
            else torch.cat([image.key for image in images if image.key is not None]),
        )

    def map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> ImageFeatures:
        """Applies a function to each tensor."""
        skips = {stride: function(x) for stride, x in self.skips.items()}
        return ImageFeatures(function(self.joint), skips, None if self.key is None else function(self.key))


def expand(x: torch.Tensor, count: int) -> torch.Tensor:
    """Gives a tensor of batch 1 the batch ``count``, without a copy."""
    return x.expand(count, *x.shape[1:])


class ImageTrunk(nn.Module):
    """The backbone's stages that see the picture alone and serve all objects and both encoders."""

    def __init__(self, config: HS2SConfig) -> None:
        super().__init__()
        channels = BACKBONES[config.backbone].channels
        self.shared = config.mask_stage
        self.joint_stage = min(config.mask_stage, 4)
        wants_keys = config.skip_merge == "attention" and bool(config.references) and config.skip_width > 0
        last = max(config.mask_stage, 4) if wants_keys else config.mask_stage
        self.decoder = ImageDecoder(channels, config.image_decoder) if config.image_decoder else None
        self.stages = build_stages(config.backbone, 0, last)
        self.wants_keys = wants_keys

    def forward(self, x: torch.Tensor) -> ImageFeatures:
        """x: (B, 3, H, W) normalized."""
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        skips = {STRIDES[i]: outputs[i] for i in range(1, self.shared + 1)}
        if self.decoder is not None:
            skips |= self.decoder(outputs)
        return ImageFeatures(outputs[self.joint_stage], skips, outputs[4] if self.wants_keys else None)


class ImageDecoder(nn.Module):
    """Brings the picture's features from stride 32 up to 4, once a frame: fine features that know what is
    where.

    Args:
        channels: of the backbone's stages
        blocks: (mixed, output) channels of the blocks, from stride 32 up
    """

    def __init__(self, channels: tuple[int, ...], blocks: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        widths = [channels[5], *(outputs for _, outputs in blocks)]
        skips = [0, channels[4], channels[3]]
        self.blocks = nn.ModuleList(
            DecoderBlock(widths[i], skips[i], mixed, outputs, 3) for i, (mixed, outputs) in enumerate(blocks)
        )

    def forward(self, stages: list[torch.Tensor]) -> dict[int, torch.Tensor]:
        """The features at strides 8 and 4, of the backbone's outputs."""
        x, skips = stages[5], {}
        for block, skip, stride in zip(
            self.blocks, (stages[5][:, :0], stages[4], stages[3]), (16, 8, 4), strict=True
        ):
            x = block(x, skip)
            skips[stride] = x
        return {8: skips[8], 4: skips[4]}


class MaskEmbedding(nn.Module):
    """Brings a mask to the place where it joins the picture, keeping all of its pixels (space to depth).

    With ``others``, also the sum of the other objects' masks; none of them is the same as zeros.
    """

    def __init__(self, channels: int, stride: int, others: bool = False, width: int = 64) -> None:
        super().__init__()
        self.unshuffle = nn.PixelUnshuffle(stride)
        self.spread = nn.Conv2d(stride * stride, width, 3, padding=1)
        self.spread_others = (
            _silent(nn.Conv2d(stride * stride, width, 3, padding=1, bias=False)) if others else None
        )
        self.out = nn.Conv2d(width, channels, 1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)  # it starts as the pretrained backbone on the picture alone

    def forward(self, mask: torch.Tensor, others: torch.Tensor | None = None) -> torch.Tensor:
        x = self.spread(self.unshuffle(mask))
        if self.spread_others is not None and others is not None:
            x = x + self.spread_others(self.unshuffle(others))
        return self.out(torch.relu(x))


class StemMask(nn.Conv2d):
    """The mask's convolution in the stem, as in the paper; with ``others`` a second one for the others'
    masks."""

    def __init__(self, channels: int, others: bool = False) -> None:
        super().__init__(1, channels, 7, 2, 3, bias=False)
        self.others = _silent(nn.Conv2d(1, channels, 7, 2, 3, bias=False)) if others else None

    def forward(self, mask: torch.Tensor, others: torch.Tensor | None = None) -> torch.Tensor:
        x = super().forward(mask)
        return x if self.others is None or others is None else x + self.others(others)


def _silent(convolution: nn.Conv2d) -> nn.Conv2d:
    """Starts a convolution at zero, so that weights trained without it stay what they are."""
    nn.init.zeros_(convolution.weight)
    return convolution


class Encoder(nn.Module):
    """Encodes frame and mask: both encoders of the paper have this form, with weights of their own.

    Returns the features {stride: (N, C, H/stride, W/stride)} of its stages and x~ (N, width, H/32, W/32).
    """

    def __init__(self, config: HS2SConfig, with_mask: bool = True) -> None:
        super().__init__()
        spec = BACKBONES[config.backbone]
        channels = spec.channels
        self.joint_stage = joint = min(config.mask_stage, 4)
        self.first = config.mask_stage + 1 if config.shared_trunk else 0
        self.deepen = nn.Conv2d(channels[4], channels[5], 2, 2) if config.mask_stage == 5 else None
        self.stages = build_stages(config.backbone, self.first, 5)
        self.mask_conv: nn.Module | None = None
        if with_mask and config.mask_stage == 0:
            self.mask_conv = StemMask(channels[0], config.others)
        elif with_mask:
            self.mask_conv = MaskEmbedding(channels[joint], STRIDES[joint], config.others, config.mask_width)
        self.reduce_conv = nn.Conv2d(channels[5], config.width, 1)
        self.reduce_bn = nn.BatchNorm2d(config.width) if spec.batch_norm else nn.Identity()

    def forward(
        self, image: ImageFeatures, mask: torch.Tensor | None, others: torch.Tensor | None = None
    ) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
        x, features = image.joint, {}
        if self.first > 0:
            x = self._join(x, mask, others)
        if self.first > 4:
            features[16] = x
        if self.deepen is not None:
            x = image.skips[32] + self.deepen(x)
            features[32] = x
        for index, stage in enumerate(self.stages, start=self.first):
            x = stage(x)
            if index == self.joint_stage:
                x = self._join(x, mask, others)
            if index > 0:
                features[STRIDES[index]] = x
        return features, torch.relu(self.reduce_bn(self.reduce_conv(x)))

    def _join(self, x: torch.Tensor, mask: torch.Tensor | None, others: torch.Tensor | None) -> torch.Tensor:
        return x if self.mask_conv is None or mask is None else x + self.mask_conv(mask, others)
