"""Scene cuts: frames that show another scene than the frame before them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

CUT = 0.25
"""From this distance on, two frames are of two scenes. Of 2,556 pairs of neighbors in real videos (DAVIS
2016, SegTrack, PUMaVOS, CDnet, YouTube-VOS), those within a shot are up to 0.19 apart, those of two videos of
DAVIS 2016, the end of each and the start of another, 0.27 and more."""
_BINS = 8
"""Of each channel."""
_SHORT_SIDE = 54
"""Pixels to which a frame is shrunk: noise averages out, and nothing depends on the video's size."""


class CutDetector:
    """Tells of each frame whether a scene begins with it.

    Frames are compared by their color histograms, so that motion of camera and objects matters little. A fade
    is no cut, nor is one between two shots of the same colors; a flash that fills the frame counts as two.

        cuts = CutDetector()
        for index, frame in enumerate(frames):
            if cuts.begins_scene(frame):
                ...

    Args:
        threshold: distance from which on two frames are of two scenes, 0..1
    """

    def __init__(self, threshold: float = CUT) -> None:
        self._threshold = threshold
        self._last: np.ndarray | None = None

    def begins_scene(self, frame: np.ndarray) -> bool:
        """Looks at the next frame.

        Args:
            frame: uint8 (H, W, 3)

        Returns:
            whether it is of another scene than the frame before; False for the first frame
        """
        histogram, last = _histogram(frame), self._last
        self._last = histogram
        return last is not None and 1 - float(np.minimum(histogram, last).sum()) > self._threshold


def find_cuts(frames: Iterable[np.ndarray], threshold: float = CUT) -> Iterator[int]:
    """The 0-based indices of the frames with which a scene begins, other than the first.

    Args:
        frames: uint8 (H, W, 3), in order
        threshold: see :class:`CutDetector`
    """
    detector = CutDetector(threshold)
    return (index for index, frame in enumerate(frames) if detector.begins_scene(frame))


def _histogram(frame: np.ndarray) -> np.ndarray:
    step = max(1, min(frame.shape[:2]) // (2 * _SHORT_SIDE))  # all pixels: five times the time
    small = np.ascontiguousarray(frame[::step, ::step])
    scale = _SHORT_SIDE / min(small.shape[:2])
    if scale < 1:
        small = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    counts = cv2.calcHist([small], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3)
    return counts / counts.sum()
