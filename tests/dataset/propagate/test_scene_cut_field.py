"""Scene cuts of two joined clips, from propagation to the events."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import H, W, found, picture, prompts, write_video
from propagate_kit import run

from fiftyone_hs2s import find_failures, repropagate

CUT = 7
"""The frame that begins the other clip."""


@pytest.fixture(scope="module")
def joined_video(tmp_path_factory):
    """Six frames of the squares, six of something else."""
    other = np.full((H, W, 3), (230, 220, 40), np.uint8)
    frames = [picture(number) for number in range(1, CUT)] + [other] * 6
    return write_video(tmp_path_factory.mktemp("joined") / "joined.mp4", frames)


@pytest.fixture
def joined(dataset, joined_video):
    sample = fo.Sample(filepath=str(joined_video))
    sample.frames[1]["gt"] = prompts(1)
    dataset.add_sample(sample)
    return sample


def cuts_of(sample):
    sample.reload()
    return sample["pred_scene_cuts"]


def test_a_cut_is_noted_and_is_an_event(dataset, joined, model):
    run(dataset, model, scene_cuts="stop")
    assert cuts_of(joined) == [CUT]
    assert [number for number, masks in found(joined).items() if masks] == list(range(1, CUT))
    report = find_failures(dataset, "pred", tag=True)
    (row,) = [row for row in report.events if row["kind"] == "scene cut"]
    assert (row["first"], row["last"], row["object"]) == (CUT, CUT, "all objects")
    assert row["explanation"] == "another scene begins"
    dataset.reload()
    joined = dataset[joined.id]
    assert "hs2s: scene cut" not in joined.tags
    assert (
        "scene cut: all objects"
        in joined.pred_events.detections[0].label + joined.pred_events.detections[1].label
    )


def test_cuts_are_noted_where_tracking_goes_on(dataset, joined, model):
    run(dataset, model)
    assert cuts_of(joined) == [CUT]


def test_clips_note_their_own(dataset, joined, model):
    run(dataset, model)
    joined["part"] = fo.TemporalDetections(detections=[fo.TemporalDetection(label="x", support=[1, 4])])
    joined.save()
    dataset.reload()
    clips = dataset.to_clips("part")
    run(clips, model, overwrite=True)
    assert cuts_of(joined) == [CUT]
    assert not [row for row in find_failures(clips, "pred").events if row["kind"] == "scene cut"]


def test_videos_without_cuts_get_no_field(dataset, sample, model):
    run(dataset, model)
    assert not dataset.has_sample_field("pred_scene_cuts")


def test_corrections_end_at_a_cut_too(dataset, joined, model):
    run(dataset, model, scene_cuts="stop")
    joined.reload()
    label = joined.frames[3].pred.detections[0]
    label["keyframe"] = True
    joined.save()
    model.scene_cuts = "stop"
    try:
        repropagate(dataset, "pred", model, skip_failures=False)
    finally:
        model.scene_cuts = "ignore"
    joined.reload()
    assert [number for number, masks in found(joined).items() if masks] == list(range(1, CUT))
