"""Tracks over scene cuts: a scene, another one, and the first again."""

from __future__ import annotations

import numpy as np
import pytest
from color_network import ColorNetwork, iou, moving

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.tracking import Steps, Tracker, open_frames, plan_prompts, track
from fiftyone_hs2s.tracking.between import track_between

BREAK = range(4, 7)
"""The frames of the other scene."""


@pytest.fixture
def tracker():
    return Tracker(ColorNetwork(), size=(128, 224), device="cpu", precision="float32")


@pytest.fixture(scope="module")
def joined():
    """The frames of two scenes, and the masks on each frame."""
    frames, truth = moving()
    other = np.zeros_like(frames[0])
    other[:, ::2] = (250, 250, 20)
    frames = [*frames[: BREAK[0]], *[other] * len(BREAK), *frames[BREAK[0] :]]
    return open_frames(np.stack(frames)), [*truth[: BREAK[0]], *[{}] * len(BREAK), *truth[BREAK[0] :]]


def tracked(tracker, joined, *options, scene_cuts, prompts=None):
    """The label maps, and the cuts."""
    frames, truth = joined
    plan = plan_prompts(frames, prompts or {0: truth[0]}, *options, scene_cuts=scene_cuts)
    steps = Steps(frames, plan)
    return {
        i: f.label_map for i, f in track(tracker, frames, plan, on_step=steps, on_cut=steps.cut)
    }, steps.cuts


def right(found, joined, index):
    return iou(found[index] == 1, joined[1][index][1]) > 0.8


@pytest.mark.parametrize("scene_cuts", ["ignore", "stop", "restart"])
def test_cuts_are_noted_and_a_scene_comes_before_them(tracker, joined, scene_cuts):
    found, cuts = tracked(tracker, joined, scene_cuts=scene_cuts)
    assert cuts == {BREAK[0], BREAK[-1] + 1}
    assert list(found) == list(range(len(joined[1])))
    assert all(right(found, joined, index) for index in range(BREAK[0]))
    again = BREAK[-1] + 1
    if scene_cuts == "stop":
        assert not any(found[index].any() for index in range(BREAK[0], len(found)))
    else:
        assert right(found, joined, again + 1)


def test_the_network_is_not_asked_after_a_stop(tracker, joined, monkeypatch):
    shown = []
    step = tracker.step
    monkeypatch.setattr(tracker, "step", lambda *given: [shown.append(1), step(*given)][1])
    tracked(tracker, joined, scene_cuts="stop")
    assert len(shown) == BREAK[0]


def test_a_later_mask_starts_an_object_again(tracker, joined):
    again = BREAK[-1] + 1
    prompts = {0: joined[1][0], again: {1: joined[1][again][1]}}
    found, _ = tracked(tracker, joined, "forward", "all", scene_cuts="stop", prompts=prompts)
    last = len(found) - 1
    assert set(np.unique(found[last])) == {0, 1}
    assert iou(found[last] == 1, joined[1][last][1]) > 0.8


def test_both_directions_name_the_same_cuts(tracker, joined):
    last = len(joined[1]) - 1
    for direction in ("backward", "both"):
        prompts = {last: {1: joined[1][last][1]}}
        found, cuts = tracked(tracker, joined, direction, scene_cuts="stop", prompts=prompts)
        assert cuts == {BREAK[0], BREAK[-1] + 1}
        assert {index for index, label_map in found.items() if label_map.any()} == set(
            range(BREAK[-1] + 1, last + 1)
        )


def test_between_two_keyframes_each_is_for_its_own_scene(tracker, joined):
    frames, truth = joined
    last = len(frames) - 1
    found = {
        i: f.label_map for i, f in track_between(tracker, frames, truth[0], truth[last], scene_cuts="stop")
    }
    assert all(right(found, joined, index) for index in (2, last - 2))
    assert not any(found[index].any() for index in BREAK)


def test_unknown_ways_are_refused(tracker, joined):
    with pytest.raises(HS2SError, match="scene_cuts='jump' is unknown"):
        tracked(tracker, joined, scene_cuts="jump")
