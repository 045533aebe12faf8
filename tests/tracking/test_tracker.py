from __future__ import annotations

import numpy as np
import pytest
import torch
from color_network import color_tracker, draw, iou, moving

from fiftyone_hs2s.network import build_network
from fiftyone_hs2s.tracking import Tracker


@pytest.mark.parametrize("size", [(120, 214), (214, 120), (97, 131), (480, 854), (33, 47), (150, 150)])
@pytest.mark.parametrize("aggregation", ["soft", "argmax"])
def test_tracks_at_any_size_and_aspect(size, aggregation):
    frames, truth = moving(size)
    tracker = color_tracker(aggregation=aggregation)
    tracked = tracker.add_objects(frames[0], {1: truth[0][1]})
    np.testing.assert_array_equal(tracked.label_map == 1, truth[0][1])
    for frame, masks in zip(frames[1:], truth[1:], strict=True):
        tracked = tracker.step(frame)
        assert tracked.label_map.shape == size
        assert tracked.label_map.dtype == np.uint8
        assert iou(tracked.label_map == 1, masks[1]) > (0.9 if min(size) > 90 else 0.6)


@pytest.mark.parametrize(
    ("frame_size", "seen"), [((54, 96), (64, 96)), ((96, 54), (96, 64)), ((70, 70), (64, 96))]
)
def test_portrait_frames_turn_the_network_size(frame_size, seen):
    frame, masks = draw(frame_size, {1: (10, 10, 40, 40)})
    tracker = color_tracker(size=(64, 96))
    tracker.add_objects(frame, masks)
    assert tracker.network.seen_sizes == [(1, 3, *seen)]


def test_late_object_joins_while_others_go_on():
    frames, truth = moving()
    tracker = color_tracker()
    tracker.add_objects(frames[0], truth[0])
    for t in range(1, 7):
        tracked = tracker.step(frames[t], {2: truth[t][2]} if t == 3 else None)
        assert tracker.ids == ((1, 2) if t >= 3 else (1,))
        assert iou(tracked.label_map == 1, truth[t][1]) > 0.9
        assert iou(tracked.label_map == 2, truth[t].get(2, np.zeros((120, 214), bool))) > (
            0.9 if t >= 3 else -1
        )


def test_object_added_on_the_current_frame():
    frames, truth = moving()
    tracker = color_tracker()
    tracker.add_objects(frames[3], {1: truth[3][1]})
    tracked = tracker.add_objects(frames[3], {2: truth[3][2]})
    np.testing.assert_array_equal(tracked.label_map == 1, truth[3][1])
    np.testing.assert_array_equal(tracked.label_map == 2, truth[3][2])
    tracked = tracker.add_objects(frames[3], {1: truth[4][1]})  # the user's second thought
    np.testing.assert_array_equal(tracked.label_map == 1, truth[4][1])
    assert tracked.confidence == {1: 1, 2: 1}
    tracker.remove_objects([1])
    assert tracker.add_objects(frames[3], {4: truth[3][1]}).confidence == {2: 1, 4: 1}
    tracked = tracker.step(frames[4])
    assert iou(tracked.label_map == 4, truth[4][1]) > 0.9
    assert iou(tracked.label_map == 2, truth[4][2]) > 0.9


def test_late_join_equals_joining_a_tracker_of_its_own():
    """In the real network, what an object gives does not depend on when the others joined (argmax: no
    competition)."""
    torch.manual_seed(0)
    network = build_network("hs2s-lite")
    frames, truth = moving()
    options = {"size": (64, 96), "device": "cpu", "precision": "float32", "aggregation": "argmax"}
    alone, joined = Tracker(network, **options), Tracker(network, **options)
    alone.add_objects(frames[3], {2: truth[3][2]})
    joined.add_objects(frames[1], {1: truth[1][1]})
    joined.step(frames[2])
    joined.step(frames[3], {2: truth[3][2]})
    for t in (4, 5, 6):
        a, b = alone.step(frames[t]), joined.step(frames[t])
        np.testing.assert_allclose(a.probabilities[2], b.probabilities[2], atol=1e-4)


def test_anchoring_again_replaces_the_object():
    frames, truth = moving()
    tracker = color_tracker()
    tracker.add_objects(frames[3], truth[3])
    tracked = tracker.step(frames[4], {1: truth[4][2]})  # from now on, 1 is the green one
    np.testing.assert_array_equal(tracked.label_map == 1, truth[4][2])
    assert tracker.ids == (1, 2)
    assert tracked.confidence[1] == 1
    tracker.remove_objects([2, 77])
    assert tracker.ids == (1,)
    assert iou(tracker.step(frames[5]).label_map == 1, truth[5][2]) > 0.9


def test_given_mask_is_the_result_and_pushes_others_out():
    frame, masks = draw((128, 224), {1: (20, 20, 60, 60)})
    tracker = color_tracker()
    tracker.add_objects(frame, masks)
    other = np.zeros((128, 224), bool)
    other[40:80, 40:80] = True
    tracked = tracker.step(frame, {2: other})
    np.testing.assert_array_equal(tracked.label_map == 2, other)
    np.testing.assert_array_equal(tracked.label_map == 1, masks[1] & ~other)
    assert (tracked.probabilities[1][other] == 0).all()
    tracker.step(frame)
    fed_back = tracker.network.seen_masks[-1][0, 0]
    assert fed_back[50, 50] < 0.01
    assert fed_back[30, 30] > 0.9


