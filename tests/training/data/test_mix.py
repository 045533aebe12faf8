"""The stream of clips of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from training_kit import write_square

from fiftyone_hs2s.training.data.mix import MixedClips
from fiftyone_hs2s.training.data.video_folders import list_videos
from fiftyone_hs2s.training.data.videos import VideoClips


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_square(tmp_path)


def test_a_clip_depends_on_the_seed_and_its_number_alone(data: Path) -> None:
    sources = [(VideoClips(list_videos(data / "video/made")), 1.0)]

    def draw(seed: int, *place: int) -> torch.Tensor:
        return MixedClips(sources, 3, (64, 96), seed)[place][0]

    assert torch.equal(draw(1, 5, 0), draw(1, 5, 0))
    assert not torch.equal(draw(1, 5, 0), draw(2, 5, 0))
    assert not torch.equal(draw(1, 5, 0), draw(1, 5, 1))


def test_a_share_of_the_steps_has_upright_clips(data: Path) -> None:
    sources = [(VideoClips(list_videos(data / "video/made")), 1.0)]
    clips = MixedClips(sources, 3, (64, 96), seed=1, portrait=0.4)
    shapes = []
    for step in range(40):
        drawn = [clips[step, place] for place in range(2)]
        assert len({tuple(frames.shape) for frames, _ in drawn}) == 1  # else they are no batch
        for frames, masks in drawn:
            assert frames.shape[2:] == masks.shape[2:]
            inside = frames.permute(0, 2, 3, 1)[masks[:, 0] == 1].float().mean(0)
            assert inside[0] > 1.5 * inside[2]  # still the red square
        shapes.append(tuple(drawn[0][0].shape[2:]))
    assert set(shapes) == {(64, 96), (96, 64)}
    assert 8 <= shapes.count((96, 64)) <= 24
