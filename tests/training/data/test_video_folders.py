"""Annotated videos: how folders give them, and which of their frames are read."""

from __future__ import annotations

import json
import logging
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.training.clip_sources import folder_sources
from fiftyone_hs2s.training.data.annotated_video import open_video, usual_spacing
from fiftyone_hs2s.training.data.clip import read_mask
from fiftyone_hs2s.training.data.pictures import list_pictures
from fiftyone_hs2s.training.data.video_folders import VideoFolder, list_videos, read_video
from fiftyone_hs2s.training.data.videos import VideoClips
from fiftyone_hs2s.training.run_config import TrainingConfig


@pytest.fixture
def sparse(tmp_path: Path) -> VideoFolder:
    """Sixteen frames whose gray is their number, with a mask on every fifth."""
    for part in ("JPEGImages/gray", "Annotations/gray"):
        (tmp_path / part).mkdir(parents=True)
    for t in range(16):
        cv2.imwrite(str(tmp_path / f"JPEGImages/gray/{t}.png"), np.full((32, 64, 3), t, np.uint8))
    for t in range(0, 16, 5):
        write_label_map(tmp_path / f"Annotations/gray/{t}.png", np.full((32, 64), t + 1, np.uint8))
    return read_video(tmp_path, "gray")


def test_annotated_frames_are_found_by_name_and_set_the_step(sparse: VideoFolder) -> None:
    assert sparse.indices == [0, 5, 10, 15] and sparse.spacing == 5 and len(sparse.open()) == 16
    opened = open_video(sparse)
    assert opened is open_video(sparse)  # it stays open
    places = [2, 1, 2, 9]  # beyond the last, the last
    assert [int(picture.max()) for picture in opened.pictures(places)] == [10, 5, 10, 15]
    assert [int(label_map.min()) for label_map in opened.label_maps(places)] == [11, 6, 11, 16]
    assert [index for index, _ in opened.truth()] == sparse.indices
    assert [usual_spacing(numbers) for numbers in ([], [7], [3, 4, 9, 10])] == [1, 1, 1]


def test_clips_of_sparse_masks_take_neighbors(sparse: VideoFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, opened = [], type(open_video(sparse))
    pictures = opened.pictures
    monkeypatch.setattr(opened, "pictures", lambda video, at: drawn.append(at) or pictures(video, at))
    clips, rng = VideoClips([sparse]), np.random.default_rng(0)
    for _ in range(10):
        clips.sample(rng, 4, (32, 64))
    steps = np.abs(np.diff(drawn, axis=1))
    assert len(drawn) == 10 and set(np.unique(steps)) == {1}  # 5 frames; two steps were more than 6


def test_masks_in_a_folder_for_each_object(sparse: VideoFolder, tmp_path: Path) -> None:
    """As SA-V has them."""
    shutil.rmtree(tmp_path / "Annotations/gray")
    for number, columns in ((1, slice(0, 20)), (2, slice(40, 64))):
        (tmp_path / f"Annotations/gray/{number:03}").mkdir(parents=True)
        mask = np.zeros((32, 64), np.uint8)
        mask[:, columns] = 1
        write_label_map(tmp_path / f"Annotations/gray/{number:03}/4.png", mask)
    (video,) = list_videos(tmp_path)
    ((index, label_map),) = open_video(video).truth()
    assert (
        index == 4 and set(np.unique(label_map[:, :20])) == {1} and set(np.unique(label_map[:, 40:])) == {2}
    )
    assert open_video(pickle.loads(pickle.dumps(video))).indices == [4]  # in a worker process


def test_videos_that_cannot_be_used_are_named(
    sparse: VideoFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "Annotations/nothing").mkdir()
    with caplog.at_level(logging.WARNING):
        assert [video.name for video in list_videos(tmp_path)] == ["gray"]
    assert "Left out nothing: There is no folder" in caplog.text
    with pytest.raises(HS2SError, match=r"no folder .*JPEGImages/nothing"):
        read_video(tmp_path, "nothing")
    caplog.clear()
    (tmp_path / "JPEGImages/gray/0.png").write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        clips = VideoClips([sparse, read_video(tmp_path, "gray")], every_object=True)
    assert clips.ids == [[], []] and caplog.text.count("Left out gray: The first frame") == 2


def test_pictures_that_are_frames_of_a_video_are_videos_too(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "images/made", tmp_path / "open/made")
    (tmp_path / "open/other/Masks").mkdir(parents=True)
    listing = {
        "walk": [{"frame": 20 * n, "stem": str(stem)} for n, stem in enumerate((2, 0, 3))],
        "held-out": [{"frame": n, "stem": str(n)} for n in range(2)],
        "views": [{"frame": 300 * n, "stem": str(n)} for n in range(3)],  # too far apart
    }
    (tmp_path / "open/made/sequences.json").write_text(json.dumps(listing))
    (video,) = list_videos(tmp_path / "open/made", exclude=["held-out"])
    assert video.name == "walk" and len(video.indices) == 3 and video.spacing == 20
    pictures = {image.stem: mask for image, mask in list_pictures(tmp_path / "open/made")}
    for mask, stem in zip(open_video(video).label_maps(range(3)), "203", strict=True):
        np.testing.assert_array_equal(mask, read_mask(pictures[stem]))
    values = {"model": "hs2s-lite", "stages": [{"steps": 1}], "videos": ["open/*"]}
    ((source, weight),) = folder_sources(TrainingConfig.from_dict(values), tmp_path)
    assert isinstance(source, VideoClips) and weight == 1
    with pytest.raises(HS2SError, match=r"Annotations or sequences\.json below"):
        folder_sources(TrainingConfig.from_dict({**values, "videos": ["open/other"]}), tmp_path)


def test_the_official_archive_of_davis(data: Path, tmp_path: Path) -> None:
    """A folder of the resolution in between, and a list of the sequences to learn from."""
    pictures = list_pictures(data / "images/made")
    for name in ("bear", "cows"):
        for t, (image, mask) in enumerate(pictures[:3]):
            for part, file in (("JPEGImages", image), ("Annotations", mask)):
                folder = tmp_path / part / "480p" / name
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, folder / f"{t:05}{Path(file).suffix}")
    assert [(video.name, video.indices) for video in list_videos(tmp_path)] == [
        ("bear", [0, 1, 2]),
        ("cows", [0, 1, 2]),
    ]
    (tmp_path / "ImageSets/2017").mkdir(parents=True)
    (tmp_path / "ImageSets/2017/train.txt").write_text("bear\nunknown\n")
    (video,) = list_videos(tmp_path)
    np.testing.assert_array_equal(open_video(video).label_maps([1])[0], read_mask(pictures[1][1]))
