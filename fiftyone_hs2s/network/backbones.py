"""Backbones as six stages: 0 ends after the first convolution, 1 to 5 end at strides 2, 4, 8, 16 and 32."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import Bottleneck

from fiftyone_hs2s.network.depthwise import DepthwiseConv2d, DepthwiseSameConv2d, pad_same

STRIDES = (2, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class BackboneSpec:
    """The stages of a backbone, the channels that each gives, and whether it uses batch norm."""

    channels: tuple[int, ...]
    build_stage: Callable[[int], nn.Module]
    batch_norm: bool


class ResNetStem(nn.Module):
    """What follows the first convolution: batch norm and the added 3x3 convolution that gives the stride-2
    skip."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(64)
        self.added_conv = nn.Conv2d(64, 64, 3, padding=1)
        self.added_bn = nn.BatchNorm2d(64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn(x))
        return F.relu(self.added_bn(self.added_conv(x)))


def _resnet_layer(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    outputs = width * Bottleneck.expansion
    downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    first = Bottleneck(inputs, width, stride, downsample)
    return nn.Sequential(first, *(Bottleneck(outputs, width) for _ in range(blocks - 1)))


def _resnet50_stage(index: int) -> nn.Module:
    if index == 0:
        return nn.Conv2d(3, 64, 7, 2, 3, bias=False)
    if index == 1:
        return ResNetStem()
    layer = _resnet_layer(*((64, 64, 3, 1), (256, 128, 4, 2), (512, 256, 6, 2), (1024, 512, 3, 2))[index - 2])
    return nn.Sequential(nn.MaxPool2d(2), *layer) if index == 2 else layer


class SameConv2d(nn.Conv2d):
    """A strided convolution padded as TensorFlow does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(pad_same(x, self.kernel_size[0], self.stride[0]))


def _depthwise(channels: int, kernel: int, stride: int) -> nn.Conv2d:
    if stride == 1:
        return DepthwiseConv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
    return DepthwiseSameConv2d(channels, channels, kernel, stride, groups=channels)


class MBConv(nn.Module):
    """Inverted residual block of EfficientNet-Lite: expand 1x1, depthwise, project 1x1, ReLU6, no
    squeeze-excite.

    It has no batch norm: ImageNet's statistics would stay frozen, so they are folded into the convolutions
    when the pretrained weights are read.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        layers = [nn.Conv2d(inputs, hidden, 1), nn.ReLU6(inplace=True)] if expand > 1 else []
        layers += [_depthwise(hidden, kernel, stride), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(hidden, outputs, 1))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


def _mbconvs(
    inputs: int, outputs: int, kernel: int, stride: int, repeats: int, expand: int = 6
) -> list[MBConv]:
    rest = [MBConv(outputs, outputs, kernel, 1, expand) for _ in range(repeats - 1)]
    return [MBConv(inputs, outputs, kernel, stride, expand), *rest]


def _efficientnet_lite0_stage(index: int) -> nn.Module:
    if index == 0:
        return SameConv2d(3, 32, 3, 2)
    if index == 1:
        return nn.Sequential(nn.ReLU6(), *_mbconvs(32, 16, 3, 1, 1, expand=1))
    groups = {
        2: [(16, 24, 3, 2, 2)],
        3: [(24, 40, 5, 2, 2)],
        4: [(40, 80, 3, 2, 3), (80, 112, 5, 1, 3)],
        5: [(112, 192, 5, 2, 4)],  # the 320-channel last block is left out: it would be reduced at once
    }[index]
    return nn.Sequential(*(block for group in groups for block in _mbconvs(*group)))


BACKBONES = {
    "resnet50": BackboneSpec((64, 64, 256, 512, 1024, 2048), _resnet50_stage, batch_norm=True),
    "efficientnet_lite0": BackboneSpec(
        (32, 16, 24, 40, 112, 192), _efficientnet_lite0_stage, batch_norm=False
    ),
}


def build_stages(backbone: str, first: int, last: int) -> nn.ModuleList:
    """Builds stages ``first`` to ``last`` (both included) with random weights."""
    return nn.ModuleList(BACKBONES[backbone].build_stage(index) for index in range(first, last + 1))
