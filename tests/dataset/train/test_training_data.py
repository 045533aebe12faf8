"""FiftyOne datasets as sources: what clips are made of, and what happens to samples that cannot be used."""

from __future__ import annotations

import dataclasses
import logging
import pickle

import cv2
import fiftyone as fo
import numpy as np
import pytest
from bson import ObjectId
from fiftyone_kit import COLORS, H, T, W, detection, picture, prompts, truth, write_video
from PIL import ExifTags, Image

from fiftyone_hs2s.dataset.train import training_data
from fiftyone_hs2s.dataset.train.material import read_material
from fiftyone_hs2s.dataset.train.training_data import StoredVideo, _label_map, read_pictures, read_videos
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.training.clip_sources import Weighted, mixed_sources
from fiftyone_hs2s.training.data.clip import read_image, read_mask
from fiftyone_hs2s.training.data.mix import MixedClips, draw_batches
from fiftyone_hs2s.training.data.pictures import PictureClips
from fiftyone_hs2s.training.data.videos import VideoClips
from fiftyone_hs2s.training.run_config import TrainingConfig

CONFIG = TrainingConfig.from_dict({"model": "hs2s-lite", "stages": [{"steps": 1}], "video_share": 0.25})


def dataset_sources(config: TrainingConfig, samples: fo.Dataset, field: str) -> list[Weighted]:
    videos, pictures = read_material(samples, field)
    return mixed_sources(config, videos, [pictures])


def labeled(video, numbers=range(1, T + 1), indices=(0, 1), **attributes) -> fo.Sample:
    """A sample with the true masks on some frames."""
    sample = fo.Sample(filepath=str(video))
    for number in numbers:
        sample.frames[number] = fo.Frame(gt=prompts(number, indices), **attributes)
    return sample


def assert_shows(frames: np.ndarray, label_map: np.ndarray, number: int, ids: dict[int, int]) -> None:
    """Asserts that a frame and a label map are those of this frame number, with these ids by object."""
    expected = np.zeros((H, W), np.uint8)
    for index, mask in truth(number).items():
        if index in ids:
            expected[mask] = ids[index]
    np.testing.assert_array_equal(label_map, expected)
    # Compressed, and blurred at the squares' edges.
    assert np.abs(frames.astype(int) - picture(number)).mean() < 6


def test_label_maps_and_frames_of_a_video(dataset, video):
    dataset.add_sample(labeled(video))
    (stored,) = read_videos(dataset, "frames.gt")
    assert len(stored) == T
    places = [7, 2, 2, 11]
    for place, frame, label_map in zip(places, stored.frames(places), stored.masks(places), strict=True):
        assert_shows(frame, label_map, place + 1, {0: 1, 1: 2})
    assert [index for index, _ in stored.truth()] == list(range(T))
    assert len(stored.open()) == T


def test_sparse_frames_are_those_that_are_labeled(dataset, video):
    sample = labeled(video, [3, 8, 12])
    sample.frames[5]["note"] = "a frame without the field"
    dataset.add_sample(sample)
    (stored,) = read_videos(dataset, "gt")
    assert stored.indices == [2, 7, 11]
    for number, frame, label_map in zip(
        (3, 8, 12), stored.frames(range(3)), stored.masks(range(3)), strict=True
    ):
        assert_shows(frame, label_map, number, {0: 1, 1: 2})


def test_only_the_frames_of_a_clip_are_decoded(dataset, video, monkeypatch):
    dataset.add_sample(labeled(video))
    (stored,) = read_videos(dataset, "gt")
    read = []
    monkeypatch.setattr(
        type(stored.open()), "__getitem__", lambda frames, index: read.append(index) or picture(1)
    )
    stored.frames([4, 9, 4])
    assert read == [4, 9]


