"""Averaging over the mirror image and other sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from color_network import ColorNetwork, iou, moving

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import build_network
from fiftyone_hs2s.tracking import Tracker

OPTIONS = {"device": "cpu", "precision": "float32"}


def test_flip_gives_the_mirrored_result_for_the_mirrored_video():
    """A mean over a frame and its mirror image does not know which of the two it was given."""
    torch.manual_seed(0)
    network = build_network("hs2s-lite")
    frames, truth = moving((64, 96), 6)
    results = {}
    for average in ("none", "flip"):
        plain, mirrored = (Tracker(network, (64, 96), average=average, **OPTIONS) for _ in range(2))
        for t, frame in enumerate(frames):
            masks = truth[t] if t in (0, 3) else {}
            a = plain.step(frame, masks)
            b = mirrored.step(frame[:, ::-1].copy(), {i: mask[:, ::-1] for i, mask in masks.items()})
        assert list(a.confidence) == [1, 2]
        results[average] = max(np.abs(a.probabilities[i] - b.probabilities[i][:, ::-1]).max() for i in (1, 2))
    assert results["flip"] < 1e-4 < results["none"]


@pytest.mark.parametrize(
    ("average", "seen", "expected"),
    [
        ("none", [(128, 224)], 2.0),
        ("flip", [(128, 224)] * 2, 2.0),
        ("scales", [(128, 224), (96, 160), (160, 288)], (2 - 1 + 5) / 3),
        ("flip+scales", [(128, 224)] * 2 + [(96, 160)] * 2 + [(160, 288)] * 2, (2 - 1 + 5) / 3),
    ],
)
def test_logits_of_all_sizes_are_averaged(average, seen, expected):
    class BySize(ColorNetwork):
        """Answers 2, -1 or 5 everywhere, by the size of what it sees."""

        def step(self, image, state):
            assert state.masks.shape[-2:] == state.others.shape[-2:] == image.joint.shape[-2:]
            logits, state = super().step(image, state)
            return torch.full_like(logits, {128: 2.0, 96: -1.0, 160: 5.0}[logits.shape[2]]), state

    frames, truth = moving()
    tracker = Tracker(BySize(), (128, 224), average=average, **OPTIONS)
    tracker.add_objects(frames[0], truth[0])
    assert tracker.network.seen_sizes == [(1, 3, *size) for size in seen]
    tracked = tracker.step(frames[1])
    probability = 1 / (1 + np.exp(-2 * expected))  # the background, of 1 - p, competes: odds are squared
    np.testing.assert_allclose(tracked.probabilities[1], probability, atol=1e-5)
    assert tracked.confidence[1] == pytest.approx(probability, abs=1e-5)


@pytest.mark.parametrize("size", [(120, 214), (214, 120)])
@pytest.mark.parametrize("average", ["flip", "scales", "flip+scales"])
def test_objects_come_are_anchored_and_go(average, size):
    frames, truth = moving(size)
    tracker = Tracker(ColorNetwork(), (128, 224), average=average, chunk_size=1, **OPTIONS)
    tracker.add_objects(frames[0], truth[0])
    for t in (1, 2, 3, 4):
        tracked = tracker.step(frames[t], truth[t] if t == 3 else {})
        assert tracked.confidence.keys() == truth[t].keys()
        for object_id, mask in truth[t].items():
            assert iou(tracked.label_map == object_id, mask) > 0.85
    tracker.remove_objects([1])
    tracker.add_objects(frames[4], {3: truth[4][1]})
    tracked = tracker.step(frames[5])
    assert tracker.ids == (2, 3)
    assert iou(tracked.label_map == 3, truth[5][1]) > 0.85
    assert iou(tracked.label_map == 2, truth[5][2]) > 0.85


def test_average_that_does_not_exist():
    message = r"average='mirror' is unknown: choose one of none, flip, scales, flip\+scales"
    with pytest.raises(HS2SError, match=message):
        Tracker(ColorNetwork(), average="mirror", **OPTIONS)
