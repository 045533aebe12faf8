"""Videos of a dataset to train on: which frames, which objects, which numbers."""

from __future__ import annotations

import dataclasses
import pickle

import cv2
import fiftyone as fo
import numpy as np
from bson import ObjectId
from fiftyone_kit import COLORS, H, T, W, detection, picture, prompts, truth
from training_data_kit import CONFIG, assert_shows, dataset_sources, labeled, opened

from fiftyone_hs2s.dataset.train import training_data
from fiftyone_hs2s.dataset.train.training_data import StoredVideo, read_videos
from fiftyone_hs2s.training.data.annotated_video import open_video
from fiftyone_hs2s.training.data.mix import MixedClips, draw_batches
from fiftyone_hs2s.training.data.videos import VideoClips


def test_label_maps_and_frames_of_a_video(dataset, video):
    dataset.add_sample(labeled(video))
    stored = opened(dataset, "frames.gt")
    assert len(stored.indices) == T
    places = [7, 2, 2, 11]
    for place, frame, label_map in zip(
        places, stored.pictures(places), stored.label_maps(places), strict=True
    ):
        assert_shows(frame, label_map, place + 1, {0: 1, 1: 2})
    assert [index for index, _ in stored.truth()] == list(range(T))
    assert len(stored.frames) == T


def test_sparse_frames_are_those_that_are_labeled(dataset, video):
    sample = labeled(video, [3, 8, 12])
    sample.frames[5]["note"] = "a frame without the field"
    dataset.add_sample(sample)
    stored = opened(dataset, "gt")
    assert stored.indices == [2, 7, 11]
    (video,) = read_videos(dataset, "gt")
    assert video.spacing == 4  # clips take smaller steps
    for number, frame, label_map in zip(
        (3, 8, 12), stored.pictures(range(3)), stored.label_maps(range(3)), strict=True
    ):
        assert_shows(frame, label_map, number, {0: 1, 1: 2})


def test_only_the_frames_of_a_clip_are_decoded(dataset, video, monkeypatch):
    dataset.add_sample(labeled(video))
    stored = opened(dataset, "gt")
    read = []
    monkeypatch.setattr(
        type(stored.frames), "__getitem__", lambda frames, index: read.append(index) or picture(1)
    )
    stored.pictures([4, 9, 4])
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
    stored = opened(dataset, "gt")
    for number, frame, label_map in zip(
        (1, 2, 3), stored.pictures(range(3)), stored.label_maps(range(3)), strict=True
    ):
        assert_shows(frame, label_map, number, {0: 1, 1: 2})


def test_an_object_that_comes_later_gets_the_next_number(dataset, video):
    sample = labeled(video, [1, 2], indices=[1])
    sample.frames[3]["gt"] = prompts(3)
    dataset.add_sample(sample)
    stored = opened(dataset, "gt")
    for number, frame, label_map in zip(
        (1, 2, 3), stored.pictures(range(3)), stored.label_maps(range(3)), strict=True
    ):
        assert_shows(frame, label_map, number, {1: 1} if number < 3 else {0: 2, 1: 1})


def test_nothing_is_learned_from_boxes_without_masks(dataset, video):
    """Neither that the object is there nor that it is not; an empty box says that it is not."""
    sample = labeled(video, [1, 2, 3], indices=[0])
    box = [(W - 16 - 4) / W, 36 / H, 16 / W, 16 / H]
    sample.frames[2]["gt"].detections.append(fo.Detection(label="blue", index=1, bounding_box=box))
    sample.frames[3]["gt"].detections.append(fo.Detection(label="blue", index=1, bounding_box=[0, 0, 0, 0]))
    dataset.add_sample(sample)
    stored = opened(dataset, "gt")
    first, second, third = stored.label_maps(range(3))
    assert set(np.unique(first)) == set(np.unique(third)) == {0, 1}
    np.testing.assert_array_equal(second == 255, truth(2)[1])
    np.testing.assert_array_equal(second == 1, truth(2)[0])


def test_clips_views_give_the_frames_of_the_clip(dataset, video):
    dataset.add_sample(labeled(video))
    clips = dataset.to_clips([[(3, 5), (8, 10)]])
    first, second = map(open_video, read_videos(clips, "frames.gt"))
    assert len(first.indices) == len(second.indices) == 3
    for offset, stored in ((3, first), (8, second)):
        for place, (frame, label_map) in enumerate(
            zip(stored.pictures(range(3)), stored.label_maps(range(3)), strict=True), offset
        ):
            assert_shows(frame, label_map, place, {0: 1, 1: 2})


def test_filters_of_a_view_hold(dataset, video):
    dataset.add_sample(labeled(video))
    stored = opened(dataset.filter_labels("frames.gt", fo.ViewField("index") == 1), "gt")
    (frame,), (label_map,) = stored.pictures([0]), stored.label_maps([0])
    assert_shows(frame, label_map, 1, {1: 1})


def test_ordered_groups_of_images_are_videos(dataset, tmp_path):
    for number in range(1, 5):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), cv2.cvtColor(picture(number), cv2.COLOR_RGB2BGR))
        dataset.add_sample(fo.Sample(filepath=str(path), sequence="a", at=number, gt=prompts(number)))
    stored = opened(dataset.group_by("sequence", order_by="at"), "gt")
    assert len(stored.indices) == 4
    for number, frame, label_map in zip(
        (4, 2), stored.pictures([3, 1]), stored.label_maps([3, 1]), strict=True
    ):
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
    started, drawn = [], []
    start, draw = StoredVideo.open, training_data._label_map
    monkeypatch.setattr(StoredVideo, "open", lambda stored: started.append(stored) or start(stored))
    monkeypatch.setattr(training_data, "_label_map", lambda *args: drawn.append(args) or draw(*args))
    few, many = (VideoClips(read_videos(view, "gt")) for view in (dataset.take(20, seed=1), dataset))
    assert len(many.videos) == 2000 and not started and not drawn
    assert len(pickle.dumps(many)) < 2000 * 1000  # a worker gets less than a kilobyte of each
    for clips in (few, many):
        started.clear(), drawn.clear()
        assert clips.sample(np.random.default_rng(0), 2, (64, 96)) is not None
        assert len(started) == 1 and 1 <= len(drawn) <= 2  # each frame once


def test_a_dataset_that_takes_the_name_of_a_deleted_one(video):
    """What was read of the first says nothing of the second."""
    for numbers in ([1, 2], [3, 4, 5]):
        dataset = fo.Dataset("comes-and-goes")
        try:
            dataset.add_sample(labeled(video, numbers))
            stored = opened(dataset, "gt")
            assert len(stored.label_maps(range(len(numbers)))) == len(numbers)
        finally:
            dataset.delete()
