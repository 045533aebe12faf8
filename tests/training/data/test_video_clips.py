"""Clips of videos that come near, and picture sets whose pictures are frames of videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fiftyone_hs2s.training.data.augment import NEARER, draw_zoom, zoomed_views
from fiftyone_hs2s.training.data.clip import Clip
from fiftyone_hs2s.training.data.pictures import PictureClips, list_pictures
from fiftyone_hs2s.training.data.video_folders import list_videos
from fiftyone_hs2s.training.data.videos import LONG_STEP, MAX_STEP, VideoClips, _places

SIZE = (96, 160)


def test_a_camera_that_comes_near_stays_within_the_picture() -> None:
    rng = np.random.default_rng(0)
    nearest = []
    for _ in range(50):
        points = rng.uniform((0, 0), (320, 180), size=(8, 2))
        factors = draw_zoom(rng, 12, 8)
        assert factors is not None and factors.min() == pytest.approx(1) and factors.max() <= NEARER
        nearest.append(factors.max())
        for matrix, factor in zip(zoomed_views(rng, points, factors, (180, 320), SIZE), factors, strict=True):
            scale = np.sqrt(np.linalg.det(matrix[:, :2]))
            assert scale == pytest.approx(factor * 96 / 180)
            x, y = np.linalg.solve(matrix[:, :2], (80, 48) - matrix[:, 2])  # in the middle of the view
            half_x, half_y = 80 / scale, 48 / scale
            assert half_x - 1e-6 <= x <= 320 - half_x + 1e-6 and half_y - 1e-6 <= y <= 180 - half_y + 1e-6
    assert max(nearest) > 5
    assert draw_zoom(rng, 1.3, 8) is None  # it fills the frame already


def test_objects_of_near_clips_grow_or_shrink_and_are_followed(data: Path) -> None:
    ratios = []
    for near in (0.0, 1.0):
        clips = VideoClips(list_videos(data / "video/made"), near=near)
        rng = np.random.default_rng(1)
        drawn = [clip for _ in range(20) if (clip := clips.sample(rng, 5, SIZE))]
        areas = np.array([(clip.masks == 1).sum(axis=(1, 2))[[0, -1]] for clip in drawn])
        assert (areas > 0).mean() > 0.9
        ratios.append(np.median(np.maximum(areas[:, 0], areas[:, 1]) / np.maximum(1, areas.min(axis=1))))
    assert ratios[0] < 1.3 and ratios[1] > 2


@pytest.mark.parametrize("longest", [MAX_STEP, LONG_STEP])
def test_steps_go_up_to_the_longest_in_both_directions(longest: int) -> None:
    rng = np.random.default_rng(0)
    steps = np.concatenate([np.diff(_places(rng, 1000, 8, longest)) for _ in range(300)])
    assert np.abs(steps).max() == longest and (steps < 0).mean() == pytest.approx(0.5, abs=0.1)


def test_all_instances_are_tracked_where_several_objects_are_wanted(data: Path) -> None:
    """Three disks of colors of their own; each label has one of them throughout."""
    clips = PictureClips([list_pictures(data / "images/made")], paste=0, occluder=0, objects=5)
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(10):
        clip = clips.sample(rng, 4, SIZE)
        assert clip is not None
        counts.append(int(clip.masks[clip.masks < 255].max()))
        for label in range(1, counts[-1] + 1):
            main = {
                int(np.argmax(np.median(f[m == label], axis=0)))
                for f, m in zip(*_shown(clip, label), strict=True)
            }
            assert len(main) == 1
    assert max(counts) == 3 and np.mean(counts) > 2


def _shown(clip: Clip, label: int) -> tuple[np.ndarray, np.ndarray]:
    there = (clip.masks == label).any(axis=(1, 2))
    return clip.frames[there], clip.masks[there]
