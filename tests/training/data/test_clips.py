"""Clips of videos and of pictures: what they show, and files that cannot be read."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_kit import write_square

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.training.data.pictures import PictureClips, list_pictures
from fiftyone_hs2s.training.data.video_folders import list_videos
from fiftyone_hs2s.training.data.videos import VideoClips


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_square(tmp_path)


@pytest.mark.parametrize("source", ["video", "pictures"])
def test_clips_show_the_object_where_the_mask_says(data: Path, source: str) -> None:
    clips = (
        VideoClips(list_videos(data / "video/made"))
        if source == "video"
        else PictureClips([list_pictures(data / "images/made")], occluder=0)
    )
    rng = np.random.default_rng(1)
    drawn = [clip for _ in range(12) if (clip := clips.sample(rng, 4, (64, 96))) is not None]
    assert len(drawn) >= 6
    for clip in drawn:
        assert clip.frames.shape == (4, 64, 96, 3) and clip.frames.dtype == np.uint8
        assert clip.masks.shape == (4, 64, 96) and set(np.unique(clip.masks)) <= {0, 1, 255}
        inside = clip.frames[clip.masks == 1].astype(int)
        assert inside[:, 0].mean() > 150 > inside[:, 2].mean() + 50  # red, as RGB


def test_occluders_hide_the_object_but_not_on_the_first_frame(data: Path) -> None:
    pictures = PictureClips([list_pictures(data / "images/made")])
    rng = np.random.default_rng(0)
    hidden = []
    for _ in range(20):
        frames, masks = np.zeros((6, 64, 96, 3), np.uint8), np.ones((6, 64, 96), np.uint8)
        pictures.occlude(rng, frames, masks)
        assert masks[0].all() and not frames[0].any()
        assert frames[masks == 1].mean() < 3  # what is drawn is not the object, but for a soft edge
        hidden.append(1 - masks[1:].mean())
    assert max(hidden) > 0.1


def test_look_alikes_surround_the_object_and_are_not_in_its_mask(data: Path) -> None:
    red = []
    for distractors in (0, 1, 5):
        clips = PictureClips(
            [list_pictures(data / "images/made")], 1.0, 1.0, occluder=0, distractors=distractors
        )
        rng = np.random.default_rng(1)
        drawn = [clip for _ in range(12) if (clip := clips.sample(rng, 2, (64, 96))) is not None]
        colors = np.concatenate([clip.frames[clip.masks == 0] for clip in drawn]).astype(int)
        red.append((colors[:, 0] > colors[:, 2] + 50).mean())
    assert red[0] + 0.02 < red[1] and red[1] + 0.02 < red[2]


def test_excluded_sequences_are_never_read(data: Path) -> None:
    assert [video.name for video in list_videos(data / "video/made")] == ["square"]
    with pytest.raises(HS2SError, match="No usable clip"):
        VideoClips(list_videos(data / "video/made", exclude=["square"]))


def test_a_video_that_cannot_be_read_is_named_and_left_out(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for part in ("JPEGImages", "Annotations"):
        shutil.copytree(data / "video/made" / part / "square", data / "video/made" / part / "broken")
    (data / "video/made/JPEGImages/broken/00000.jpg").write_bytes(b"")
    (data / "video/made/Annotations/no-frames").mkdir()
    with caplog.at_level(logging.WARNING):
        clips = VideoClips(list_videos(data / "video/made"))
    assert "Left out no-frames: There is no folder" in caplog.text
    caplog.clear()
    rng = np.random.default_rng(0)
    with caplog.at_level(logging.WARNING):
        drawn = [clips.sample(rng, 2, (64, 96)) for _ in range(20)]
    assert sum(clip is None for clip in drawn) == 1
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("Left out broken: The first frame") and "00000.jpg" in message
    clips.weights[:] = 0
    with pytest.raises(HS2SError, match="None of the videos can be read"):
        clips.sample(rng, 2, (64, 96))


@pytest.mark.parametrize("broken", ["picture", "mask", "aspect"])
def test_a_picture_that_cannot_be_read_is_named_once_and_left_out(
    data: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = list_pictures(data / "images/made")[:2]
    if broken == "aspect":
        write_label_map(bad[1], np.ones((96, 64), np.uint8))
    else:
        bad[broken == "mask"].write_bytes(b"")
    clips = PictureClips([[good, bad]])
    rng = np.random.default_rng(0)
    drawn = [clips.sample(rng, 3, (64, 96)) for _ in range(12)]
    clips.occlude(rng, drawn[0].frames, drawn[0].masks)
    assert all(clip is not None for clip in drawn)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("Left out: ") and "/1." in message
    good[0].unlink()
    with pytest.raises(HS2SError, match="None of the pictures can be read"):
        PictureClips([[good, bad]]).sample(rng, 3, (64, 96))


@pytest.mark.parametrize("kind", ["white", "1 bit", "colors", "16 bit", "half", "with void"])
@pytest.mark.parametrize("source", ["video", "pictures"])
def test_masks_of_all_kinds_are_understood(data: Path, source: str, kind: str) -> None:
    """As everywhere in the package; 255 beside other ids is void."""
    for path in (*data.glob("video/made/Annotations/square/*"), *data.glob("images/made/Masks/*")):
        mask = np.array(Image.open(path))
        void = np.where(np.arange(128) < 4, 255, mask).astype(np.uint8)
        picture = {
            "white": 255 * mask,
            "1 bit": mask > 0,
            "colors": mask[..., None] * np.array([128, 0, 0], np.uint8),
            "16 bit": mask.astype(np.uint16) * 300,
            "half": np.ascontiguousarray(mask[::2, ::2]),
            "with void": void,
        }[kind]
        Image.fromarray(picture).save(path)
    clips = (
        VideoClips(list_videos(data / "video/made"), shift=0, scale=(1, 1.0001))
        if source == "video"
        else PictureClips([list_pictures(data / "images/made")], occluder=0, paste=0)
    )
    rng = np.random.default_rng(1)
    drawn = [clip for _ in range(8) if (clip := clips.sample(rng, 2, (64, 96))) is not None]
    assert len(drawn) >= 4
    assert any((clip.masks == 255).any() for clip in drawn) == (kind == "with void")
    for clip in drawn:
        red, _, blue = np.median(clip.frames[clip.masks == 1], axis=0)
        assert red > 200 and blue < 80
