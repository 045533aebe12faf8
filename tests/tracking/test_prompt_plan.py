"""Prompts are planned once: each mask file is read at most twice, whatever the way."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from color_network import ColorNetwork, moving

from fiftyone_hs2s.mask_files import reading
from fiftyone_hs2s.masks import join_masks, write_label_map
from fiftyone_hs2s.tracking import Prompts, Steps, Tracker, open_frames, plan_prompts, track
from fiftyone_hs2s.tracking.folders import MaskFiles, track_to_folder
from fiftyone_hs2s.tracking.prompt_plan import MaskArrays


@pytest.fixture(scope="module")
def tracker():
    return Tracker(ColorNetwork(), size=(128, 224), device="cpu", precision="float32")


@pytest.fixture
def masks(tmp_path):
    """A mask file for each frame, and what is in them."""
    frames, truth = moving()
    folder = tmp_path / "masks"
    folder.mkdir()
    given = {}
    for index in range(len(frames)):
        ids = list(truth[index])  # the second object comes later
        label_map = join_masks({i: truth[index][i] for i in ids}, frames[0].shape[:2])
        write_label_map(folder / f"{index:05}.png", label_map)
        given[index] = {i: label_map == i for i in ids}
    return folder, frames, given


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize("prompt_frames", ["first", "all"])
def test_each_mask_file_is_read_at_most_twice(
    tracker, masks, tmp_path, monkeypatch, direction, prompt_frames
):
    folder, frames, given = masks
    reads: Counter[str] = Counter()
    read = reading._read_values
    monkeypatch.setattr(
        reading, "_read_values", lambda path, size: reads.update([path.name]) or read(path, size)
    )
    video = open_frames(frames)
    plan = plan_prompts(video, MaskFiles(folder, video), direction, prompt_frames)
    steps = Steps(video, plan)
    (tmp_path / "out").mkdir()
    confidence = track_to_folder(tracker, video, plan, tmp_path / "out", steps)
    assert steps.done == steps.total
    assert max(reads.values()) <= 2
    assert reads.total() == len(frames) + len(plan.anchors)
    expected = dict(track(tracker, open_frames(frames), given, direction, prompt_frames))
    for index, tracked in expected.items():
        np.testing.assert_array_equal(
            reading.read_label_map(tmp_path / f"out/{index:05}.png"), tracked.label_map
        )
        assert confidence[f"{index:05}"] == tracked.confidence


def test_masks_of_a_plan_are_those_of_its_anchors(masks):
    folder, frames, given = masks
    for prompts in (MaskFiles(folder, open_frames(frames)), MaskArrays(given)):
        assert isinstance(prompts, Prompts)
        plan = plan_prompts(open_frames(frames), prompts)
        assert plan_prompts(open_frames(frames), plan, "backward") is plan
        assert plan.anchors == {0: [1], 3: [2]}
        assert (plan.first, plan.last, plan.masks(1)) == (0, 3, {})
        np.testing.assert_array_equal(plan.masks(3)[2], given[3][2])
        assert list(plan.masks(3)) == [2]
