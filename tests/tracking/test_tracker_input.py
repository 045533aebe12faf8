from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from color_network import ColorNetwork, color_tracker, draw, iou, moving
from torch import nn

from fiftyone_hs2s.errors import HS2SError, MaskError, VideoError
from fiftyone_hs2s.network import build_network
from fiftyone_hs2s.runtime.device import choose_precision
from fiftyone_hs2s.tracking import Tracker


def test_mask_of_another_size_is_fitted_if_the_aspect_fits():
    frame, masks = draw((120, 214), {1: (20, 20, 60, 60)})
    tracker = color_tracker()
    assert iou(tracker.add_objects(frame, {1: masks[1][::2, ::2]}).label_map == 1, masks[1]) > 0.9
    with pytest.raises(MaskError, match=r"object 1 is 120x120 .*120x214"):
        tracker.add_objects(frame, {1: masks[1][:, :120]})


def test_masks_that_cannot_be_used():
    frame, masks = draw((120, 214), {1: (20, 20, 60, 60)})
    with pytest.raises(MaskError, match="object 4 has no pixel"):
        color_tracker().add_objects(frame, {4: np.zeros((120, 214), bool)})
    with pytest.raises(MaskError, match="1 to 65535"):
        color_tracker().add_objects(frame, {0: masks[1]})


def test_frames_that_cannot_be_used():
    frame, masks = draw((120, 214), {1: (20, 20, 60, 60)})
    for bad in (frame[..., 0], frame.astype(np.float32), frame[..., :2]):
        with pytest.raises(VideoError, match="uint8 RGB"):
            color_tracker().add_objects(bad, masks)
    tracker = color_tracker()
    tracker.add_objects(frame, masks)
    with pytest.raises(VideoError, match=r"100x214 .*120x214"):
        tracker.step(frame[:100])


def test_reset_allows_a_video_of_another_size():
    frame, masks = draw((120, 214), {1: (20, 20, 60, 60)})
    tracker = color_tracker()
    tracker.add_objects(frame, masks)
    tracker.reset()
    assert tracker.ids == ()
    with pytest.raises(HS2SError, match="add_objects"):
        tracker.step(frame)
    tracker.add_objects(frame[:100], {1: masks[1][:100]})


def test_output_that_is_not_finite_is_an_error():
    class Broken(ColorNetwork):
        def step(self, image, state):
            logits, state = super().step(image, state)
            return logits * torch.nan, state

    frame, masks = draw((120, 214), {1: (20, 20, 60, 60)})
    tracker = Tracker(Broken(), size=(64, 96), device="cpu")
    tracker.add_objects(frame, masks)
    with pytest.raises(HS2SError, match="not finite"):
        tracker.step(frame)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (250, 448)}, r"multiples of 32.*250x448"),
        ({"size": (0, 448)}, "multiples of 32"),
        ({"aggregation": "vote"}, "vote.*soft, argmax"),
        ({"precision": "int8"}, "int8.*float32"),
        ({"device": "toaster"}, '"toaster"'),
        ({"chunk_size": 0}, "chunk_size"),
    ],
)
def test_options_that_do_not_exist(options, message):
    with pytest.raises(HS2SError, match=message):
        color_tracker(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_is_refused_where_there_is_none():
    with pytest.raises(HS2SError, match="cuda"):
        color_tracker(device="cuda")


def test_choice_of_device_and_precision_is_logged(caplog):
    with caplog.at_level(logging.INFO, "fiftyone_hs2s"):
        color_tracker()
    assert caplog.messages == ["Tracking with colors on cpu in float32 by PyTorch"]


@pytest.mark.parametrize(("bf16", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_automatic_precision_on_a_cpu_follows_its_instructions(monkeypatch, bf16, expected):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: bf16, raising=False)
    assert choose_precision("auto", torch.device("cpu")) == expected


def test_bfloat16_stays_close_to_float32():
    torch.manual_seed(0)
    network = build_network("hs2s-lite")
    frames, truth = moving()
    results = []
    for precision in ("float32", "bfloat16"):
        tracker = Tracker(network, size=(64, 96), device="cpu", precision=precision)
        tracker.add_objects(frames[0], truth[0])
        results.append(tracker.step(frames[1]).probabilities[1])
    assert np.abs(results[0] - results[1]).max() < 0.05
    assert np.abs(results[0] - results[1]).max() > 0


def test_network_is_put_to_evaluation_mode():
    network = ColorNetwork()
    network.norm = nn.BatchNorm2d(3)
    assert not Tracker(network.train(), size=(64, 96)).network.norm.training
