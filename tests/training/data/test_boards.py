"""Boards before objects, over many draws."""

from __future__ import annotations

import numpy as np

from fiftyone_hs2s.training.data.boards import LARGEST, Boards
from fiftyone_hs2s.training.data.clip import Clip

SIZE, LENGTH = (96, 160), 8
FREE = np.zeros((LENGTH, *SIZE), np.uint8)
FREE[:, 20:40, 30:60] = 1
FREE[:, 45:65, 75:110] = 2
FREE[:, :5, :5] = 255
COLORS = np.array([[60, 60, 60], [200, 0, 0], [0, 0, 200]], np.uint8)


class _Still:
    """A red and a blue rectangle before gray that do not move, and void in a corner."""

    def sample(self, rng: np.random.Generator, length: int, size: tuple[int, int]) -> Clip | None:
        return Clip(COLORS[np.where(FREE == 255, 0, FREE)][:length], FREE[:length])


class _Filling(_Still):
    """Its object fills the frame."""

    def sample(self, rng: np.random.Generator, length: int, size: tuple[int, int]) -> Clip | None:
        return Clip(np.full((length, *size, 3), 9, np.uint8), np.ones((length, *size), np.uint8))


def _draw(seed: int, share: float = 1.0, length: int = LENGTH) -> Clip:
    clip = Boards(_Still(), share).sample(np.random.default_rng(seed), length, SIZE)
    assert clip is not None
    return clip


def test_objects_are_hidden_for_some_frames_where_the_board_is() -> None:
    ends, whole = 0, {1: 0, 2: 0}
    for seed in range(60):
        clip = _draw(seed)
        assert np.array_equal(clip.frames[0], COLORS[np.where(FREE[0] == 255, 0, FREE[0])])
        assert np.array_equal(clip.masks[0], FREE[0])
        changed = (clip.masks != FREE).any((1, 2))
        (times,) = np.nonzero(changed)
        assert len(times) and np.array_equal(times, np.arange(times[0], times[-1] + 1)), "one stretch"
        boards = [clip.masks[t] != FREE[t] for t in times]
        assert all(np.array_equal(board, boards[0]) for board in boards), "it stands still"
        assert not clip.masks[times[0]][boards[0]].any(), "what is behind it is not there"
        for number in whole:
            whole[number] += not (clip.masks[times] == number).any()
        ends += changed[-1]
    assert all(10 < count < 55 for count in whole.values()), "now the one, now the other, or both"
    assert 0 < ends < 20, "in most clips they come back"


def test_the_board_has_colors_of_the_frame() -> None:
    flat = 0
    for seed in range(40):
        clip = _draw(seed)
        hidden = (clip.masks != FREE) & (FREE > 0) & (FREE < 255)
        pixels = clip.frames[hidden]
        assert (pixels <= COLORS.max(0)).all()
        flat += len(np.unique(pixels, axis=0)) == 1
    assert 10 < flat < 40


def test_a_share_of_the_clips_and_never_too_large_or_too_short() -> None:
    untouched = sum(np.array_equal(_draw(seed, 0.3).masks, FREE) for seed in range(60))
    assert 30 < untouched < 54
    assert np.array_equal(_draw(1, length=2).masks, FREE[:2])
    assert LARGEST < 1
    for seed in range(5):
        clip = Boards(_Filling(), 1.0).sample(np.random.default_rng(seed), LENGTH, SIZE)
        assert clip is not None and clip.masks.all()
