"""Depthwise convolutions give the outputs and gradients of PyTorch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fiftyone_hs2s.network.depthwise import DepthwiseConv2d, DepthwiseSameConv2d


def _build(kernel: int, stride: int) -> DepthwiseConv2d:
    torch.manual_seed(0)
    if stride == 1:
        return DepthwiseConv2d(4, 4, kernel, padding=kernel // 2, groups=4)
    return DepthwiseSameConv2d(4, 4, kernel, stride, groups=4)


def _reference(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, stride: int) -> torch.Tensor:
    """In float64 and by the definition: windows of the padded picture, times the kernel of their channel."""
    kernel = weight.shape[-1]
    before, after = (
        (kernel // 2, kernel // 2) if stride == 1 else ((kernel - stride) // 2, (kernel - stride + 1) // 2)
    )
    padded = F.pad(x, (before, after, before, after))
    windows = padded.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return torch.einsum("nchwij,cij->nchw", windows, weight[:, 0]) + bias.view(1, -1, 1, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_outputs_and_gradients_are_those_of_the_definition(
    kernel: int, stride: int, dtype: torch.dtype
) -> None:
    layer = _build(kernel, stride)
    x = torch.rand(2, 4, 12, 16).to(memory_format=torch.channels_last).requires_grad_()
    exact = [t.detach().double().requires_grad_() for t in (x, layer.weight, layer.bias)]
    expected = _reference(*exact, stride)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
        actual = layer(x)
    assert actual.dtype is dtype
    towards = torch.rand(expected.shape, dtype=torch.float64)
    (expected * towards).sum().backward()
    (actual.double() * towards).sum().backward()
    # bfloat16 has 8 bits: its error is of the order of the largest values.
    tolerance = 1e-5 if dtype is torch.float32 else 2e-2
    pairs = [
        (actual, expected),
        *zip((x.grad, layer.weight.grad, layer.bias.grad), (e.grad for e in exact), strict=True),
    ]
    for one, other in pairs:
        torch.testing.assert_close(one.double(), other, rtol=0, atol=tolerance * other.abs().max().item())


def test_what_is_frozen_gets_no_gradient() -> None:
    layer = _build(5, 1).requires_grad_(False)
    x = torch.rand(1, 4, 8, 8, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.abs().min() > 0
    assert layer.weight.grad is None


def test_without_gradients_it_is_the_plain_convolution() -> None:
    layer, x = _build(5, 1), torch.rand(1, 4, 8, 8)
    with torch.no_grad():
        expected = F.conv2d(x, layer.weight, layer.bias, padding=2, groups=4)
        assert torch.equal(layer(x), expected)