def test_given_mask_is_the_result_to_the_pixel():
    frames, _ = moving((97, 131))
    speckles = np.random.default_rng(0).random((97, 131)) < 0.4
    for aggregation in ("soft", "argmax"):
        tracked = color_tracker(aggregation=aggregation).add_objects(frames[0], {3: speckles})
        np.testing.assert_array_equal(tracked.label_map, np.where(speckles, 3, 0))


@pytest.mark.parametrize("ids", [(1, 2), (2, 1)])
def test_small_mask_is_seen_on_a_large_one_in_whatever_order(ids):
    frame, masks = draw((128, 224), {1: (20, 20, 100, 100), 2: (40, 40, 60, 60)})
    shirt, person = masks[2], masks[1] | masks[2]
    tracked = color_tracker().add_objects(frame, dict(zip(ids, (shirt, person), strict=True)))
    np.testing.assert_array_equal(tracked.label_map == ids[0], shirt)
    np.testing.assert_array_equal(tracked.label_map == ids[1], person & ~shirt)


def test_each_object_goes_on_from_its_own_mask_not_from_its_share():
    frame, masks = draw((128, 224), {1: (20, 20, 60, 60)})
    for aggregation in ("soft", "argmax"):
        tracker = color_tracker(aggregation=aggregation)
        tracker.add_objects(frame, {1: masks[1], 2: masks[1]})
        tracker.step(frame)
        tracker.step(frame)
        assert tracker.network.seen_masks[-1].shape == (2, 1, 128, 224)
        assert tracker.network.seen_masks[-1][:, 0, 40, 40].tolist() == pytest.approx([1.0] * 2, abs=0.01)


@pytest.mark.parametrize("aggregation", ["soft", "argmax"])
def test_chunks_equal_one_batch(aggregation):
    torch.manual_seed(0)
    network = build_network("hs2s-lite")
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 60, 90, 3), np.uint8)
    masks = {}
    for object_id in range(1, 9):
        masks[object_id] = np.zeros((60, 90), bool)
        masks[object_id][6 * object_id : 6 * object_id + 5, 10 : 10 * object_id + 8] = True
    results = []
    for chunk_size in (3, 16):
        options = {"size": (64, 96), "device": "cpu", "precision": "float32"}
        tracker = Tracker(network, chunk_size=chunk_size, aggregation=aggregation, **options)
        tracker.add_objects(frames[0], masks)
        tracker.step(frames[1], {4: masks[5], 9: masks[1]})
        results.append(tracker.step(frames[2]))
    one, other = results
    assert list(one.confidence) == list(range(1, 10))
    for object_id in one.confidence:
        np.testing.assert_allclose(one.probabilities[object_id], other.probabilities[object_id], atol=1e-4)


def test_many_ids_give_a_16_bit_label_map():
    frame, masks = draw((120, 214), {1: (10, 10, 40, 60), 300: (50, 20, 100, 90)})
    tracker = color_tracker()
    assert tracker.add_objects(frame, masks).label_map.dtype == np.uint16
    tracked = tracker.step(frame)
    assert tracked.label_map.dtype == np.uint16
    assert iou(tracked.label_map == 300, masks[300]) > 0.9


def test_probabilities_agree_with_the_label_map():
    frames, truth = moving()
    tracker = color_tracker()
    tracker.add_objects(frames[3], truth[3])
    tracked = tracker.step(frames[4])
    assert list(tracked.probabilities) == [1, 2]
    maps = np.stack([tracked.probabilities[1], tracked.probabilities[2]])
    assert maps.dtype == np.float32
    assert maps.shape == (2, 120, 214)
    assert maps.min() >= 0
    assert maps.sum(0).max() <= 1.0001
    background = 1 - maps.sum(0)
    expected = np.concatenate([background[None], maps]).argmax(0)
    assert (expected != tracked.label_map).mean() < 0.001
    with pytest.raises(KeyError):
        tracked.probabilities[7]


def test_confidence_is_high_in_view_and_zero_when_absent():
    frames, truth = moving()
    tracker = color_tracker()
    tracked = tracker.add_objects(frames[6], truth[6])
    assert tracked.confidence == {1: 1.0, 2: 1.0}
    tracked = tracker.step(frames[7])  # 2 has left
    assert 0.9 < tracked.confidence[1] <= 1
    assert tracked.confidence[2] == 0
    assert not (tracked.label_map == 2).any()


def test_state_does_not_grow():
    frames, truth = moving()
    tracker = Tracker(build_network("hs2s-lite"), size=(64, 96), device="cpu")
    tracker.add_objects(frames[0], truth[0])

    def held():
        tensors, todo = 0, [tracker._batch]
        while todo:
            item = todo.pop()
            if isinstance(item, torch.Tensor):
                tensors += item.numel()
            elif isinstance(item, (list, tuple)):
                todo.extend(item)
            elif isinstance(item, dict):
                todo.extend(item.values())
            elif hasattr(item, "__dict__"):
                todo.extend(vars(item).values())
        return tensors

    sizes = []
    for t in range(6):
        tracker.step(frames[t])
        sizes.append(held())
    assert len(set(sizes)) == 1
