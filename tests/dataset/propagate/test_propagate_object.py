"""Objects of one frame, propagated within their field."""

from __future__ import annotations

import fiftyone as fo
import pytest
from fiftyone_kit import T, assert_right, color_model, detection, found, prompts, truth
from propagate_kit import ByColor

from fiftyone_hs2s import HS2SError, propagate_object
from fiftyone_hs2s.dataset.objects import is_prompt


@pytest.fixture(scope="module")
def model():
    return color_model(mask_maker=ByColor())


def frames_with(sample, index):
    sample.reload()
    return [n for n, masks in found(sample, "gt").items() if index in masks]


def labels_of(sample, number):
    sample.reload()
    return {d.index: d for d in sample.frames[number].gt.detections}


def test_all_objects_of_a_frame_go_to_the_end(sample, model):
    report = propagate_object(sample, "frames.gt", 4, model=model)
    assert report.frames == T - 4 and len(report.complete) == 1
    sample.reload()
    assert_right(found(sample, "gt"), range(4, T + 1))
    given = labels_of(sample, 4)
    for label in labels_of(sample, 9).values():
        assert label["propagation"]["parent_keyframes"] == [given[label.index].id]


@pytest.mark.parametrize("name", ["id", "index", "name"])
def test_the_object_that_is_named_alone(sample, model, name):
    label = labels_of(sample, 4)[1]
    objects = {"id": label.id, "index": 1, "name": ["square 1 1"]}[name]
    propagate_object(sample, "gt", 4, objects, model, direction="backward")
    assert frames_with(sample, 1) == [1, 2, 3, 4]
    assert frames_with(sample, 0) == [4]


def test_both_ways_within_a_range(sample, model):
    propagate_object(sample, "gt", 4, 0, model, direction="both", span=(2, 6))
    assert frames_with(sample, 0) == [2, 3, 4, 5, 6]


def test_to_the_next_keyframe_from_both_sides(sample, model, steps):
    sample.frames[9]["gt"] = fo.Detections(detections=[detection(truth(9)[0], label="square 0", index=0)])
    sample.save()
    propagate_object(sample, "gt", 4, 0, model, until="keyframe")
    assert frames_with(sample, 0) == list(range(4, 10))
    assert len(steps) == 2 * 5  # each end, and the four frames between
    parents = labels_of(sample, 6)[0]["propagation"]["parent_keyframes"]
    assert parents == [labels_of(sample, 4)[0].id, labels_of(sample, 9)[0].id]
    propagate_object(sample, "gt", 4, 0, model)
    assert frames_with(sample, 0) == list(range(4, T + 1))


def test_a_result_becomes_a_keyframe_and_a_person_s_label_stays(sample, model):
    propagate_object(sample, "gt", 4, model=model)
    drawn = labels_of(sample, 10)[0]
    drawn["keyframe"] = True
    sample.save()
    kept = labels_of(sample, 10)[0].to_dict()
    propagate_object(sample, "gt", 7, 0, model)
    labels = labels_of(sample, 7)
    assert is_prompt(labels[0]) and not is_prompt(labels[1])
    assert labels_of(sample, 10)[0].to_dict() == kept
    assert labels_of(sample, 9)[0]["propagation"]["parent_keyframes"] == [labels[0].id, kept["_id"].__str__()]


def test_a_box_gets_its_mask_first(sample, model):
    label = labels_of(sample, 4)[0]
    label.mask = None
    sample.save()
    report = propagate_object(sample, "gt", 4, label.id, model)
    assert str(report) == "1 tracked; 1 mask made (box by by-color)"
    assert labels_of(sample, 4)[0].id == label.id
    assert labels_of(sample, 4)[0]["propagation"]["prompt"] == "box"
    assert frames_with(sample, 0) == list(range(4, T + 1))
    assert_right({8: {0: found(sample, "gt")[8][0]}}, [8], [0])


def test_boxes_of_an_object_that_has_a_mask_are_no_start_unless_chosen(sample, model):
    propagate_object(sample, "gt", 4, 1, model)
    (box,) = prompts(8, [0]).detections
    box.mask = None
    labels = sample.reload() or sample.frames[8].gt
    labels.detections = [*labels.detections, box]
    sample.save()
    propagate_object(sample, "gt", 8, None, model, span=(8, 9))
    assert not labels_of(sample, 8)[0].has_mask and is_prompt(labels_of(sample, 8)[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame": 6}, "frame 6 of the field 'gt' has no object"),
        ({"frame": 99}, "there is no frame 99: the video has 12"),
        (
            {"objects": "dog"},
            "none of the objects is on frame 4 of the field 'gt', which has square 0",
        ),
        ({"span": (5, 9)}, r"span=\(5, 9\) is not a range of frames with frame 4 in it"),
        ({"until": "never"}, "until='never' is unknown"),
        ({"direction": "up"}, "direction='up' is unknown"),
        ({"label_field": "pred"}, "pred"),
    ],
)
def test_what_cannot_be_is_refused(sample, model, options, message):
    with pytest.raises(HS2SError, match=message):
        propagate_object(sample, model=model, **{"label_field": "gt", "frame": 4, **options})


def test_several_samples_are_refused(dataset, sample, model, video):
    dataset.add_sample(fo.Sample(filepath=str(video)))
    with pytest.raises(HS2SError, match="takes one sample, and there are 2"):
        propagate_object(dataset, "gt", 4, model=model)


def test_a_box_needs_a_mask_maker(sample):
    label = labels_of(sample, 4)[0]
    label.mask = None
    sample.save()
    with pytest.raises(HS2SError, match="frame 4 has a box of square 0 0 and no mask: choose a mask maker"):
        propagate_object(sample, "gt", 4, 0, color_model())
