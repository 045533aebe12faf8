"""Objects that see each other: in clips as frame by frame, and what weights without it are worth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from aggregation_reference import stm_soft_aggregation
from test_network import clip, slim

from fiftyone_hs2s.network import build_network, load_network
from fiftyone_hs2s.network.aggregation import Meeting
from fiftyone_hs2s.tracking import Tracker


def three_objects() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Frames (2, 4, 3, H, W), disjoint masks (3, 4, 1, H, W), and the clip of each object."""
    frames, _ = clip(batch=2)
    labels = torch.randint(0, 3, (2, 4, 1, 64, 96), generator=torch.Generator().manual_seed(3))
    masks = torch.stack([labels[0] == 1, labels[0] == 2, labels[1] == 1]).float()
    return frames, masks, torch.tensor([0, 0, 1])


def with_others(**settings: object) -> torch.nn.Module:
    """The shipped network with the channel for the others."""
    shipped = load_network("hs2s-lite")
    network = build_network(dataclasses.replace(shipped.config, others=True, **settings)).eval()
    network.load_state_dict({**network.state_dict(), **shipped.state_dict()})
    return network


def that_looks_at_others(network: torch.nn.Module) -> torch.nn.Module:
    """Takes the convolutions of the others' masks away from zero, where they start."""
    torch.manual_seed(0)
    for key, parameter in network.named_parameters():
        if "others" in key:
            torch.nn.init.normal_(parameter, std=0.3)
    return network


@pytest.mark.parametrize("feedback", ["own", "share"])
def test_streaming_equals_clips_of_several_objects(feedback: str) -> None:
    network = that_looks_at_others(with_others(feedback=feedback, memory_every=1))
    frames, masks, owner = three_objects()
    with torch.inference_mode():
        expected = network(frames, masks[:, 0], clip=owner)
        first, second = masks[:2, 0], masks[:2, 0].flip(0)
        state = network.start(network.encode_image(frames[:1, 0]), first, second)
        for t in range(1, 4):
            logits, state = network.step(network.encode_image(frames[:1, t]), state)
            torch.testing.assert_close(logits, expected[:2, t - 1], atol=1e-4, rtol=1e-4)
            shares = stm_soft_aggregation(logits[:, 0].double().sigmoid().numpy())[1:]
            shares = torch.from_numpy(shares).float()[:, None]
            state.others = shares.flip(0)
            state.masks = shares if feedback == "share" else logits.sigmoid()


@pytest.mark.parametrize("name", ["hs2s-lite", "hs2s-resnet50"])
def test_each_object_learns_where_the_others_are(name: str) -> None:
    torch.manual_seed(0)
    network = with_others() if name == "hs2s-lite" else build_network(slim(name, others=True)).eval()
    network = that_looks_at_others(network)
    frames, masks, owner = three_objects()
    with torch.inference_mode():
        together = network(frames, masks[:, 0], clip=owner)
        apart = network(frames[owner], masks[:, 0])
    assert not torch.allclose(together[:2], apart[:2], atol=1e-4)
    torch.testing.assert_close(together[2], apart[2], atol=1e-4, rtol=1e-4)  # alone in its clip


def test_shipped_weights_stay_what_they_are_with_the_new_channel() -> None:
    network, shipped = with_others(), load_network("hs2s-lite")
    frames, masks, owner = three_objects()
    with torch.inference_mode():
        torch.testing.assert_close(
            network(frames, masks[:, 0], clip=owner), shipped(frames, masks[:, 0], clip=owner)
        )


def test_a_meeting_shares_as_stm_does_clip_by_clip() -> None:
    logits = 3 * torch.randn(5, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    meeting = Meeting(torch.tensor([0, 0, 0, 4, 7]))  # numbers of clips need not be without gaps
    shares = meeting.shares(logits)
    expected = stm_soft_aggregation(logits[:3, 0].double().sigmoid().numpy())[1:]
    np.testing.assert_allclose(shares[:3, 0].numpy(), expected, atol=2e-5)
    odds = (2 * logits[3:]).exp()  # one object against the background of 1 - p
    torch.testing.assert_close(shares[3:], odds / (1 + odds), atol=1e-5, rtol=1e-4)
    others = meeting.others(shares)
    torch.testing.assert_close(others[0], shares[1] + shares[2])
    assert not others[3:].any()


@pytest.mark.parametrize("feedback", ["own", "share"])
def test_the_tracker_tells_each_object_where_the_others_are(feedback: str) -> None:
    network = that_looks_at_others(with_others(feedback=feedback))
    frames, masks, _ = three_objects()
    frames = (frames * 255).round() / 255
    with torch.inference_mode():
        expected = Meeting(torch.tensor([0, 0])).shares(
            network(frames[:1], masks[:2, 0], clip=torch.tensor([0, 0]))[:, 0]
        )
    tracker = Tracker(network, (64, 96), device="cpu", precision="float32", chunk_size=1)
    first, second = (frames[0, :2].permute(0, 2, 3, 1) * 255).round().byte().numpy()
    tracker.add_objects(first, {1: masks[0, 0, 0].bool().numpy(), 2: masks[1, 0, 0].bool().numpy()})
    tracked = tracker.step(second)
    for i in (1, 2):
        np.testing.assert_allclose(tracked.probabilities[i], expected[i - 1, 0].numpy(), atol=1e-4)
