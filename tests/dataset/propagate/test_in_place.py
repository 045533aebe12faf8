from __future__ import annotations

import fiftyone as fo
import pytest
from fiftyone_kit import T, assert_right, color_model, detection, found, prompts, truth
from propagate_kit import ByColor

from fiftyone_hs2s import delete_run, propagate, repropagate


@pytest.fixture(scope="module")
def model():
    return color_model()


@pytest.fixture(scope="module")
def boxes_model():
    return color_model(mask_maker=ByColor())


def run(samples, model, **options):
    fields = {"prompt_field": "frames.gt", "label_field": "gt"}
    return propagate(samples, model, **fields, skip_failures=False, **options)


def stored(sample, number):
    sample.reload()
    return [d.to_dict() for d in sample.frames[number].gt.detections]


def test_prompts_stay_and_the_rest_is_written_beside_them(dataset, sample, model):
    before = stored(sample, 4)
    assert str(run(dataset, model)) == "1 tracked"
    assert stored(sample, 4) == before
    assert_right(found(sample, "gt"), range(4, T + 1))
    ids = [d["_id"] for d in before]
    parents = [d["propagation"]["parent_keyframes"] for d in sample.frames[7].gt.detections]
    assert parents == [[str(i)] for i in ids]
    assert str(run(dataset, model)) == "1 finished before"
    assert str(repropagate(dataset, "gt", model)) == "1 finished before"


def test_another_run_replaces_what_the_first_one_made_alone(dataset, sample, model):
    run(dataset, model)
    sample.reload()
    drawn = detection(truth(9)[0], label="square 0", index=0)
    labels = sample.frames[9].gt
    labels.detections = [d for d in labels.detections if d.index != 0] + [drawn]
    sample.save()
    before = stored(sample, 4), [d for d in stored(sample, 9) if d["index"] == 0]
    assert str(run(dataset, model, overwrite=True, direction="backward", prompt_frames="all")) == "1 tracked"
    assert (stored(sample, 4), [d for d in stored(sample, 9) if d["index"] == 0]) == before
    results = found(sample, "gt")
    assert sorted(n for n, masks in results.items() if 0 in masks) == list(range(1, 10))
    assert sorted(n for n, masks in results.items() if 1 in masks) == list(range(1, 5))


def test_a_clip_writes_to_its_own_frames(dataset, sample, model):
    run(dataset, model)
    kept = stored(sample, 9)
    sample["part"] = fo.TemporalDetections(detections=[fo.TemporalDetection(label="x", support=[3, 6])])
    sample.save()
    run(dataset.to_clips("part"), model, overwrite=True, direction="both")
    assert stored(sample, 9) == kept
    assert_right(found(sample, "gt"), range(3, T + 1))


def test_labels_that_no_run_of_ours_made_are_kept(dataset, sample, model):
    sample.frames[6]["gt"] = fo.Detections(
        detections=[*prompts(6, [1]).detections, fo.Detection(label="box", bounding_box=[0, 0, 0.5, 0.5])]
    )
    sample.save()
    before = stored(sample, 6)
    run(dataset, model)
    after = stored(sample, 6)
    assert after[:2] == before
    assert [d["index"] for d in after[2:]] == [0]


def boxes_only(sample, numbers, **attributes):
    """Boxes of object 0 in place of all labels: what a detector or a person gives."""
    for number in range(1, T + 1):
        left, top, width, height = prompts(number, [0]).detections[0].bounding_box
        box = fo.Detection(label="square 0", bounding_box=[left, top, width, height], **attributes)
        sample.frames[number]["gt"] = fo.Detections(detections=[box]) if number in numbers else None
    sample.save()


def test_a_box_gets_its_mask_and_stays_the_label_that_it_was(dataset, sample, boxes_model):
    boxes_only(sample, [4], index=0, tags=["mine"])
    (before,) = stored(sample, 4)
    assert str(run(dataset, boxes_model)) == "1 tracked; 1 mask made (box by by-color)"
    (label,) = stored(sample, 4)
    assert label["_id"] == before["_id"] and label["tags"] == ["mine"] and label["keyframe"]
    assert label["propagation"]["prompt"] == "box"
    assert_right(found(sample, "gt"), range(4, T + 1), [0])
    assert sample.frames[7].gt.detections[0]["propagation"]["parent_keyframes"] == [str(before["_id"])]
    assert str(repropagate(dataset, "gt", boxes_model)) == "1 finished before"
    assert str(run(dataset, boxes_model, overwrite=True)) == "1 tracked"
    assert stored(sample, 4)[0]["_id"] == before["_id"]
    delete_run(dataset, "gt")
    assert stored(sample, 4)[0]["_id"] == before["_id"] and dataset.count("frames.gt.detections") == 1


def test_copies_of_a_drawn_box_give_way_and_other_boxes_stay(dataset, sample, boxes_model):
    boxes_only(sample, [4, 9], index=0)
    for number in (5, 6):
        sample.frames[number]["gt"] = sample.frames[4].gt.copy()
    sample.save()
    other = stored(sample, 9)
    run(dataset, boxes_model)
    assert [len(stored(sample, number)) for number in (4, 5, 6, 9)] == [1, 1, 1, 2]
    assert stored(sample, 9)[0] == other[0]


def test_boxes_with_nothing_but_a_label_get_an_instance(dataset, sample, boxes_model):
    boxes_only(sample, [4])
    second = prompts(4, [1]).detections[0]
    box = fo.Detection(label="square 0", bounding_box=second.bounding_box)
    sample.frames[4].gt.detections.insert(0, box)
    sample.save()
    before = [d["_id"] for d in stored(sample, 4)]
    run(dataset, boxes_model)
    assert [d["_id"] for d in stored(sample, 4)] == before
    labels = [sample.frames[number].gt.detections for number in (4, 7)]
    assert [d.has_mask for d in labels[0]] == [True, True]
    assert {d.instance_id for d in labels[0]} == {d.instance_id for d in labels[1]}
    assert [round(d.bounding_box[1], 2) for d in labels[0]] == [0.56, 0.12]
