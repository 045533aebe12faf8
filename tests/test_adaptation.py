"""Online adaptation: what a copy of the network learns from, and that it learns."""

from __future__ import annotations

import importlib
import logging
import sys

import cv2
import numpy as np
import pytest
import torch

import fiftyone_hs2s.training
from fiftyone_hs2s import adaptation
from fiftyone_hs2s.adaptation import adapted_tracker
from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.tracking import Tracker, open_frames, track

SIZE = (64, 96)
LENGTH = 6


def place(t: int) -> dict[int, np.ndarray]:
    """The masks of two squares: 1 goes right, 2, which comes on frame 2, left."""
    masks = {1: np.zeros(SIZE, bool), 2: np.zeros(SIZE, bool)}
    masks[1][8:28, 6 + 5 * t : 30 + 5 * t] = True
    if t >= 2:
        masks[2][36:56, 66 - 5 * t : 90 - 5 * t] = True
    return {i: mask for i, mask in masks.items() if mask.any()}


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    """Squares of one texture on another: what they are, only their masks tell."""
    rng = np.random.default_rng(0)
    background, texture = (rng.integers(60, 180, (*shape, 3)).astype(np.uint8) for shape in ((8, 12), (5, 6)))
    frames = np.stack([cv2.resize(background, SIZE[::-1], interpolation=cv2.INTER_CUBIC)] * LENGTH)
    texture = cv2.resize(texture, (24, 20))
    for t in range(LENGTH):
        for mask in place(t).values():
            frames[t][mask] = texture.reshape(-1, 3)
    return frames


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return Tracker(load_network("hs2s-lite"), SIZE, device="cpu", precision="float32")


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


def weights(tracker: Tracker) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in tracker.network.state_dict().items()}


def changed(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> set[str]:
    return {key for key in a if not torch.equal(a[key], b[key])}


def test_a_copy_learns_and_the_network_stays(tracker, video):
    before, frames, prompts = weights(tracker), open_frames(video), {0: place(0), 2: {2: place(2)[2]}}
    adapted, again = (adapted_tracker(tracker, frames, prompts, 600, steps=2) for _ in range(2))
    assert not changed(before, weights(tracker))
    learned = changed(before, weights(adapted))
    assert {key for key, _ in tracker.network.decoder.named_parameters(prefix="decoder")} <= learned
    assert not any(key.startswith("trunk") or "running" in key for key in learned)
    assert not adapted.network.training
    assert not changed(weights(adapted), weights(again))


def test_the_video_is_tracked_better(tracker, video):
    frames, prompts = open_frames(video), {0: place(0), 2: {2: place(2)[2]}}
    scores = [
        np.mean(
            [
                iou(found.label_map == i, mask)
                for t, found in track(each, frames, prompts)
                for i, mask in place(t).items()
            ]
        )
        for each in (tracker, adapted_tracker(tracker, frames, prompts, 60, steps=24))
    ]
    assert scores[1] > scores[0] + 0.01


def test_only_prompts_that_are_used_are_learned_from(tracker, video):
    """Masks of further frames may be the truth that results are compared with."""
    frames, wrong = open_frames(video), {1: place(0)[1][::-1]}

    def learn(prompts, *options):
        return weights(adapted_tracker(tracker, frames, prompts, 600, *options, steps=1))

    first = learn({1: place(1)})
    assert not changed(first, learn({1: place(1), 4: wrong}))
    assert not changed(first, learn({1: place(1), 4: wrong}, "both"))
    assert changed(first, learn({1: place(1), 4: wrong}, "forward", "all"))
    assert changed(first, learn({1: place(1), 4: wrong}, "backward"))


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_late_objects_directions_and_portrait_frames(tracker, video, direction):
    frames = open_frames(np.rot90(video, axes=(1, 2)))
    prompts = {t: {i: np.rot90(place(t)[i])} for t, i in ((1, 1), (3, 2))}
    adapted = adapted_tracker(tracker, frames, prompts, 1e-6, direction)
    found = dict(track(adapted, frames, prompts, direction))
    numbers = {"forward": range(1, LENGTH), "backward": range(4), "both": range(LENGTH)}
    assert sorted(found) == list(numbers[direction])
    np.testing.assert_array_equal(found[1].label_map == 1, prompts[1][1])


def test_memory_is_bound_and_large_frames_shrink(monkeypatch, tracker, video):
    given = []
    monkeypatch.setattr(adaptation, "MOST_PICTURES", 3)
    adapt = "fiftyone_hs2s.training.adapt.adapt"
    monkeypatch.setattr(adapt, lambda network, pictures, *_: given.extend(pictures) or network)
    large = [cv2.resize(frame, None, fx=5, fy=5) for frame in video]
    prompts = {
        t: {300 + i: np.kron(mask, np.ones((5, 5), bool)) for i, mask in place(t).items()} for t in range(6)
    }
    adapted_tracker(tracker, open_frames(large), prompts, 20, prompt_frames="all")
    assert [image.shape for image, _ in given] == [(128, 192, 3)] * 3
    for t, (_, labels) in zip((0, 2, 5), given, strict=True):
        expected = sum(i * mask.astype(np.uint8) for i, mask in place(t).items())
        np.testing.assert_array_equal(labels[::2, ::2], expected)


def test_what_is_done_is_said(caplog, tracker, video):
    with caplog.at_level(logging.INFO, "fiftyone_hs2s"):
        adapted_tracker(tracker, open_frames(video), {0: place(0), 2: place(2)}, 1e-6)
        assert adapted_tracker(tracker, open_frames(video), {0: place(0)}, 0) is tracker
    assert caplog.messages == ["Adapting to 2 objects, 1e-06 s", "Adapted in 1 step"]


def test_an_object_of_one_pixel_can_be_learned(tracker, video):
    mask = np.zeros(SIZE, bool)
    mask[30, 40] = True
    assert changed(
        weights(tracker), weights(adapted_tracker(tracker, open_frames(video), {0: {1: mask}}, 1e-6))
    )


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "20", True, None])
def test_time_that_is_none(tracker, video, seconds):
    with pytest.raises(HS2SError, match=r"number of seconds from 0"):
        adapted_tracker(tracker, open_frames(video), {0: place(0)}, seconds)


def test_prompts_are_checked_first(tracker, video):
    with pytest.raises(MaskError, match="None of the masks"):
        adapted_tracker(tracker, open_frames(video), {0: {1: np.zeros(SIZE, bool)}}, 20)
    with pytest.raises(HS2SError, match="mask for frame 9"):
        adapted_tracker(tracker, open_frames(video), {9: place(1)}, 20)


def test_needs_no_extra_packages(monkeypatch):
    monkeypatch.setattr(fiftyone_hs2s, "training", fiftyone_hs2s.training)  # to come back with its modules
    for name in [name for name in sys.modules if name.startswith("fiftyone_hs2s.training")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("accelerate", "tensorboard", "fiftyone"):
        monkeypatch.setitem(sys.modules, name, None)
    assert callable(importlib.import_module("fiftyone_hs2s.training.adapt").adapt)
