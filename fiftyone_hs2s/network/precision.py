"""A network whose weights are in a lower precision already, for tracking."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import nn

from fiftyone_hs2s.network.convlstm import ConvLSTMCell, Memory


def converted(network: nn.Module, precision: torch.dtype) -> nn.Module:
    """The same network for use under autocast, which would else cast the weights of all convolutions anew in
    each frame.

    It shares all tensors with the other but those weights. What it gives is what the other gives, to the bit,
    but in float16: there the recurrent cells work in float32, since their state may grow beyond its numbers.

    Args:
        network: in float32; it stays as it is
        precision: bfloat16 or float16
    """
    shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    other = copy.deepcopy(network, shared)
    _convert(other, precision)
    return other


def _convert(module: nn.Module, precision: torch.dtype) -> None:
    if isinstance(module, nn.Conv2d):
        for name, value in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(value.detach().to(precision), requires_grad=False))
    for name, part in list(module.named_children()):
        if precision == torch.float16 and isinstance(part, ConvLSTMCell):
            setattr(module, name, Float32Cell(part))
        else:
            _convert(part, precision)


class Float32Cell(nn.Module):
    """A ConvLSTM cell that works in float32 under autocast too.

    Args:
        cell: the cell
    """

    def __init__(self, cell: ConvLSTMCell) -> None:
        super().__init__()
        self.cell = cell

    def start(self, x: torch.Tensor) -> Memory:
        """See :meth:`ConvLSTMCell.start`."""
        return self.cell.start(x.float())

    def forward(self, x: torch.Tensor, memory: Memory) -> Memory:
        h, c = memory
        with torch.autocast(x.device.type, enabled=False):
            return cast(Memory, self.cell(x.float(), (h.float(), c.float())))
