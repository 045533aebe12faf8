"""What a frame costs."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from fiftyone_hs2s.network.hs2s import HS2S


def count_gmac(network: HS2S, objects: int = 1, size: tuple[int, int] = (256, 448)) -> float:
    """Counts the multiplications of a later frame, what all objects share among them.

    Args:
        network: on any device
        objects: how many are followed
        size: what the network sees, (H, W), multiples of 32

    Returns:
        10^9 multiply-accumulate operations of convolutions and matrix products
    """
    like = next(network.parameters())
    frame, masks = like.new_zeros(1, 3, *size), like.new_zeros(objects, 1, *size)
    masks[..., size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 1
    others = masks if network.config.others and objects > 1 else None
    with torch.inference_mode():
        state = network.start(network.encode_image(frame), masks, others)
        _, state = network.step(network.encode_image(frame), state)  # the next one encodes a reference
        state.others = others
        with FlopCounterMode(display=False) as counter:
            network.step(network.encode_image(frame), state)
    return counter.get_total_flops() / 2e9
