# ruff: noqa: SIM300 (J and F look like constants to it)
from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from metric_reference import disk, reference_f, reference_j

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import list_label_maps, read_label_map
from fiftyone_hs2s.metrics import SequenceScorer, score_label_maps

SIZE = (40, 60)


def label_map(size=SIZE, **masks):
    """A label map of masks given as _1=mask, _2=mask; later ones on top."""
    out = np.zeros(size, np.uint8)
    for name, mask in masks.items():
        out[mask] = int(name[1:])
    return out


def check_against_definition(truth, prediction, scores):
    ids = (set(np.unique(truth)) | set(np.unique(prediction))) - {0}
    assert set(scores) == {int(i) for i in ids}
    for i, score in scores.items():
        t, p = truth == i, prediction == i
        assert score.J == pytest.approx(reference_j(t, p), abs=1e-9)
        assert score.F == pytest.approx(reference_f(t, p), abs=1e-9)
        assert score[2:5] == (t.sum(), p.sum(), (t & p).sum())
        others = {int(k): int((p & (truth == k)).sum()) for k in set(ids) - {i}}
        assert score.other_area == max(others.values(), default=0)
        assert {**others, 0: 0}[score.other_id] == score.other_area
        if p.any():
            assert (score.y, score.x) == pytest.approx(tuple(np.argwhere(p).mean(0)))


@given(
    arrays(np.uint8, (9, 13), elements=st.integers(0, 4)),
    arrays(np.uint8, (9, 13), elements=st.integers(0, 4)),
)
@settings(deadline=None)
def test_label_maps_as_the_definition(truth, prediction):
    check_against_definition(truth, prediction, score_label_maps(truth, prediction))


def test_16_bit_label_maps():
    truth = 1000 * label_map(_1=disk(SIZE, (20, 20), 8), _3=disk(SIZE, (20, 45), 6)).astype(np.uint16)
    prediction = np.roll(truth, 3, 1)
    check_against_definition(truth, prediction, score_label_maps(truth, prediction))


def test_real_label_maps_of_7_objects(shared_data):
    folder = shared_data / "data/video/DAVIS2017-schoolgirls/Annotations/schoolgirls"
    maps = [read_label_map(file) for file in list(list_label_maps(folder).values())[::16]]
    for truth, prediction in pairwise(maps):
        check_against_definition(truth, prediction, score_label_maps(truth, prediction))


@pytest.mark.parametrize(("truth", "prediction"), [(1, 0), (0, 1), (1, 1), (1, 2)])
def test_masks_of_the_whole_image(truth, prediction):
    truth, prediction = np.full(SIZE, truth, np.uint8), np.full(SIZE, prediction, np.uint8)
    check_against_definition(truth, prediction, score_label_maps(truth, prediction))


def test_void_is_background_or_left_out():
    truth, prediction = (label_map(_1=disk(SIZE, (20, x), 10)) for x in (25, 30))
    void = disk(SIZE, (20, 38), 8)
    truth[void] = 255
    t, p = truth == 1, prediction == 1
    assert score_label_maps(truth, prediction)[1].J == reference_j(t, p)
    left_out = score_label_maps(truth, prediction, exclude_void=True)
    assert left_out[1].J == reference_j(t, p & ~void)
    assert left_out[1].F == pytest.approx(reference_f(t, p & ~void), abs=1e-12)
    prediction[:3] = 255
    assert list(score_label_maps(truth, prediction)) == [1]


def test_void_of_16_bit_is_an_object():
    truth = np.full(SIZE, 255, np.uint16)
    assert list(score_label_maps(truth, truth)) == [255]


def test_sizes_must_agree():
    with pytest.raises(HS2SError, match=r"\(40, 60\) and \(60, 40\)"):
        score_label_maps(np.zeros(SIZE, np.uint8), np.zeros(SIZE[::-1], np.uint8))


def test_sequence_with_a_late_object_and_frames_without_truth_or_prediction():
    one, two = disk(SIZE, (15, 15), 8), disk(SIZE, (15, 40), 8)
    scorer = SequenceScorer()
    assert scorer.update(label_map(_1=one), label_map(_1=one))[1].J == 1
    scorer.update(None, label_map(_1=one), confidence={1: 0.25, 2: 0.5})
    scorer.update(label_map(_1=one, _2=two), None)
    scorer.update(label_map(_2=two), label_map(_2=two, _9=one), frame=10, agreement={2: 0.75})
    sequence = scorer.finish(["a", "b", "c", "d"])

    assert sequence.frames.tolist() == [0, 1, 2, 10]
    assert sequence.annotated.tolist() == [True, False, True, True]
    assert (sequence.true_ids, sequence.extra_ids) == ([1, 2], [9])
    first, second = sequence.objects[1], sequence.objects[2]
    np.testing.assert_array_equal(first.J, [1, np.nan, 0, 1])
    np.testing.assert_array_equal(second.J, [1, np.nan, 0, 1])
    np.testing.assert_array_equal(second.JF, second.F)
    np.testing.assert_array_equal(sequence.objects[9].J, [1, np.nan, 1, 0])
    assert first.truth_area.tolist() == [one.sum(), 0, one.sum(), 0]
    assert first.predicted_area.tolist() == [one.sum(), one.sum(), 0, 0]
    np.testing.assert_array_equal(first.confidence, [np.nan, 0.25, np.nan, np.nan])
    np.testing.assert_array_equal(second.confidence, [np.nan, 0.5, np.nan, np.nan])
    np.testing.assert_array_equal(second.agreement, [np.nan, np.nan, np.nan, 0.75])
    assert second.visible().tolist() == [False, False, True, True]
    assert first.diagonal == np.hypot(*SIZE)


def test_frames_in_order():
    scorer = SequenceScorer()
    scorer.update(None, np.zeros(SIZE, np.uint8), frame=-5)
    with pytest.raises(HS2SError, match="Frame -5 cannot be scored after frame -5"):
        scorer.update(None, np.zeros(SIZE, np.uint8), frame=-5)


def test_empty_sequence():
    scorer = SequenceScorer()
    assert scorer.finish().objects == {}
    scorer.update(None, None)
    assert len(scorer.finish().frames) == 1


def test_merged_objects_are_one():
    scorer = SequenceScorer(merge_objects=True)
    truth = label_map(_1=disk(SIZE, (15, 15), 8), _2=disk(SIZE, (15, 31), 8))
    scorer.update(truth, np.where(truth == 1, 2, 2 * (truth == 2)).astype(np.uint8))
    assert list(scorer.finish().objects) == [1]
    assert scorer.finish().objects[1].J.tolist() == [1]


def test_memory_does_not_hold_images():
    """A long clip costs numbers only: less than 200 bytes per object and frame."""
    import tracemalloc

    truth = label_map(_1=disk(SIZE, (15, 15), 8))
    scorer = SequenceScorer()
    scorer.update(truth, truth)
    tracemalloc.start()
    for _ in range(1000):
        scorer.update(truth.copy(), truth.copy())
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 200_000