def test_an_object_keeps_its_number_by_identity(dataset, video):
    """By instance before index before label, whatever the order of the detections on a frame."""
    red, blue = fo.Instance(), fo.Instance()
    sample = fo.Sample(filepath=str(video))
    for number in (1, 2, 3):
        masks = truth(number)
        both = [
            detection(masks[0], label="a", index=number, instance=red),
            detection(masks[1], label="a", index=10 - number, instance=blue),
        ]
        sample.frames[number]["gt"] = fo.Detections(detections=both if number != 2 else both[::-1])
    dataset.add_sample(sample)
    (stored,) = read_videos(dataset, "gt")
    for number, frame, label_map in zip(
        (1, 2, 3), stored.frames(range(3)), stored.masks(range(3)), strict=True
    ):
        assert_shows(frame, label_map, number, {0: 1, 1: 2})


def test_an_object_that_comes_later_gets_the_next_number(dataset, video):
    sample = labeled(video, [1, 2], indices=[1])
    sample.frames[3]["gt"] = prompts(3)
    dataset.add_sample(sample)
    (stored,) = read_videos(dataset, "gt")
    for number, frame, label_map in zip(
        (1, 2, 3), stored.frames(range(3)), stored.masks(range(3)), strict=True
    ):
        assert_shows(frame, label_map, number, {1: 1} if number < 3 else {0: 2, 1: 1})


def test_nothing_is_learned_from_boxes_without_masks(dataset, video):
    """Neither that the object is there nor that it is not; an empty box says that it is not."""
    sample = labeled(video, [1, 2, 3], indices=[0])
    box = [(W - 16 - 4) / W, 36 / H, 16 / W, 16 / H]
    sample.frames[2]["gt"].detections.append(fo.Detection(label="blue", index=1, bounding_box=box))
    sample.frames[3]["gt"].detections.append(fo.Detection(label="blue", index=1, bounding_box=[0, 0, 0, 0]))
    dataset.add_sample(sample)
    (stored,) = read_videos(dataset, "gt")
    first, second, third = stored.masks(range(3))
    assert set(np.unique(first)) == set(np.unique(third)) == {0, 1}
    np.testing.assert_array_equal(second == 255, truth(2)[1])
    np.testing.assert_array_equal(second == 1, truth(2)[0])


def test_clips_views_give_the_frames_of_the_clip(dataset, video):
    dataset.add_sample(labeled(video))
    clips = dataset.to_clips([[(3, 5), (8, 10)]])
    first, second = read_videos(clips, "frames.gt")
    assert len(first) == len(second) == 3
    for offset, stored in ((3, first), (8, second)):
        for place, (frame, label_map) in enumerate(
            zip(stored.frames(range(3)), stored.masks(range(3)), strict=True), offset
        ):
            assert_shows(frame, label_map, place, {0: 1, 1: 2})


def test_filters_of_a_view_hold(dataset, video):
    dataset.add_sample(labeled(video))
    (stored,) = read_videos(dataset.filter_labels("frames.gt", fo.ViewField("index") == 1), "gt")
    (frame,), (label_map,) = stored.frames([0]), stored.masks([0])
    assert_shows(frame, label_map, 1, {1: 1})


def test_ordered_groups_of_images_are_videos(dataset, tmp_path):
    for number in range(1, 5):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), cv2.cvtColor(picture(number), cv2.COLOR_RGB2BGR))
        dataset.add_sample(fo.Sample(filepath=str(path), sequence="a", at=number, gt=prompts(number)))
    (stored,) = read_videos(dataset.group_by("sequence", order_by="at"), "gt")
    assert len(stored) == 4
    for number, frame, label_map in zip((4, 2), stored.frames([3, 1]), stored.masks([3, 1]), strict=True):
        assert_shows(frame, label_map, number, {0: 1, 1: 2})


