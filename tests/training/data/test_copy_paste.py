"""Clips with objects pasted in: what every clip promises, over many draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fiftyone_hs2s.training.clip_sources import folder_sources
from fiftyone_hs2s.training.data.clip import MIN_AREA, Clip
from fiftyone_hs2s.training.data.copy_paste import CopyPaste
from fiftyone_hs2s.training.data.cutouts import Cutout
from fiftyone_hs2s.training.data.mix import MixedClips
from fiftyone_hs2s.training.run_config import TrainingConfig

SIZE = (96, 160)


def _clips(data: Path, length: int = 5, seed: int = 1, **settings: object) -> MixedClips:
    values = {"model": "hs2s-lite", "videos": ["video/*"], "pictures": ["images/*"], "stages": [{"steps": 1}]}
    config = TrainingConfig.from_dict({**values, **settings})
    return MixedClips(folder_sources(config, data), length, SIZE, seed)


@pytest.mark.parametrize("objects", [1, 4])
def test_every_clip_keeps_what_clips_promise(data: Path, objects: int) -> None:
    """Numbers 1..K without gaps, each large enough on the first frame; void is void."""
    clips = _clips(data, objects=objects, copy_paste=0.8, near=0.3)
    counts, void = [], 0
    for step in range(40):
        frames, masks = clips[step, 0]
        assert frames.shape == (5, 3, *SIZE) and masks.shape == (5, 1, *SIZE)
        assert frames.dtype == masks.dtype == torch.uint8
        areas = np.bincount(masks[0].ravel(), minlength=256)
        count = int(masks[masks < 255].max())
        assert 1 <= count <= objects
        assert (areas[1 : count + 1] >= MIN_AREA * masks[0].numel()).all()
        assert set(np.unique(masks)) <= {*range(count + 1), 255}
        counts.append(count)
        void += bool((masks == 255).any())
    assert max(counts) == objects and len(set(counts)) >= min(objects, 3) and void > 10


def test_a_clip_depends_on_the_seed_and_its_place_alone(data: Path) -> None:
    settings = {"objects": 3, "copy_paste": 1.0, "near": 0.5, "twins": 0.5}
    clips, again, other = (_clips(data, seed=seed, **settings) for seed in (1, 1, 2))
    order = [(step, place) for step in range(4) for place in range(2)]
    first = {place: clips[place] for place in order}
    for place in reversed(order):
        assert all(map(torch.equal, first[place], again[place]))
        assert not torch.equal(first[place][0], other[place][0])


class _Square:
    """A gray host with a white square in the middle, and a donor of black squares."""

    def sample(self, rng: np.random.Generator, length: int, size: tuple[int, int]) -> Clip:
        frames, masks = np.full((length, *size, 3), 128, np.uint8), np.zeros((length, *size), np.uint8)
        masks[:, 32:64, 60:100] = 1
        frames[masks == 1] = 255
        return Clip(frames, masks)

    def cutout(self, rng: np.random.Generator, length: int) -> Cutout:
        return Cutout([np.zeros((60, 60, 3), np.uint8)], [np.full((60, 60), 255, np.uint8)], np.zeros((1, 2)))


def test_objects_pass_before_and_behind_each_other_and_masks_follow(data: Path) -> None:
    clips = CopyPaste(_Square(), [(_Square(), 1.0)], 1.0, twins=0.0, objects=4)
    rng = np.random.default_rng(0)
    whole = cut = 0
    for _ in range(40):
        clip = clips.sample(rng, 5, SIZE)
        if clip is None:
            continue
        for label in range(1, int(clip.masks.max()) + 1):
            inside = np.median(clip.frames[clip.masks == label])
            assert inside > 245 or inside < 12  # white or black, but for soft edges
        white = (clip.frames[..., 0] > 150).sum(axis=(1, 2))
        whole += (white > 0.95 * 32 * 40).all()  # whatever crosses it is behind
        cut += (white < 0.8 * 32 * 40).any()
    assert whole > 5 and cut > 5


def test_twins_look_like_an_object_of_the_clip(data: Path) -> None:
    """White squares are the host's, black ones the donor's."""
    rng = np.random.default_rng(0)
    share = []
    for twins in (0.0, 1.0):
        clips = CopyPaste(_Square(), [(_Square(), 1.0)], 1.0, twins=twins, objects=3)
        drawn = [clip for _ in range(20) if (clip := clips.sample(rng, 4, SIZE))]
        dark = np.mean([clip.frames[clip.masks > 0].mean() < 120 for clip in drawn])
        share.append((np.mean([clip.frames.min() for clip in drawn]), dark))
    assert share[0][0] < 10 and share[1][0] > 60
