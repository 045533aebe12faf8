"""Validation: whole sequences, each object from its first mask, scored as DAVIS does."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest
import torch
from fiftyone_kit import COLORS, ColorNetwork, H, T, W, picture, truth

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import split_label_map
from fiftyone_hs2s.metrics import SequenceScorer, summarize
from fiftyone_hs2s.tracking import Tracker, open_frames, track
from fiftyone_hs2s.training.data.annotated_video import AnnotatedVideo, open_video
from fiftyone_hs2s.training.validation import scorable, validate


class Squares(AnnotatedVideo):
    """The two squares; ``shown`` has the objects that are annotated, by frame index."""

    def __init__(self, shown: dict[int, tuple[int, ...]], name: str = "squares") -> None:
        self.shown, self.name, self.indices = shown, name, sorted(shown)

    def open(self):
        return open_frames([picture(number) for number in range(1, T + 1)])

    def label_map(self, index, size):
        label_map = np.zeros(size, np.uint8)
        for number in self.shown[index]:
            label_map[truth(index + 1)[number]] = number + 1
        return label_map


@pytest.fixture
def network() -> ColorNetwork:
    network = ColorNetwork()
    network.device_of = torch.nn.Parameter(torch.zeros(1))
    return network


def test_sequences_whose_objects_start_together_are_scored_as_davis_2017_does(network):
    class Faulty(ColorNetwork):
        """Loses a part of the picture."""

        def step(self, image, state):
            logits, state = super().step(image, state)
            logits[:, :, :12] = -10
            return logits, state

    network.__class__ = Faulty
    sequence = Squares(dict.fromkeys((1, 2, 4, 5, 9), tuple(COLORS)))
    (start, first), *others = open_video(sequence).truth()
    found = dict(track(Tracker(network, (H, W), "cpu"), sequence.open(), {start: split_label_map(first)}))
    scorer = SequenceScorer()
    scorer.update(first, first)
    for index, label_map in others:
        scorer.update(label_map, found[index].label_map)
    expected = summarize({"squares": scorer.finish()}, "davis2017")
    scores = validate(network, [sequence], (H, W))
    assert (scores.J, scores.F) == (expected.J, expected.F) and 0.2 < scores.J < 0.95


def test_objects_are_tracked_from_their_first_mask(network):
    both = tuple(COLORS)
    shown = {0: (), 1: (), 2: (1,), 3: (1,), **dict.fromkeys(range(4, T), both)}
    scores = validate(network, [Squares(shown)], (H, W))
    results = scores.sequences["squares"].objects
    assert {number: len(result.frames) for number, result in results.items()} == {1: T - 6, 2: T - 4}
    assert all(result.JF > 0.95 for result in results.values())


def test_what_has_nothing_to_score_is_named_and_left_out(caplog):
    good = Squares({0: (), 1: (1,), 2: (), 3: ()})
    bad = [
        Squares({3: (0,)}, "one"),
        Squares({3: (0,), 9: (0,)}, "two"),
        Squares({0: (), 1: (0,), 2: (0,)}, "late"),
    ]
    with caplog.at_level(logging.WARNING):
        assert scorable([*bad, good]) == [good]
    assert "nothing to score in one, two, late: annotate" in caplog.text
    with pytest.raises(
        HS2SError, match="the validation has nothing to score in one, two, late: annotate two frames"
    ):
        scorable(bad)
    assert scorable([]) == []


def test_masks_after_the_end_are_left_out(network, caplog):
    sequence = Squares({0: (0,), 1: (0,), 2: (0,), T: (0, 1)})
    sequence.first_number = 11
    with caplog.at_level(logging.WARNING):
        scores = validate(network, [sequence], (H, W))
    assert list(scores.sequences["squares"].objects) == [1]
    assert f"Masks after the last frame, {T + 10}, of squares are left out" in caplog.text


@pytest.fixture
def damaged(tmp_path):
    """The frames as files, of which the fifth is damaged."""
    for number in range(T):
        cv2.imwrite(str(tmp_path / f"{number:05}.png"), picture(number + 1)[..., ::-1])
    (tmp_path / "00004.png").write_bytes(b"damaged")
    return tmp_path


@pytest.mark.parametrize(("first_number", "number"), [(0, 4), (41, 45)])
def test_a_video_that_cannot_be_scored_is_named(network, damaged, first_number, number):
    sequence = Squares({4: (0,), 5: (0,), 6: (0,)})
    sequence.first_number, sequence.open = first_number, lambda: open_frames(damaged)
    with pytest.raises(HS2SError, match=f"squares cannot be validated on: .* mask for frame {number}"):
        validate(network, [sequence], (H, W))


def test_what_is_not_scored_is_said(network, damaged, caplog):
    sequence = Squares(dict.fromkeys((0, 1, 2, 5, 6), (0,)))
    sequence.open = lambda: open_frames(damaged)
    with caplog.at_level(logging.WARNING):
        scores = validate(network, [sequence], (H, W))
    assert len(scores.sequences["squares"].objects[1].frames) == 1
    assert "Masks from frame 5 on of squares are not scored" in caplog.text and "00004.png" in caplog.text
