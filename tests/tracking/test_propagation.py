from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import torch
from color_network import ColorNetwork, iou, moving

from fiftyone_hs2s.errors import HS2SError, MaskError, VideoError
from fiftyone_hs2s.network import build_network
from fiftyone_hs2s.progress import Progress
from fiftyone_hs2s.tracking import Frames, Steps, Tracker, open_frames, plan_prompts, track
from fiftyone_hs2s.tracking.sources import ArraySource

EMPTY = np.zeros((120, 214), bool)


@pytest.fixture
def tracker():
    return Tracker(ColorNetwork(), size=(128, 224), device="cpu", precision="float32")


def check(results, truth, ids_of):
    for index, tracked in results:
        for object_id in ids_of(index):
            found, expected = tracked.label_map == object_id, truth[index].get(object_id, EMPTY)
            if expected.any():
                assert iou(found, expected) > 0.9, (index, object_id)
            else:
                assert not found.any(), (index, object_id)
        assert set(tracked.confidence) == set(ids_of(index)), index


def test_forward_starts_at_the_first_prompt(tracker):
    frames, truth = moving()
    results = list(track(tracker, open_frames(frames), {3: {2: truth[3][2]}, 1: {1: truth[1][1]}}))
    assert [index for index, _ in results] == [1, 2, 3, 4, 5, 6, 7]
    check(results, truth, lambda index: (1, 2) if index >= 3 else (1,))
    np.testing.assert_array_equal(results[0][1].label_map == 1, truth[1][1])
    np.testing.assert_array_equal(results[2][1].label_map == 2, truth[3][2])


def test_backward_goes_from_the_last_prompt_to_the_start(tracker):
    frames, truth = moving()
    prompts = {5: {1: truth[5][1]}, 4: {1: truth[4][1], 2: truth[4][2]}}
    results = list(track(tracker, open_frames(frames), prompts, "backward"))
    assert [index for index, _ in results] == [5, 4, 3, 2, 1, 0]
    check(results, truth, lambda index: (1, 2) if index <= 4 else (1,))


def test_backward_is_forward_on_the_reversed_video():
    torch.manual_seed(0)
    tracker = Tracker(build_network("hs2s-lite"), size=(64, 96), device="cpu", precision="float32")
    frames, truth = moving()
    last = len(frames) - 1
    backward = list(
        track(tracker, open_frames(frames), {6: {1: truth[6][1]}, 4: {2: truth[4][2]}}, "backward")
    )
    prompts = {last - 6: {1: truth[6][1]}, last - 4: {2: truth[4][2]}}
    forward = list(track(tracker, open_frames(frames[::-1].copy()), prompts))
    assert [index for index, _ in backward] == [last - index for index, _ in forward]
    for (_, a), (_, b) in zip(backward, forward, strict=True):
        np.testing.assert_array_equal(a.label_map, b.label_map)
        assert a.confidence == b.confidence


def test_both_gives_every_frame_once_in_order(tracker):
    frames, truth = moving()
    prompts = {2: {1: truth[2][1]}, 5: {1: truth[5][1], 2: truth[5][2]}}
    results = list(track(tracker, open_frames(frames), prompts, "both"))
    assert [index for index, _ in results] == list(range(8))
    check(results, truth, lambda index: (1, 2))
    np.testing.assert_array_equal(results[2][1].label_map == 1, truth[2][1])
    np.testing.assert_array_equal(results[5][1].label_map == 2, truth[5][2])
    backward_object = results[4][1].probabilities[2]
    assert backward_object.dtype == np.float32
    assert iou(backward_object > 0.5, truth[4][2]) > 0.9
    assert sorted(results[4][1].probabilities) == [1, 2]


def test_both_equals_forward_and_backward_put_together():
    torch.manual_seed(0)
    tracker = Tracker(build_network("hs2s-lite"), size=(64, 96), device="cpu", precision="float32")
    frames, truth = moving()
    prompts = {4: {1: truth[4][1]}}
    expected = dict(track(tracker, open_frames(frames), prompts, "backward"))
    expected |= dict(track(tracker, open_frames(frames), prompts, "forward"))
    results = list(track(tracker, open_frames(frames), prompts, "both"))
    assert [index for index, _ in results] == list(range(8))
    for index, tracked in results:
        np.testing.assert_array_equal(tracked.label_map, expected[index].label_map)
        assert tracked.confidence == pytest.approx(expected[index].confidence)


