from __future__ import annotations

import re
from functools import partial

import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import color_model, detection, write_video
from hypothesis import given, settings
from hypothesis import strategies as st

from fiftyone_hs2s import HS2SError, evaluate_propagation, propagate
from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.dataset.objects import Identity, label_map_to_detections, read_objects, render
from fiftyone_hs2s.dataset.propagate.prompt_readers import read_detections
from fiftyone_hs2s.dataset.propagate.prompts import collect_prompts
from fiftyone_hs2s.dataset.train.training_data import _label_map, read_videos
from fiftyone_hs2s.demo.dataset import read_label_maps
from fiftyone_hs2s.tracking import open_frames
from fiftyone_hs2s.training.data.annotated_video import open_video

H, W = 48, 64


@st.composite
def label_maps(draw):
    height, width = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    coarse = rng.integers(0, 4, (draw(st.integers(1, 6)), draw(st.integers(1, 6))), np.uint8)
    rows = np.arange(height) * coarse.shape[0] // height
    columns = np.arange(width) * coarse.shape[1] // width
    return coarse[rows[:, None], columns]


@settings(max_examples=150, deadline=None)
@given(label_maps())
def test_label_map_survives_the_way_to_detections_and_back(label_map):
    detections = label_map_to_detections(label_map, {i: Identity("thing", i) for i in range(4) if i})
    again = np.zeros_like(label_map)
    for found in detections.detections:
        again[detection_mask(found, label_map.shape)] = found.index
    np.testing.assert_array_equal(again, label_map)


def test_identity_is_instance_then_index_then_label():
    instance = fo.Instance()
    everything = Identity.of(fo.Detection(label="a", index=3, instance=instance))
    assert everything.key() == ("instance", str(instance.id))
    assert everything.key("index") == ("index", 3)
    assert everything.key("label") == ("label", "a")
    assert Identity.of(fo.Detection(label="a", index=0)).key() == ("index", 0)
    assert Identity.of(fo.Detection(label="a")).key("index") == ("label", "a")


def test_identity_and_confidence_are_set_and_ids_are_new():
    instance = fo.Instance()
    prompt = fo.Detection(label="dog", index=0, instance=instance)
    label_map = np.zeros((H, W), np.uint8)
    label_map[4:8, 4:9] = 1
    (found,) = label_map_to_detections(
        label_map, {1: Identity.of(prompt), 2: Identity("gone")}, {1: 0.75}
    ).detections
    assert (found.label, found.index, found.instance_id, found.confidence) == ("dog", 0, instance.id, 0.75)
    assert found.id != prompt.id
    (plain,) = label_map_to_detections(label_map, {1: Identity("dog")}).detections
    assert plain.index is plain.instance_id is plain.confidence is None


def square(left: int, **attributes) -> fo.Detection:
    return fo.Detection(bounding_box=[left / W, 0, 4 / W, 4 / H], mask=np.ones((4, 4), bool), **attributes)


def test_parts_of_one_object_are_united():
    objects = read_objects(
        fo.Detections(detections=[square(0, index=5, label="a"), square(8, index=5, label="a")]), (H, W)
    )
    assert objects.keys() == {("index", 5)}
    assert objects["index", 5].mask.sum() == 32


def test_detections_with_nothing_but_a_label_are_several_objects():
    detections = [square(0, label="a"), square(8, label="b"), square(16, label="a"), square(24, label="a")]
    objects = read_objects(fo.Detections(detections=detections), (H, W))
    assert list(objects) == [("label", "a"), ("label", "b"), ("label", "a", 2), ("label", "a", 3)]


def test_index_of_two_labels_is_refused():
    with pytest.raises(HS2SError, match="index 5 is both 'a' and 'b'"):
        read_objects(
            fo.Detections(detections=[square(0, index=5, label="a"), square(8, index=5, label="b")]), (H, W)
        )


def nested(number: int, first: str) -> fo.Detections:
    """A shirt and its wearer, who is drawn as a whole, in either order."""
    wearer, shirt = np.zeros((2, H, W), bool)
    wearer[4:40, number : number + 20] = True
    shirt[12:24, number + 2 : number + 16] = True
    found = [detection(wearer, label="wearer", index=1), detection(shirt, label="shirt", index=2)]
    return fo.Detections(detections=found if first == "wearer" else found[::-1])


@pytest.mark.parametrize("first", ["shirt", "wearer"])
def test_the_smaller_of_two_masks_is_on_top(first):
    expected = np.zeros((H, W), np.uint8)
    expected[4:40, 1:21], expected[12:24, 3:17] = 1, 2
    drawn = render(nested(1, first), (H, W), lambda key: key[1])
    np.testing.assert_array_equal(drawn.label_map, expected)
    assert {number: [d.label for d in found] for number, found in drawn.detections.items()} == {
        1: ["wearer"],
        2: ["shirt"],
    }


