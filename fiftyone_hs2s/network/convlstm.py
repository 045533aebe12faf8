"""ConvLSTM cells: eq. 9 of the paper."""

from __future__ import annotations

import torch
from torch import nn

Memory = tuple[torch.Tensor, torch.Tensor]  # h, c


class ConvLSTMCell(nn.Module):
    """The paper's cell, as released: one convolution over [x, h], gates in the order i, f, o, g.

    g is a sigmoid and the output a relu, so c only grows: beyond the clip lengths seen in training the state
    drifts.
    """

    gates = 4
    decay = 1.0  # what is left of c after a frame, besides what the forget gate leaves

    def __init__(self, inputs: int, width: int, kernel: int) -> None:
        super().__init__()
        self.width = width
        self.conv = nn.Conv2d(inputs + width, self.gates * width, kernel, padding=kernel // 2)

    def start(self, x: torch.Tensor) -> Memory:
        """Zero state (eq. 5) for inputs like ``x`` (N, inputs, h, w)."""
        zeros = x.new_zeros(x.shape[0], self.width, *x.shape[2:])
        return zeros, zeros

    def forward(self, x: torch.Tensor, memory: Memory) -> Memory:
        h, c = memory
        i, f, o, g = self.conv(torch.cat([x, h], 1)).sigmoid().chunk(4, 1)
        c = self.decay * f * c + i * g
        return o * c.relu(), c


class DecayingConvLSTMCell(ConvLSTMCell):
    """The paper's cell with a state that fades by a tenth a frame, so c stays below ten."""

    decay = 0.9


class BoundedConvLSTMCell(ConvLSTMCell):
    """A cell whose state cannot leave (-1, 1): the input gate is one minus the forget gate, g is a tanh."""

    gates = 3

    def forward(self, x: torch.Tensor, memory: Memory) -> Memory:
        h, c = memory
        f, o, g = self.conv(torch.cat([x, h], 1)).chunk(3, 1)
        c = torch.lerp(g.tanh(), c, f.sigmoid())
        return o.sigmoid() * c, c


class TanhConvLSTMCell(ConvLSTMCell):
    """The usual cell: g is a tanh, and so is the output; c can grow by one a step, the output stays in
    (-1, 1)."""

    def forward(self, x: torch.Tensor, memory: Memory) -> Memory:
        h, c = memory
        i, f, o, g = self.conv(torch.cat([x, h], 1)).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


CELLS: dict[str, type[ConvLSTMCell]] = {
    "paper": ConvLSTMCell,
    "decay": DecayingConvLSTMCell,
    "tanh": TanhConvLSTMCell,
    "bounded": BoundedConvLSTMCell,
}
