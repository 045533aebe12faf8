"""Depthwise convolutions whose backward pass is fast on a CPU, in float32 and in bfloat16."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

COLUMNS = 3
"""Kernels up to this wide have a depthwise weight gradient in oneDNN; a wider one falls to the dense form,
which wastes most of its work: 4 times slower for 5x5 in float32, over 20 times in bfloat16
(``benchmarks/training_step.py``)."""


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution; the numbers are :class:`torch.nn.Conv2d`'s.

    Trained on a CPU, the weight gradient of a wide kernel is computed a few columns at a time, and the input
    gradient of a strided one in float32: oneDNN has no fast form of it in bfloat16.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        simple = self.kernel_size[1] <= COLUMNS and self.stride[0] == 1
        if simple or x.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(x)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        weight = self.weight.to(dtype)
        bias = None if self.bias is None else self.bias.to(dtype)
        return _Depthwise.apply(x.to(dtype), weight, bias, self.stride[0], int(self.padding[0]))


class DepthwiseSameConv2d(DepthwiseConv2d):
    """The same with a stride, padded as TensorFlow does: what is odd goes to the right and below."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(pad_same(x, self.kernel_size[0], self.stride[0]))


def pad_same(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """Pads (N, C, H, W) with zeros for a strided convolution without padding of its own, as TensorFlow
    does."""
    total = kernel - stride
    before = total // 2
    return F.pad(x, (before, total - before, before, total - before))


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, stride: int, padding: int
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.with_bias = stride, padding, bias is not None
        return F.conv2d(x, weight, bias, stride, padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        need_x, need_weight = ctx.needs_input_grad[:2]
        dx = _input_gradient(grad, x, weight, ctx.stride, ctx.padding) if need_x else None
        dw = _weight_gradient(grad, x, weight, ctx.stride, ctx.padding) if need_weight else None
        db = grad.sum((0, 2, 3)) if ctx.with_bias and ctx.needs_input_grad[2] else None
        return None if dx is None else dx.to(x.dtype), dw, db, None, None


def _input_gradient(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, stride: int, padding: int
) -> torch.Tensor:
    if stride > 1:
        grad, x, weight = grad.float(), x.float(), weight.float()
    return _gradient(grad, x, weight, stride, (padding, padding), 0)


def _weight_gradient(
    grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, stride: int, padding: int
) -> torch.Tensor:
    """The gradient of the kernel, a few columns at a time: each sees the picture that lies under it."""
    kernel, x = weight.shape[3], F.pad(x, (padding, padding))
    parts = []
    for first in range(0, kernel, COLUMNS):
        last = min(first + COLUMNS, kernel)
        under = x[..., first : x.shape[3] - (kernel - last)]
        parts.append(_gradient(grad, under, weight[..., first:last], stride, (padding, 0), 1))
    return torch.cat(parts, 3)


def _gradient(
    grad: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor,
    stride: int,
    padding: tuple[int, int],
    which: int,
) -> torch.Tensor:
    """The gradient of a depthwise convolution by its input (``which`` 0) or its kernel (1)."""
    wanted = [which == 0, which == 1, False]
    return torch.ops.aten.convolution_backward(
        grad, x, weight, None, [stride] * 2, list(padding), [1, 1], False, [0, 0], len(weight), wanted
    )[which]
