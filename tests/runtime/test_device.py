"""Who works on which GPU, and what of a tracker goes to other processes."""

from __future__ import annotations

import pickle

import pytest
import torch
from color_network import ColorNetwork

from fiftyone_hs2s.runtime.device import gpu_environments
from fiftyone_hs2s.tracking import Tracker


@pytest.mark.parametrize(
    ("device", "count", "visible", "expected"),
    [
        ("cpu", 4, None, [None]),
        ("cuda", 1, None, [None]),
        ("cuda", 0, None, [None]),
        ("cuda:1", 4, None, [None]),
        ("cuda", 2, None, ["0", "1"]),
        ("cuda", 2, "3,5", ["3", "5"]),
        ("cuda", 2, "GPU-a, GPU-b", ["GPU-a", "GPU-b"]),
        ("cuda", 1, "3", [None]),
    ],
)
def test_each_process_has_a_gpu(monkeypatch, device, count, visible, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = gpu_environments(torch.device(device), count)
    assert [variables.get("CUDA_VISIBLE_DEVICES") for variables in found] == expected


def test_pickled_tracker_has_the_same_settings_and_tracks_nothing():
    options = {
        "size": (64, 96),
        "device": "cpu",
        "precision": "bfloat16",
        "aggregation": "argmax",
        "chunk_size": 3,
        "average": "flip",
    }
    tracker = Tracker(ColorNetwork(others=False), **options)
    again = pickle.loads(pickle.dumps(tracker))
    for name in ("size", "device", "precision", "aggregation", "chunk_size", "average"):
        assert getattr(again, name) == getattr(tracker, name), name
    assert again.ids == ()
    assert len(again.network.state_dict()) == len(tracker.network.state_dict())
