from __future__ import annotations

import numpy as np
import pytest
from color_network import ColorNetwork, iou, moving

from fiftyone_hs2s.errors import MaskError
from fiftyone_hs2s.tracking import Tracker, open_frames, track
from fiftyone_hs2s.tracking.between import track_between
from fiftyone_hs2s.tracking.result import TrackedFrame
from fiftyone_hs2s.tracking.seen import SeenFrame


@pytest.fixture
def tracker():
    return Tracker(ColorNetwork(), size=(128, 224), device="cpu", precision="float32")


def test_frames_between_two_masks_are_given_once_in_order(tracker):
    frames, truth = moving()
    steps = []
    results = dict(
        track_between(tracker, open_frames(frames)[1:7], truth[1], truth[6], on_step=lambda: steps.append(1))
    )
    assert list(results) == [1, 2, 3, 4]
    assert len(steps) == 10  # two passes over the stretch, without the frame on which the other one starts
    for index, tracked in results.items():
        for object_id, mask in truth[index + 1].items():
            assert iou(tracked.label_map == object_id, mask) > 0.9
            assert iou(tracked.probabilities[object_id] > 0.5, mask) > 0.9


def test_one_end_alone_is_tracking_from_it(tracker):
    frames, truth = moving()
    video = open_frames(frames)
    forward = dict(track_between(tracker, video, truth[0], {}))
    expected = dict(track(tracker, video, {0: truth[0]}))
    assert list(forward) == list(range(1, len(frames)))
    for index, tracked in forward.items():
        np.testing.assert_array_equal(tracked.label_map, expected[index].label_map)
    last = len(frames) - 1
    backward = dict(track_between(tracker, video, {}, truth[last]))
    expected = dict(track(tracker, video, {last: truth[last]}, "backward"))
    assert list(backward) == list(range(last))
    for index, tracked in backward.items():
        assert iou(tracked.label_map > 0, expected[index].label_map > 0) > 0.99


def test_an_object_known_at_one_end_comes_from_that_pass(tracker):
    frames, truth = moving()
    results = dict(track_between(tracker, open_frames(frames)[3:7], {1: truth[3][1]}, {2: truth[6][2]}))
    assert list(results) == [1, 2]
    for index, tracked in results.items():
        for object_id in (1, 2):
            assert iou(tracked.label_map == object_id, truth[index + 3][object_id]) > 0.9


class Drifting(Tracker):
    """Shows the given mask for ever, and is as sure as it is told to be."""

    def __init__(self, sure):
        self.sure = sure
        self.passes = 0

    def reset(self):
        self.passes += 1

    @property
    def ids(self):
        return tuple(self.masks)

    def see(self, frame):
        return SeenFrame(frame.shape[:2], {})

    def step(self, frame, masks=None):
        self.masks = masks or self.masks
        confidence = dict.fromkeys(self.masks, self.sure[self.passes - 1])
        probabilities = {i: mask.astype(np.float32) for i, mask in self.masks.items()}
        return TrackedFrame(np.zeros(frame.size, np.uint8), confidence, probabilities)


@pytest.mark.parametrize(
    ("sure", "turns"),
    # Backward pass, forward pass: where the former takes over.
    [
        ((0.8, 0.8), 5),
        ((0.9, 0.3), 3),
        ((0.3, 0.9), 8),
    ],
)
def test_time_and_confidence_decide_which_pass_counts(sure, turns):
    frames = np.zeros((11, 8, 12, 3), np.uint8)
    left, right = np.zeros((2, 8, 12), bool)
    left[:, :6], right[:, 6:] = True, True
    results = dict(track_between(Drifting(sure), open_frames(frames), {1: left}, {1: right}))
    shows_right = [index for index, tracked in results.items() if (tracked.label_map == 1)[0, 8]]
    assert shows_right == list(range(turns + (sure[0] == sure[1]), 10))
    share = (1 - 0.3) * sure[1] / ((1 - 0.3) * sure[1] + 0.3 * sure[0])
    assert results[3].probabilities[1][0, 0] == pytest.approx(share, abs=0.01)


def test_no_mask_at_either_end_is_refused(tracker):
    with pytest.raises(MaskError, match="neither before nor after"):
        list(track_between(tracker, open_frames(moving()[0]), {}, {}))
