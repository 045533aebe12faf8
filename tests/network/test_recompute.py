from __future__ import annotations

import copy

import torch
from torch import nn

from fiftyone_hs2s.network.recompute import recompute


def test_gradients_and_batch_norm_are_those_of_a_plain_call() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 1))
    again = copy.deepcopy(plain)
    x = torch.randn(2, 3, 8, 8)
    for _ in range(2):
        plain(x).square().mean().backward()
        recompute(lambda x: again(x), again, x).square().mean().backward()
    for ours, theirs in zip(again.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(again[1].running_mean, plain[1].running_mean)
    torch.testing.assert_close(again[1].running_var, plain[1].running_var)
    assert again[1].momentum == plain[1].momentum