def test_first_takes_each_object_once_and_all_anchors_it_again(tracker):
    frames, truth = moving()
    wrong = np.zeros((120, 214), bool)
    wrong[-20:, :20] = True  # on the gray ground
    prompts = {0: {1: truth[0][1]}, 3: {1: wrong, 2: truth[3][2]}}
    first = dict(track(tracker, open_frames(frames), prompts, prompt_frames="first"))
    every = dict(track(tracker, open_frames(frames), prompts, prompt_frames="all"))
    assert iou(first[3].label_map == 1, truth[3][1]) > 0.9
    np.testing.assert_array_equal(every[3].label_map == 1, wrong)
    assert every[4].label_map[0, 0] == 1
    assert iou(first[4].label_map == 1, truth[4][1]) > 0.9


def test_empty_masks_are_no_prompts(tracker):
    frames, truth = moving()
    prompts = {0: {1: truth[0][1], 2: EMPTY}, 3: {2: truth[3][2]}, 5: {1: EMPTY}}
    results = dict(track(tracker, open_frames(frames), prompts, prompt_frames="all"))
    assert 2 not in results[2].confidence
    assert iou(results[5].label_map == 1, truth[5][1]) > 0.9
    with pytest.raises(MaskError, match="pixel"):
        next(track(tracker, open_frames(frames), {0: {1: EMPTY}}))
    with pytest.raises(MaskError, match="pixel"):
        next(track(tracker, open_frames(frames), {}))


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_prompt_beyond_the_end_is_named(tracker, direction):
    frames, truth = moving()
    with pytest.raises(VideoError, match=r"frame 8.*8 frames"):
        next(track(tracker, open_frames(frames), {0: truth[0], 8: truth[0]}, direction))


class Overstated(ArraySource):
    """A video whose length is given too high, until it has been read."""

    def __init__(self, frames):
        super().__init__(frames)
        self.count += 2

    def decode(self, start, stop):
        yield from super().decode(start, stop)
        self.count = len(self.frames)


def test_prompt_that_proves_to_lie_beyond_the_end_is_named(tracker):
    frames, truth = moving()
    tracked = track(tracker, Frames(Overstated(frames)), {0: truth[0], 9: {7: truth[0][1]}})
    assert [index for index, _ in itertools.islice(tracked, 8)] == list(range(8))
    with pytest.raises(VideoError, match=r"frame 9.*8 frames"):
        next(tracked)


def test_unknown_choices_are_named(tracker):
    frames, truth = moving()
    with pytest.raises(HS2SError, match=r"'sideways'.*forward, backward, both"):
        next(track(tracker, open_frames(frames), {0: truth[0]}, "sideways"))
    with pytest.raises(HS2SError, match=r"'some'.*first, all"):
        next(track(tracker, open_frames(frames), {0: truth[0]}, prompt_frames="some"))


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
@pytest.mark.parametrize("prompt_frames", ["first", "all"])
def test_steps_are_counted_right(tracker, direction, prompt_frames):
    frames, truth = moving()
    for prompts in ({0: truth[0]}, {3: truth[3]}, {2: truth[2], 4: truth[4], 5: truth[5]}):
        seen: list[Progress] = []
        plan = plan_prompts(open_frames(frames), prompts, direction, prompt_frames)
        steps = Steps(open_frames(frames), plan, seen.append)
        list(track(tracker, open_frames(frames), plan, on_step=steps))
        assert seen == [Progress(done, steps.total, "frame") for done in range(1, steps.total + 1)]
        assert steps.incomplete is None


def test_masks_are_read_when_they_are_needed(tracker):
    frames, truth = moving()
    held = []

    class Lazy(dict):
        def __getitem__(self, index):
            held.append(index)
            return truth[index]

    prompts = Lazy.fromkeys(range(8))
    assert len(list(track(tracker, open_frames(frames), prompts, prompt_frames="all"))) == 8
    assert held == [*range(8), *range(8)]  # once to see what is there, once to anchor


def test_video_that_breaks_off_keeps_what_was_tracked(tracker, tmp_path):
    frames, truth = moving()
    for index, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"{index}.png"), frame[..., ::-1])
    (tmp_path / "5.png").write_bytes(b"")
    video = open_frames(tmp_path)
    results = list(track(tracker, video, {0: truth[0]}))
    assert [index for index, _ in results] == [0, 1, 2, 3, 4]
    assert "5.png" in video.incomplete
    with pytest.raises(VideoError, match=r"5\.png"):
        list(track(tracker, open_frames(tmp_path), {5: truth[5]}))


def test_tracker_can_be_used_for_one_video_after_another(tracker):
    frames, truth = moving()
    other, other_truth = moving((214, 120))
    list(track(tracker, open_frames(frames), {0: truth[0]}))
    results = list(track(tracker, open_frames(other), {0: other_truth[0]}))
    assert iou(results[-1][1].label_map == 1, other_truth[-1][1]) > 0.85
