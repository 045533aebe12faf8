"""What a tracker does where a GPU's memory does not suffice, or a precision."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from color_network import ColorNetwork, iou, moving
from torch import nn

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import build_network
from fiftyone_hs2s.network.precision import Float32Cell, converted
from fiftyone_hs2s.runtime.device import choose_memory_format
from fiftyone_hs2s.tracking import Tracker

OPTIONS = {"size": (64, 96), "device": "cpu"}


class Small(ColorNetwork):
    """Has no memory for more than some objects at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def step(self, image, state):
        if len(state) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().step(image, state)


def test_fewer_objects_at_once_where_memory_does_not_suffice(caplog):
    frames, truth = moving()
    masks = {i: np.roll(truth[3][1], 3 * i, 1) for i in range(1, 6)}
    trackers = [Tracker(network, precision="float32", **OPTIONS) for network in (Small(1), ColorNetwork())]
    with caplog.at_level(logging.WARNING, "fiftyone_hs2s"):
        for tracker in trackers:
            tracker.add_objects(frames[3], masks)
        for frame in frames[4:]:
            small, large = (tracker.step(frame) for tracker in trackers)
            np.testing.assert_array_equal(small.label_map, large.label_map)
            assert small.confidence == pytest.approx(large.confidence)
    assert trackers[0].chunk_size == 1
    assert [message for message in caplog.messages if "memory" in message] == [
        "The memory of cpu does not suffice: objects go through the network 1 at a time from now on"
    ]


def test_no_memory_for_one_object_is_an_error_that_can_be_fixed():
    frames, truth = moving()
    tracker = Tracker(Small(0), precision="float32", **OPTIONS)
    tracker.add_objects(frames[0], truth[0])
    with pytest.raises(HS2SError, match=r"one object at 64x96: take a smaller size"):
        tracker.step(frames[1])


class Narrow(ColorNetwork):
    """Its values are finite in float32 alone, from its third frame on."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 1)
        self.steps = 0

    def step(self, image, state):
        self.steps += 1
        logits, state = super().step(image, state)
        low = self.layer(logits).dtype != torch.float32
        return (logits * torch.inf if low and state.age[0] > 2 else logits), state


def test_values_that_are_not_finite_fall_back_to_float32(caplog):
    caplog.set_level(logging.WARNING, "fiftyone_hs2s")
    frames, truth = moving()
    tracker = Tracker(Narrow(), precision="bfloat16", **OPTIONS)
    tracker.add_objects(frames[0], truth[0])
    for frame, masks in zip(frames[1:6], truth[1:6], strict=True):
        assert iou(tracker.step(frame).label_map == 1, masks[1]) > 0.6
    assert tracker.precision == torch.float32
    assert caplog.messages == ["colors gave values that are not finite in bfloat16: float32"]


@pytest.mark.parametrize("model", ["hs2s-lite", "s2s-lite"])
def test_converted_weights_give_what_autocast_gives(model: str):
    torch.manual_seed(0)
    network, frame, masks = build_network(model).eval(), torch.rand(1, 3, 64, 96), torch.zeros(2, 1, 64, 96)
    masks[:, :, 10:40, 20:60] = 1
    before = {name: value.clone() for name, value in network.state_dict().items()}

    def logits(network):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            state = network.start(network.encode_image(frame), masks)
            for _ in range(3):
                found, state = network.step(network.encode_image(frame.flip(-1)), state)
        return found

    low = converted(network, torch.bfloat16)
    assert torch.equal(logits(network), logits(low))
    assert low.decoder.blocks[0].conv.weight.dtype == torch.bfloat16
    assert low.mean.data_ptr() == network.mean.data_ptr()
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_float16_keeps_the_recurrent_cells_in_float32():
    torch.manual_seed(0)
    frames, truth = moving()
    found = []
    network = build_network("hs2s-lite")
    for precision in ("float32", "float16"):
        tracker = Tracker(network, precision=precision, **OPTIONS)
        tracker.add_objects(frames[0], truth[0])
        tracker.step(frames[1])
        found.append(tracker.step(frames[2]).probabilities[1])
        memories = tracker._batch.states[0][0].memories
        assert {x.dtype for memory in memories for x in memory} == {torch.float32}
    assert 0 < np.abs(found[0] - found[1]).max() < 0.02
    low = converted(network, torch.float16)
    assert isinstance(low.memory, Float32Cell) and low.memory.cell.conv.weight.dtype == torch.float32
    assert low.skip_memory.cell.conv.weight.dtype == torch.float32
    assert low.decoder.blocks[0].conv.weight.dtype == torch.float16


@pytest.mark.parametrize(
    ("model", "expected"), [("hs2s-lite", torch.channels_last), ("hs2s-resnet50", torch.contiguous_format)]
)
def test_dense_networks_are_not_channels_last_on_a_cpu(model, expected):
    with torch.device("meta"):
        network = build_network(model)
    assert choose_memory_format(network, torch.device("cpu")) is expected
    assert choose_memory_format(network, torch.device("cuda")) is torch.channels_last
