"""Propagation from boxes, polygons, points and semantic masks, in all forms of sequences."""

from __future__ import annotations

import fiftyone as fo
import fiftyone.utils.labels as foul
import numpy as np
import pytest
from fiftyone_kit import COLORS, H, T, W, assert_right, color_model, found, picture, prompts, truth
from PIL import Image
from propagate_kit import ByColor

from fiftyone_hs2s import HS2SError, evaluate_propagation, propagate
from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.dataset.objects import is_prompt
from fiftyone_hs2s.dataset.propagate.plan import plan
from fiftyone_hs2s.hints import Hint
from fiftyone_hs2s.mask_makers import get_mask_maker


@pytest.fixture(scope="module")
def model():
    return color_model(mask_maker=ByColor())


def boxes(number):
    detections = prompts(number).detections
    return fo.Detections(
        detections=[
            fo.Detection(label=d.label, index=d.index, bounding_box=d.bounding_box) for d in detections
        ]
    )


def polylines(number):
    return fo.Polylines(
        polylines=[
            fo.Polyline(label=d.label, index=d.index, points=[corners(d.bounding_box)], closed=True)
            for d in boxes(number).detections
        ]
    )


def corners(box):
    left, top, width, height = box
    return [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]


def points(number):
    centers = [
        (d.label, d.index, np.mean(corners(d.bounding_box), 0).tolist()) for d in boxes(number).detections
    ]
    return fo.Keypoints(
        keypoints=[fo.Keypoint(label=label, index=i, points=[at]) for label, i, at in centers]
    )


def segmentation(number):
    return fo.Segmentation(
        mask=sum((index + 1) * mask.astype(np.uint8) for index, mask in truth(number).items())
    )


KINDS = {"boxes": boxes, "polylines": polylines, "points": points, "segmentation": segmentation}
MADE = {"boxes": "; 2 masks made (box by by-color)", "points": "; 2 masks made (points by by-color)"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("direction", "number"), [("forward", 1), ("backward", T)])
def test_every_kind_of_label_starts_objects(dataset, video, model, kind, direction, number):
    sample = fo.Sample(filepath=str(video))
    sample.frames[number] = fo.Frame(**{kind: KINDS[kind](number)})
    dataset.add_sample(sample)
    report = propagate(
        dataset, model, prompt_field=kind, label_field="pred", direction=direction, skip_failures=False
    )
    assert str(report) == "1 tracked" + MADE.get(kind, "")
    sample.reload()
    shift = 1 if kind == "segmentation" else 0  # there 0 is the background
    results = {n: {i - shift: mask for i, mask in masks.items()} for n, masks in found(sample).items()}
    assert_right(results, range(1, T + 1))
    origin = {"prompt": "points" if kind == "points" else "box", "mask_maker": "by-color"}
    for label in sample.frames[number].pred.detections:
        assert is_prompt(label)
        assert (
            origin.items() <= label.propagation.items() if kind in MADE else "prompt" not in label.propagation
        )
    assert not is_prompt(sample.frames[2 if number == 1 else T - 1].pred.detections[0])


def test_several_fields_and_the_first_box_of_each_object(dataset, video, model):
    sample = fo.Sample(filepath=str(video))
    for number in range(3, T + 1):
        found_boxes = boxes(number)
        found_boxes.detections = found_boxes.detections[:1]
        sample.frames[number] = fo.Frame(boxes=found_boxes)
    drawn = points(5)
    drawn.keypoints = drawn.keypoints[1:]
    sample.frames[5]["points"] = drawn
    dataset.add_sample(sample)
    propagate(
        dataset, model, prompt_field=["frames.boxes", "points"], label_field="pred", skip_failures=False
    )
    sample.reload()
    results = found(sample)
    assert_right({n: results[n] for n in (3, 4)}, (3, 4), (0,))
    assert_right({n: results[n] for n in range(5, T + 1)}, range(5, T + 1))
    given = {
        n: [d.index for d in f.pred.detections if is_prompt(d)] for n, f in sample.frames.items() if f.pred
    }
    assert {n: ids for n, ids in given.items() if ids} == {3: [0], 5: [1]}


def one_of_two(number):
    """One object in a field of masks, the other in a field of points."""
    masks, drawn = prompts(number), points(number)
    masks.detections, drawn.keypoints = masks.detections[:1], drawn.keypoints[1:]
    return {"masks": masks, "points": drawn}


def test_several_fields_of_clips(dataset, video, model):
    sample = fo.Sample(filepath=str(video))
    sample.frames[3] = fo.Frame(**one_of_two(3))
    dataset.add_sample(sample)
    clips = dataset.to_clips([[(3, 8)]])
    propagate(clips, model, prompt_field=["masks", "points"], label_field="pred", skip_failures=False)
    sample.reload()
    assert_right(found(sample), range(3, 9))