def test_of_two_equal_masks_the_later_one_is_on_top():
    twice = fo.Detections(detections=[square(0, index=2, label="a"), square(0, index=1, label="b")])
    assert render(twice, (H, W), lambda key: key[1]).label_map.max() == 1


def test_a_field_that_is_not_set_is_no_empty_frame():
    assert render(None, (H, W), lambda key: 1).label_map is None
    assert not render(fo.Detections(), (H, W), lambda key: 1).label_map.any()


@pytest.mark.parametrize("first", ["shirt", "wearer"])
def test_one_rule_for_overlap_in_prompts_scores_training_and_the_demo(dataset, tmp_path, first):
    """Tracked from overlapping masks, scored against such, learned from them, shown: always the same label
    map."""
    expected = render(nested(1, first), (H, W), lambda key: key[1]).label_map
    sample = fo.Sample(
        filepath=str(write_video(tmp_path / "nested.mp4", [np.zeros((H, W, 3), np.uint8)] * 3))
    )
    for number in range(1, 4):
        sample.frames[number] = fo.Frame(gt=nested(number, first))
    dataset.add_sample(sample)

    propagate(
        dataset, color_model(prompt_frames="all"), prompt_field="gt", label_field="pred", skip_failures=False
    )
    sample.reload()
    tracked = {d.index: detection_mask(d, (H, W)) for d in sample.frames[1].pred.detections}
    for index, mask in tracked.items():
        np.testing.assert_array_equal(mask, expected == index)

    scores = evaluate_propagation(dataset, "pred", "gt", protocol="all")
    assert [row["J"] for row in scores.objects] == [1, 1]

    (stored,) = read_videos(dataset, "gt")
    learned, order = next(open_video(stored).truth())[1], {"wearer": [1, 2], "shirt": [2, 1]}[first]
    np.testing.assert_array_equal(np.array([0, *order], np.uint8)[learned], expected)

    np.testing.assert_array_equal(next(read_label_maps(sample, "gt", (H, W))), expected)


NUMBERS = st.one_of(st.floats(-1, 2), st.sampled_from([0.0, 1.0, 1e9, -1e9, 1e-9, np.nan, np.inf]))
BOXES = st.one_of(st.lists(NUMBERS, min_size=4, max_size=4), st.lists(NUMBERS, max_size=6), st.none())
TYPES = ["?", "u1", "i1", "u2", "i8", "f2", "f8", "c16", "M8[s]", "m8[ms]", "U2", "S1", "V2", "i4,f4"]


@st.composite
def odd_detections(draw):
    shape = draw(st.lists(st.integers(0, 12), min_size=0, max_size=3))
    size = int(np.prod(shape))
    values = draw(st.binary(min_size=size, max_size=size))
    try:
        mask = np.frombuffer(values, "u1").reshape(shape).astype(draw(st.sampled_from(TYPES)))
    except (TypeError, ValueError):  # no such values of that type
        mask = np.ones(shape, bool)
    names = {"index": draw(st.none() | st.integers(0, 2)), "label": draw(st.none() | st.sampled_from("ab"))}
    return fo.Detection(bounding_box=draw(BOXES), mask=draw(st.none() | st.just(mask)), **names)


@settings(max_examples=400, deadline=None)
@given(st.lists(odd_detections(), max_size=3), st.sampled_from([(1, 1), (H, W), (7, 90)]))
def test_odd_labels_are_drawn_or_refused_in_a_sentence(detections, size):
    """Whatever FiftyOne can store: nothing but our own error, and the same labels for scores, training and
    prompts."""
    found, numbers = fo.Detections(detections=detections), {}
    try:
        drawn = render(found, size, lambda key: numbers.setdefault(key, len(numbers) + 1))
    except HS2SError as error:
        assert re.search(r"^(its (mask|bounding box) .*:|(index|instance) .* is both .*:) .+", str(error))
        for other in (lambda: _label_map(found, size, {}), lambda: collect(found, size)):
            with pytest.raises(HS2SError):
                other()
        return
    assert drawn.label_map.shape == size
    assert {*np.unique(drawn.label_map)} <= {0, *drawn.detections}
    try:
        learned = _label_map(found, size, {})
        np.testing.assert_array_equal(learned[drawn.label_map > 0], drawn.label_map[drawn.label_map > 0])
    except HS2SError as error:  # of a box without a mask, which only training looks at
        assert str(error).startswith("its bounding box")
    if numbers:
        assert collect(found, size).identities.keys() == {*numbers.values()}


def collect(detections, size):
    """The prompts of one frame."""
    frames = open_frames([np.zeros((*size, 3), np.uint8)])
    read = partial(read_detections, size=size, targets={})
    return collect_prompts([(0, detections)], read, lambda index: detections, frames)
