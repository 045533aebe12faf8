from __future__ import annotations

import numpy as np
import pytest

from fiftyone_hs2s.metrics import SequenceScorer
from fiftyone_hs2s.metrics.next_frame import next_frame, reliefs

T = 41


def series(confidence=1.0, agreement=None, gone=(), given=(0,), objects=(1,)):
    """Series of objects that stand still; values may be one a frame."""
    scorer = SequenceScorer()
    for t in range(T):
        label_map = np.zeros((20, 30), np.uint8)
        for i in () if t in gone else objects:
            label_map[4:14, 6 * i : 6 * i + 5] = i
        sure = np.broadcast_to(confidence, T)[t]
        same = {} if agreement is None else {i: float(np.broadcast_to(agreement, T)[t]) for i in objects}
        scorer.update(
            None,
            label_map,
            confidence={i: float(sure) for i in objects},
            agreement=same,
            prompted=objects if t in given else (),
        )
    return scorer.finish()


def at(*places, low=0.2):
    values = np.ones(T)
    values[list(places)] = low
    return values


def test_doubt_alike_everywhere_asks_for_the_middle():
    found = next_frame(series(confidence=0.9))
    assert abs(found.frame - T // 2) <= 1 and found.reason == "low_confidence"


def test_a_mask_takes_all_doubt_of_its_frame_and_that_of_others_by_distance():
    doubt, given = np.zeros(11), np.zeros(11, bool)
    doubt[8], given[0] = 1, True
    relief = reliefs(doubt, given, np.zeros(11, int))
    assert relief[8] == 1
    assert relief[6] == pytest.approx(1 - 2 / 8)
    assert relief[4] == pytest.approx(1 - 4 / 8)
    assert relief[0] == 0


def test_other_masks_keep_their_neighborhood():
    assert next_frame(series(confidence=0.9, given=(0, 20))).frame > 25


def test_doubt_draws_the_frame_to_it():
    assert 28 <= next_frame(series(confidence=at(30, 31, 32, 33))).frame <= 33


def test_a_track_back_is_blamed_near_the_prompt_and_the_track_far_from_it():
    both = at(2, 3, 4, 34, 35, 36)
    found = next_frame(series(agreement=both))
    assert found.frame > 30 and found.reason == "disagreement"


def test_no_mask_is_a_reason():
    found = next_frame(series(gone=range(20, T)))
    assert found.frame >= 20 and found.reason == "vanished"


def test_another_scene_is_not_helped_from_afar():
    found = next_frame(series(gone=range(20, T)), cuts=[20])
    assert (found.frame, found.reason) == (20, "scene_cut")
    doubtful = at(*range(10, 20))
    assert next_frame(series(confidence=doubtful), cuts=[20]).frame < 20


def test_objects_count_together():
    confidence = at(10)
    assert next_frame(series(confidence, objects=(1, 2))).relief == pytest.approx(
        2 * next_frame(series(confidence)).relief
    )


def test_no_doubt_asks_for_nothing():
    assert next_frame(series()) is None
    assert next_frame(series(gone=range(T), given=())) is None