def test_clips_from_a_dataset_in_worker_processes(dataset, video):
    """What travels to a worker is small, and draws the same there as here."""
    dataset.add_sample(labeled(video))
    sources = dataset_sources(CONFIG, dataset, "frames.gt")
    assert len(pickle.dumps(sources)) < 20_000 < T * H * W * 3
    clips = MixedClips(sources, 3, (64, 96), seed=1)
    places = [[(0, k)] for k in range(4)]
    for (frames, masks), place in zip(draw_batches(clips, places, num_workers=1), range(4), strict=True):
        here = clips[0, place]
        assert (frames[0] == here[0]).all() and (masks[0] == here[1]).all()
        shown, mask = here[0].numpy().transpose(0, 2, 3, 1), here[1].numpy()[:, 0]
        color = shown[mask == 1].mean(0)
        nearest = min(np.abs(color - COLORS[index]).mean() for index in COLORS)
        assert nearest < 60 < np.abs(shown[mask == 0].mean(0) - color).mean()


def test_several_objects_of_a_dataset_are_tracked_together(dataset, video):
    """Its own and pasted ones: each keeps its color, and no two numbers show one place."""
    dataset.add_sample(labeled(video))
    config = dataclasses.replace(CONFIG, objects=3, copy_paste=0.8, near=0.2)
    clips = MixedClips(dataset_sources(config, dataset, "gt"), 3, (96, 160), seed=1)
    counts = []
    for step in range(12):
        frames, masks = (tensor.numpy() for tensor in clips[step, 0])
        counts.append(int(masks[masks < 255].max()))
        for label in range(1, counts[-1] + 1):
            seen = [
                np.median(frame[:, mask[0] == label], axis=1)
                for frame, mask in zip(frames, masks, strict=True)
                if (mask == label).sum() > 100
            ]
            assert np.abs(np.subtract(seen, seen[0])).max() < 40
    assert max(counts) == 3 and len(set(counts)) > 1


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
    assert broken.id in message and "breaks off after" in message


def test_labels_beyond_the_video_s_end_are_said_and_left_out(dataset, video, caplog):
    sample = labeled(video, [3, T])
    sample.frames[T + 9] = fo.Frame(gt=prompts(1))
    dataset.add_sample(sample)
    for samples, indices in ((dataset, [2, T - 1]), (dataset.to_clips([[(4, T + 9)]]), [T - 4])):
        caplog.clear()
        (stored,) = read_videos(samples, "gt")
        with caplog.at_level(logging.WARNING):
            beyond, last = stored.frames([len(indices), len(indices) - 1])
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


@pytest.fixture
def images(dataset, tmp_path):
    """Four images with the masks of both squares, one without masks, one that is missing."""
    for number in range(1, 6):
        path = tmp_path / f"{number}.png"
        large = cv2.resize(picture(number), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(path), cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
        masks = [np.kron(mask, np.ones((2, 2), bool)) for mask in truth(number).values()]
        found = [detection(mask, label="square") for mask in masks] if number < 5 else []
        dataset.add_sample(fo.Sample(filepath=str(path), instances=fo.Detections(detections=found)))
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "missing.png"), instances=prompts(1)))
    return dataset


def test_images_with_instance_masks(images, caplog):
    with caplog.at_level(logging.WARNING):
        pictures = read_pictures(images, "frames.instances")  # the prefix may be there
    assert [path.name for path, _ in pictures] == ["1.png", "2.png", "3.png", "4.png"]
    assert "missing.png" in caplog.text
    label_map = read_mask(pictures[2][1])
    for value, mask in enumerate(truth(3).values(), start=1):  # one label, two objects
        np.testing.assert_array_equal(label_map == value, np.kron(mask, np.ones((2, 2), bool)))


def test_images_are_turned_as_their_exif_says(dataset, tmp_path):
    photo = Image.fromarray(picture(1))
    exif = photo.getexif()
    exif[ExifTags.Base.Orientation] = 6
    photo.save(tmp_path / "a.jpg", exif=exif)
    shown = read_image(tmp_path / "a.jpg")
    assert shown.shape == (W, H, 3)
    red = (shown[..., 0] > 150) & (shown[..., 2] < 90)
    found = fo.Detections(detections=[detection(red, label="a")])
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "a.jpg"), gt=found))
    ((_, png),) = read_pictures(dataset, "gt")
    np.testing.assert_array_equal(read_mask(png) == 1, red)


