"""Boards that hide objects for some frames, all of a sudden: what is hidden isn't there, and comes back."""

from __future__ import annotations

import cv2
import numpy as np

from fiftyone_hs2s.training.data.augment import Size
from fiftyone_hs2s.training.data.clip import Clip, ClipSource

LARGEST = 0.6  # of the picture; a larger board would hide all that there is
ALL = 0.3  # of the boards hide all objects


class Boards:
    """Clips of a source, in a share of which a board hides one of the objects, or all.

    The board stands still, has colors of the frame, flat or in patches, and is about as large as what it
    hides on all these frames together: sometimes a rim of the object still shows. It is gone again before the
    clip ends, in most clips.

    Args:
        host: where the clips come from
        share: of the clips that get a board
    """

    def __init__(self, host: ClipSource, share: float) -> None:
        self.host, self.share = host, share

    def sample(self, rng: np.random.Generator, length: int, size: Size) -> Clip | None:
        """Draws a clip, None if the draw failed."""
        clip = self.host.sample(rng, length, size)
        if clip is None or length < 3 or rng.random() >= self.share:
            return clip
        frames, masks = clip.frames.copy(), clip.masks.copy()
        start = int(rng.integers(1, length - 1))
        times = slice(start, int(rng.integers(start + 1, length + (rng.random() < 0.2))))
        shown = (masks > 0) & (masks < 255)
        hidden = shown if rng.random() < ALL else masks == rng.integers(1, masks[shown].max() + 1)
        board = _place(rng, hidden[times].any(0))
        if board is not None:
            rows, columns = board
            frames[times, rows, columns] = _paint(rng, frames[start], board)
            masks[times, rows, columns] = 0
        return Clip(frames, masks)


def _place(rng: np.random.Generator, hidden: np.ndarray) -> tuple[slice, slice] | None:
    """Rows and columns of a board before ``hidden``, bool (H, W); None if there is nothing, or too much."""
    left, top, width, height = cv2.boundingRect(hidden.view(np.uint8))
    if not width:
        return None
    edges = [
        low + (high - low) * (side + rng.uniform(-0.1, 0.25) * (1 if side else -1))
        for low, high in ((top, top + height), (left, left + width))
        for side in (0, 1)
    ]
    rows, columns = (
        slice(max(0, round(low)), min(most, max(round(high), round(low) + 1)))
        for low, high, most in zip(edges[::2], edges[1::2], hidden.shape, strict=True)
    )
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return (rows, columns) if area <= LARGEST * hidden.size else None


def _paint(rng: np.random.Generator, frame: np.ndarray, board: tuple[slice, slice]) -> np.ndarray:
    """A picture of the board's size, uint8 (h, w, 3): pixels of the frame, one or several, blurred into each
    other."""
    rows, columns = board
    patches = tuple(rng.integers(1, 13, 2)) if rng.random() < 0.5 else (1, 1)
    ys, xs = (rng.integers(0, most, patches) for most in frame.shape[:2])
    size = columns.stop - columns.start, rows.stop - rows.start
    return cv2.resize(frame[ys, xs], size, interpolation=cv2.INTER_LINEAR)
