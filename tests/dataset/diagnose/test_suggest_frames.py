from __future__ import annotations

import cv2
import fiftyone as fo
import pytest
from fiftyone_kit import T, color_model, picture, prompts

from fiftyone_hs2s import propagate, suggest_frames
from fiftyone_hs2s.dataset.diagnose.suggest_frames import NEXT_FRAME_TAG

LOST = 8
"""From this frame on square 0 has no mask."""


@pytest.fixture
def tracked(dataset, sample):
    propagate(dataset, color_model(), prompt_field="gt", label_field="pred", skip_failures=False)
    sample.reload()
    for number in range(4, T + 1):
        labels = sample.frames[number].pred
        kept = [d for d in labels.detections if d.index == 1 or number < LOST]
        for d in kept:
            d.confidence = 1.0
        labels.detections = kept
    sample.save()
    return sample


def test_the_frame_is_written_and_tagged(dataset, tracked):
    found = suggest_frames(dataset, "frames.pred", tag=True)
    (row,) = found.frames
    assert row["sample_id"] == tracked.id and row["object"] == "square 0"
    assert row["frame"] >= LOST and row["reason"] == "square 0 has no mask around it"
    dataset.reload()
    tracked = dataset[tracked.id]
    (label,) = tracked.pred_next_frame.detections
    assert label.support == [row["frame"]] * 2 and label.relief == row["relief"]
    assert NEXT_FRAME_TAG in tracked.tags
    assert found.to_dataframe().frame.tolist() == [row["frame"]]
    assert str(found) == "frames of 1 samples proposed"


def test_a_correction_there_moves_it_on(dataset, tracked):
    first = suggest_frames(tracked, "pred").frames[0]
    (mask,) = prompts(first["frame"], [0]).detections
    mask["keyframe"] = True
    tracked.reload()
    tracked.frames[first["frame"]].pred.detections.append(mask)
    tracked.save()
    again = suggest_frames(dataset, "pred").frames
    assert not again or again[0]["relief"] < first["relief"]


def test_tracking_back_finds_what_confidence_does_not(dataset, tracked):
    for number in range(4, T + 1):
        labels = tracked.frames[number].pred
        labels.detections = [d for d in labels.detections if d.index == 1]
        if number > 9:  # a mask of something else
            (wrong,) = prompts(2, [0]).detections
            wrong.index, wrong.label, wrong.confidence = 1, "square 1", 1.0
            labels.detections = [wrong]
    tracked.save()
    (row,) = suggest_frames(dataset, "pred", track_back=color_model()).frames
    assert row["reason"] == "tracking square 1 back gives other masks around it"


def test_nothing_in_doubt_is_said(dataset, sample, capsys):
    sample.frames[4]["pred"] = prompts(4)
    sample.save()
    found = suggest_frames(dataset, "pred", tag=True)
    found.print()
    assert "no frame is in doubt" in capsys.readouterr().out
    sample.reload()
    assert sample.pred_next_frame is None and NEXT_FRAME_TAG not in sample.tags


def test_of_a_group_of_images_the_image_is_proposed(dataset, tmp_path):
    for number in (*range(T, 0, -1), *range(T + 1, 2 * T + 1)):
        place, indices = (number - 1) % T + 1, [1] if LOST <= number <= T else [0, 1]
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), picture(place))
        masks = prompts(place, indices)
        for mask in masks.detections:
            mask.confidence = 1.0
        scene = "lost" if number <= T else "right"
        dataset.add_sample(fo.Sample(filepath=str(path), scene=scene, place=place, pred=masks))
    groups = dataset.group_by("scene", order_by="place")
    for _ in range(2):  # what was proposed before is replaced
        (row,) = suggest_frames(groups, "pred", tag=True).frames
    dataset.reload()
    image = dataset[row["sample_id"]]
    assert (image.scene, image.place) == ("lost", row["frame"]) and row["frame"] >= LOST
    assert row["object"] == "square 0" == image.pred_next_frame.object
    assert dataset.match_tags(NEXT_FRAME_TAG).values("id") == [image.id]
    assert dataset.count("pred_next_frame") == 1
