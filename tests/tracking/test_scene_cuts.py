from __future__ import annotations

import cv2
import numpy as np
import pytest

from fiftyone_hs2s.tracking import open_frames
from fiftyone_hs2s.tracking.scene_cuts import find_cuts


def scene(seed: int, length: int) -> list[np.ndarray]:
    """A textured picture under a panning camera."""
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.integers(0, 256, (2, 3)).tolist())
    coarse = rng.integers(np.minimum(low, high), np.maximum(low, high) + 1, (9, 16, 3)).astype(np.uint8)
    wide = cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC)
    return [wide[20 : 20 + 180, 4 * t : 4 * t + 320] for t in range(length)]


def test_cuts_are_where_scenes_meet():
    assert list(find_cuts([*scene(0, 12), *scene(1, 5), *scene(2, 9)])) == [12, 17]


def test_motion_and_slow_change_of_light_are_no_cuts():
    frames = [
        np.clip(frame * (1 - 0.04 * t), 0, 255).astype(np.uint8) for t, frame in enumerate(scene(3, 20))
    ]
    assert list(find_cuts(frames)) == []


@pytest.mark.parametrize("size", [(24, 32), (720, 1280)])
def test_size_does_not_matter(size):
    frames = [
        cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA) for frame in scene(0, 4) + scene(1, 4)
    ]
    assert list(find_cuts(frames)) == [4]


def test_real_videos_joined_have_a_cut_where_each_begins(shared_data):
    folder = shared_data / "data/video/DAVIS2016-train/JPEGImages"
    frames, begins = [], []
    for name in ("bear", "drift-turn", "mallard-fly", "soccerball"):
        begins.append(len(frames))
        frames += [cv2.resize(frame, (427, 240)) for frame in open_frames(folder / name)]
    assert list(find_cuts(frames)) == begins[1:]
