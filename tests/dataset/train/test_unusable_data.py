"""Samples that cannot be trained on: named, and left out where others can."""

from __future__ import annotations

import logging

import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import T, detection, picture, prompts, truth, write_video
from training_data_kit import CONFIG, dataset_sources, labeled, opened

from fiftyone_hs2s.dataset.train.training_data import _label_map, read_videos
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.training.data.videos import VideoClips


def test_broken_videos_are_named_counted_and_left_out(dataset, video, tmp_path, caplog):
    bad = tmp_path / "no_video.mp4"
    bad.write_bytes(b"not a video")
    unlabeled = fo.Sample(filepath=str(write_video(tmp_path / "unlabeled.mp4", [picture(1)] * 3)))
    missing = fo.Sample(filepath=str(tmp_path / "missing.mp4"))
    dataset.add_samples([labeled(bad), labeled(video), missing, unlabeled])
    with caplog.at_level(logging.WARNING):
        broken, good = read_videos(dataset, "gt")
    assert dataset.match(fo.ViewField("filepath") == str(video)).first().id in good.name
    messages = [record.getMessage() for record in caplog.records]
    assert "missing.mp4" in messages[0]
    assert "unlabeled.mp4" in messages[1] and "none of its frames has a mask in 'gt'" in messages[1]
    assert messages[2] == "2 samples of 4 are left out"
    caplog.clear()
    clips, rng = VideoClips([broken, good]), np.random.default_rng(0)
    with caplog.at_level(logging.WARNING):
        drawn = [clips.sample(rng, 2, (64, 96)) for _ in range(12)]
    assert sum(clip is not None for clip in drawn) > 6
    (message,) = (record.getMessage() for record in caplog.records)  # once
    assert "no_video.mp4" in message and "cannot be opened" in message


def test_a_video_that_breaks_off_is_named_and_left_out(dataset, video, broken_video, caplog):
    """All its masks lie beyond the break: training goes on with the others."""
    broken = fo.Sample(filepath=str(broken_video))
    for number in range(40, 60):
        broken.frames[number] = fo.Frame(gt=prompts(T))
    dataset.add_samples([broken, labeled(video)])
    with caplog.at_level(logging.WARNING):
        clips = VideoClips(read_videos(dataset, "gt"))
    rng = np.random.default_rng(0)
    drawn = [clips.sample(rng, 2, (64, 96)) for _ in range(12)]
    assert sum(clip is not None for clip in drawn) > 6
    message = caplog.records[0].getMessage()
    assert broken.id in message and "ends early, after" in message


def test_labels_beyond_the_video_s_end_are_said_and_left_out(dataset, video, caplog):
    sample = labeled(video, [3, T])
    sample.frames[T + 9] = fo.Frame(gt=prompts(1))
    dataset.add_sample(sample)
    for samples, indices in ((dataset, [2, T - 1]), (dataset.to_clips([[(4, T + 9)]]), [T - 4])):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            stored = opened(samples, "gt")
        beyond, last = stored.pictures([len(indices), len(indices) - 1])
        assert stored.indices == indices
        np.testing.assert_array_equal(beyond, last)  # what was planned before it was opened
        assert f"Masks after the last frame, {T}, of " in caplog.text and sample.id in caplog.text


def test_objects_that_only_share_a_label_are_refused(dataset, video, caplog):
    """Which is which on the next frame?"""
    sample = fo.Sample(filepath=str(video))
    for number in (2, 3):
        sample.frames[number]["gt"] = fo.Detections(
            detections=[detection(m, label="a") for m in truth(number).values()]
        )
    dataset.add_samples([sample, labeled(video)])
    with caplog.at_level(logging.WARNING):
        (stored,) = read_videos(dataset, "gt")
    assert sample.id not in stored.name
    assert (
        f"{sample.id} (squares.mp4): several detections of frame 2 have only the label 'a': set their"
        in caplog.text
    )


def test_objects_beyond_254_and_boxes_outside_the_picture(dataset):
    masks = np.eye(256, dtype=bool).reshape(256, 16, 16)
    found = fo.Detections(detections=[detection(mask, index=k) for k, mask in enumerate(masks)])
    label_map = _label_map(found, (16, 16), {})
    np.testing.assert_array_equal(label_map.ravel(), [*range(1, 256), 255])  # those beyond are void
    outside = fo.Detections(detections=[fo.Detection(bounding_box=[-0.6, -0.6, 0.3, 0.3])])
    assert not _label_map(outside, (16, 16), {}).any()
    with pytest.raises(HS2SError, match=r"its bounding box .* is not finite"):
        _label_map(fo.Detections(detections=[fo.Detection(bounding_box=[float("nan")] * 4)]), (16, 16), {})


def test_no_usable_clip(dataset, video, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"")
    dataset.add_sample(labeled(bad))
    ((clips, _),) = dataset_sources(CONFIG, dataset, "frames.gt")
    with pytest.raises(HS2SError, match="None of the videos can be read"):
        for _ in range(3):
            clips.sample(np.random.default_rng(0), 2, (64, 96))
    bad.unlink()
    with pytest.raises(HS2SError, match=r"No sample has a video that can be read and masks in 'frames.gt'"):
        dataset_sources(CONFIG, dataset, "frames.gt")
    dataset.clear()
    dataset.add_sample(labeled(video, [4]))
    with pytest.raises(
        HS2SError, match="No usable clip: it takes a video with at least two annotated frames"
    ):
        dataset_sources(CONFIG, dataset, "frames.gt")


def test_wrong_fields_are_named(dataset, sample):
    dataset.add_frame_field("note", fo.StringField)
    for field in ("frames.note", "ground_truth"):
        with pytest.raises(
            HS2SError, match=f"{dataset.name}' has no Detections field '{field}': choose one of gt"
        ):
            dataset_sources(CONFIG, dataset, field)
