"""Validation: whole sequences, each object from its first mask, scored as DAVIS does."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from fiftyone_kit import COLORS, ColorNetwork, H, T, W, picture, truth

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import split_label_map
from fiftyone_hs2s.metrics import SequenceScorer, summarize
from fiftyone_hs2s.tracking import Tracker, open_frames, track
from fiftyone_hs2s.training.validation import scorable, validate


class Sequence:
    """The two squares; ``shown`` has the objects that are annotated, by frame index."""

    def __init__(self, shown: dict[int, tuple[int, ...]], name: str = "squares") -> None:
        self.shown, self.name = shown, name

    def open(self):
        return open_frames([picture(number) for number in range(1, T + 1)])

    def truth(self):
        for index, objects in self.shown.items():
            label_map = np.zeros((H, W), np.uint8)
            for number in objects:
                label_map[truth(index + 1)[number]] = number + 1
            yield index, label_map


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
    sequence = Sequence(dict.fromkeys((1, 2, 4, 5, 9), tuple(COLORS)))
    (start, first), *others = sequence.truth()
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
    scores = validate(network, [Sequence(shown)], (H, W))
    results = scores.sequences["squares"].objects
    assert {number: len(result.frames) for number, result in results.items()} == {1: T - 6, 2: T - 4}
    assert all(result.JF > 0.95 for result in results.values())


def test_what_has_nothing_to_score_is_named_and_left_out(caplog):
    good = Sequence({0: (), 1: (1,), 2: (), 3: ()})
    bad = [
        Sequence({3: (0,)}, "one"),
        Sequence({3: (0,), 9: (0,)}, "two"),
        Sequence({0: (), 1: (0,), 2: (0,)}, "late"),
    ]
    with caplog.at_level(logging.WARNING):
        assert scorable([*bad, good]) == [good]
    assert "nothing to score in one, two, late: annotate" in caplog.text
    with pytest.raises(
        HS2SError, match="the validation has nothing to score in one, two, late: annotate two frames"
    ):
        scorable(bad)
    assert scorable([]) == []


def test_a_sequence_that_cannot_be_scored_is_named(network):
    sequence = Sequence({0: (0,), 1: (0,), T: (0, 1)})
    with pytest.raises(HS2SError, match="squares cannot be validated on: There is a mask for frame 12"):
        validate(network, [sequence], (H, W))
    sequence.first_number = 1  # one of FiftyOne
    with pytest.raises(HS2SError, match="There is a mask for frame 13, which cannot be read"):
        validate(network, [sequence], (H, W))
