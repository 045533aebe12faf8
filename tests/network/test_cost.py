"""What a frame costs, for one object and for several."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import HS2SConfig, build_network
from fiftyone_hs2s.network.cost import count_gmac

SHARED = "hs2s-lite-shared"


def test_the_shared_network_keeps_to_its_bounds() -> None:
    network = build_network(SHARED).eval()
    one, three = count_gmac(network), count_gmac(network, 3)
    assert 3 < one <= 4.5
    assert three <= 1.6 * one
    assert three < count_gmac(build_network("hs2s-lite").eval(), 3)


def test_the_count_is_that_of_a_convolution_by_hand() -> None:
    network = build_network("hs2s-lite").eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.memory(torch.zeros(1, 128, 8, 14), network.memory.start(torch.zeros(1, 128, 8, 14)))
    by_hand = (128 + 128) * 3 * 128 * 3 * 3 * 8 * 14  # inputs, outputs of three gates, kernel, cells
    assert counter.get_total_flops() / 2 == by_hand
    wider = build_network(dataclasses.replace(network.config, width=256)).eval()
    assert count_gmac(wider) > count_gmac(network) + by_hand / 1e9


def test_the_count_grows_by_the_same_for_each_object() -> None:
    network = build_network(SHARED).eval()
    counts = [count_gmac(network, objects, (64, 96)) for objects in (2, 3, 4)]
    assert counts[2] - counts[1] == pytest.approx(counts[1] - counts[0])


@pytest.mark.parametrize("changes", [{"mask_stage": 4}, {"image_decoder": ((8, 8),) * 2}])
def test_an_image_decoder_needs_the_whole_backbone(changes: dict) -> None:
    with pytest.raises(HS2SError, match="'image_decoder' has three blocks, and takes 'mask_stage' 5"):
        dataclasses.replace(HS2SConfig.preset(SHARED), **changes)


@pytest.mark.parametrize("changes", [{}, {"mask_stage": 4, "image_decoder": ()}, {"image_decoder": ()}])
def test_one_object_s_mask_reaches_its_own_output_alone(changes: dict) -> None:
    torch.manual_seed(0)
    network = build_network(dataclasses.replace(HS2SConfig.preset(SHARED), others=False, **changes)).eval()
    for module in (network.encoder, network.reference_encoder):
        torch.nn.init.normal_(module.mask_conv.out.weight, std=0.1)
    frame, masks = torch.rand(1, 3, 64, 96), torch.zeros(2, 1, 64, 96)
    masks[0, :, 8:40, 8:40] = 1
    with torch.inference_mode():
        image = network.encode_image(frame)
        before, _ = network.step(image, network.start(image, masks))
        masks[1, :, 20:60, 50:90] = 1
        after, _ = network.step(image, network.start(image, masks))
    torch.testing.assert_close(before[0], after[0])
    assert not torch.allclose(before[1], after[1])