def test_images_become_clips_of_one_moving_object(images):
    ((source, weight),) = dataset_sources(CONFIG, images, "instances")
    assert isinstance(source, PictureClips) and weight == 1
    source.occluder = 0
    rng = np.random.default_rng(0)
    drawn = [clip for _ in range(10) if (clip := source.sample(rng, 4, (64, 96))) is not None]
    assert len(drawn) >= 5
    moved = 0
    for clip in drawn:
        color = np.median(clip.frames[clip.masks == 1], axis=0)
        assert min(np.abs(color - COLORS[index]).mean() for index in COLORS) < 25
        moved += (clip.masks[0] != clip.masks[-1]).any()
    assert moved == len(drawn)


def test_images_without_masks(dataset, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture(1))
    boxes = fo.Detections(detections=[fo.Detection(label="a", bounding_box=[0.1, 0.1, 0.5, 0.5])])
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "a.png"), boxes=boxes))
    with pytest.raises(HS2SError, match="No image has a mask in 'boxes'"):
        read_pictures(dataset, "boxes")
    with pytest.raises(HS2SError, match="no Detections field 'masks': choose one of boxes"):
        read_pictures(dataset, "masks")


def copy_sample(dataset: fo.Dataset, times: int) -> None:
    """Copies the dataset's sample and its frames in the database itself, which takes a moment for
    thousands."""
    sample = dataset._sample_collection.find_one()
    frames = list(dataset._frame_collection.find({"_sample_id": sample["_id"]}))
    ids = [ObjectId() for _ in range(times)]
    dataset._sample_collection.insert_many([{**sample, "_id": i} for i in ids])
    copies = [{**frame, "_id": ObjectId(), "_sample_id": i} for i in ids for frame in frames]
    dataset._frame_collection.insert_many(copies)
    dataset.reload()


def test_thousands_of_videos_start_as_fast_as_a_few(dataset, video, monkeypatch):
    """Before the first clip, nothing is opened or drawn, and of a video little is kept, whatever its masks
    take."""
    mask = np.zeros((300, 400), bool)
    mask[100:200, 100:300] = True
    shown = fo.Detections(detections=[detection(mask, label="square", index=1)])
    sample = fo.Sample(filepath=str(video))
    for number in (1, 4):
        sample.frames[number] = fo.Frame(gt=shown.copy())
    dataset.add_sample(sample)
    copy_sample(dataset, 1999)
    opened, drawn = [], []
    load, draw = StoredVideo.load, training_data._label_map
    monkeypatch.setattr(StoredVideo, "load", lambda stored: opened.append(stored) or load(stored))
    monkeypatch.setattr(training_data, "_label_map", lambda *args: drawn.append(args) or draw(*args))
    few, many = (VideoClips(read_videos(view, "gt")) for view in (dataset.take(20, seed=1), dataset))
    assert len(many.videos) == 2000 and not opened and not drawn
    assert len(pickle.dumps(many)) < 2000 * 1000  # a worker gets less than a kilobyte of each
    for clips in (few, many):
        opened.clear(), drawn.clear()
        assert clips.sample(np.random.default_rng(0), 2, (64, 96)) is not None
        assert len(opened) == 1 and 1 <= len(drawn) <= 2  # each frame once


def test_a_dataset_that_takes_the_name_of_a_deleted_one(video):
    """What was read of the first says nothing of the second."""
    for numbers in ([1, 2], [3, 4, 5]):
        dataset = fo.Dataset("comes-and-goes")
        try:
            dataset.add_sample(labeled(video, numbers))
            (stored,) = read_videos(dataset, "gt")
            assert len(stored.masks(range(len(numbers)))) == len(numbers)
        finally:
            dataset.delete()