def test_several_fields_of_image_groups(tmp_path, dataset, model):
    for number in range(T, 0, -1):
        path = tmp_path / f"{number:03d}.png"
        Image.fromarray(picture(number)).save(path)
        fields = one_of_two(2) if number == 2 else {}
        dataset.add_sample(fo.Sample(str(path), scene="x", place=number, **fields))
    groups = dataset.group_by("scene", order_by="place")
    propagate(groups, model, prompt_field=["masks", "points"], label_field="pred", skip_failures=False)
    results = {
        sample.place: {d.index: detection_mask(d, (H, W)) for d in sample.pred.detections}
        for sample in dataset.exists("pred")
    }
    assert_right(results, range(2, T + 1))


def test_boxes_that_the_app_copies_to_later_frames_of_a_drawn_track_are_no_prompts(dataset, video, model):
    instance = fo.Instance()
    sample = fo.Sample(filepath=str(video))
    (drawn, _) = prompts(1).detections
    sample.frames[1] = fo.Frame(gt=fo.Detections(detections=[drawn]))
    drawn.instance, drawn.index = instance, None
    for number in (2, 3):
        copied = fo.Detection(label=drawn.label, bounding_box=drawn.bounding_box, instance=instance)
        sample.frames[number] = fo.Frame(gt=fo.Detections(detections=[copied]))
    dataset.add_sample(sample)
    report = propagate(
        dataset, model, prompt_field="gt", label_field="pred", prompt_frames="all", skip_failures=False
    )
    assert str(report) == "1 tracked; 2 boxes without masks ignored"


def test_without_a_mask_maker_boxes_are_ignored_and_it_is_said(dataset, video):
    sample = fo.Sample(filepath=str(video))
    sample.frames[1] = fo.Frame(boxes=boxes(1))
    dataset.add_sample(sample)
    with pytest.raises(HS2SError, match="only boxes or points: choose a mask maker"):
        propagate(dataset, color_model(), prompt_field="boxes", label_field="pred", skip_failures=False)
    assert plan(dataset, "boxes", "pred", boxes=False).unmasked == 1
    assert plan(dataset, "boxes", "pred").unmasked == 0


def test_apply_model_takes_them_too(dataset, video, model):
    sample = fo.Sample(filepath=str(video))
    sample.frames[1] = fo.Frame(boxes=boxes(1))
    dataset.add_sample(sample)
    dataset.apply_model(model, label_field="applied", prompt_field="frames.boxes", skip_failures=False)
    sample.reload()
    assert_right(found(sample, "applied"), range(1, T + 1))


def test_a_dataset_like_mose(tmp_path, dataset, model):
    """Images of sequences with semantic masks on disk, as ``voxel51/mose-v2`` is loaded."""
    samples = []
    for sequence in ("one", "two"):
        for number in range(1, T + 1):
            path = tmp_path / f"{sequence}_{number:03d}.png"
            Image.fromarray(picture(number)).save(path)
            mask = tmp_path / f"{sequence}_{number:03d}_mask.png"
            values = sum((index + 1) * each.astype(np.uint8) for index, each in truth(number).items())
            Image.fromarray(values).save(mask)
            sample = fo.Sample(str(path), sequence_id=sequence, frame_number=number)
            sample["ground_truth"] = fo.Segmentation(mask_path=str(mask))
            samples.append(sample)
    dataset.add_samples(samples, progress=False)
    groups = dataset.group_by("sequence_id", order_by="frame_number")
    report = propagate(groups, model, prompt_field="ground_truth", label_field="pred", skip_failures=False)
    assert len(report.complete) == 2
    for sample in dataset:
        masks = {d.index - 1: d for d in sample.pred.detections}
        assert sorted(masks) == sorted(COLORS)
    with pytest.raises(
        HS2SError, match=r"segmentations_to_detections\(dataset, 'ground_truth', 'ground_truth_masks'\)"
    ):
        evaluate_propagation(groups, "pred", "ground_truth")
    foul.segmentations_to_detections(dataset, "ground_truth", "ground_truth_masks", progress=False)
    results = evaluate_propagation(groups, "pred", "ground_truth_masks", "eval")
    assert results.JF > 0.9 and len(results.objects) == 4 and not results.problems
    assert min(dataset.exists("eval_JF").values("eval_JF")) > 0.8


def test_the_built_in_maker_finds_the_squares():
    frame = picture(4)
    for index, mask in truth(4).items():
        left, top, w, h = boxes(4).detections[index].bounding_box
        box = (left * W, top * H, (left + w) * W, (top + h) * H)
        (made,) = get_mask_maker("hs2s-mask")(frame, [Hint(box)])
        assert (made & mask).sum() / (made | mask).sum() > 0.7
