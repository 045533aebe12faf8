"""What says which object of a frame is meant, and the square view in which it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels of the frame."""
MARGIN = 0.25
"""How much more than the box the square view shows, to each side, as a share of the box's longer side."""
POINT_RADIUS = 0.02
"""Of a point that is drawn for the network, as a share of the view's side."""


@dataclass(frozen=True)
class Hint:
    """What says which object of a frame is meant: a box, points, or both.

    Attributes:
        box: its edges in pixels, perhaps beyond the frame's; None if there are points alone
        positive: (n, 2) x and y in pixels of points on the object
        negative: (n, 2) the same of points beside it
    """

    box: Box | None = None
    positive: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    negative: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))


@dataclass(frozen=True)
class View:
    """A square part of a frame, perhaps beyond its edges.

    Attributes:
        left, top: its corner in pixels of the frame
        side: its side in pixels of the frame
        size: pixels of its side where it is shown
    """

    left: float
    top: float
    side: float
    size: int

    @classmethod
    def around(cls, box: Box, size: int, margin: float = MARGIN) -> View:
        """The view of a box."""
        left, top, right, bottom = box
        side = max(right - left, bottom - top, 1.0) * (1 + 2 * margin)
        return cls((left + right - side) / 2, (top + bottom - side) / 2, side, size)

    @property
    def _matrix(self) -> np.ndarray:
        scale = self.size / self.side
        return np.array(
            [
                [scale, 0, -scale * self.left + (scale - 1) / 2],
                [0, scale, -scale * self.top + (scale - 1) / 2],
            ]
        )

    def show(self, image: np.ndarray, nearest: bool = False) -> np.ndarray:
        """The part of an image or mask (H, W, ...) that lies in it, 0 beyond the edges: (size, size, ...)."""
        factor = self.side / self.size
        if factor > 1.5 and not nearest:  # warpAffine does not average what it makes smaller
            small = cv2.resize(image, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
            sy, sx = small.shape[0] / image.shape[0], small.shape[1] / image.shape[1]
            matrix = np.array(
                [[self.size / self.side / sx, 0, 0], [0, self.size / self.side / sy, 0]], np.float64
            )
            matrix[:, 2] = -self.left * self.size / self.side, -self.top * self.size / self.side
            return cv2.warpAffine(small, matrix, (self.size, self.size), flags=cv2.INTER_LINEAR)
        flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
        return cv2.warpAffine(image, self._matrix, (self.size, self.size), flags=flags)

    def place(self, shown: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Brings (size, size) float32 values back to a frame of ``size`` (H, W); 0 outside of the view."""
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(shown, self._matrix, (size[1], size[0]), flags=flags)

    def draw(self, hint: Hint) -> np.ndarray:
        """The hint as float32 (3, size, size): box, positive and negative points."""
        maps = np.zeros((3, self.size, self.size), np.float32)
        scale = self.size / self.side
        if hint.box is not None:
            left, top, right, bottom = (
                (v - o) * scale for v, o in zip(hint.box, (self.left, self.top) * 2, strict=True)
            )
            columns, rows = np.arange(self.size) + 0.5, np.arange(self.size) + 0.5
            inside = np.outer((rows >= top) & (rows <= bottom), (columns >= left) & (columns <= right))
            maps[0] = inside
        radius = max(2, round(POINT_RADIUS * self.size))
        for channel, points in ((1, hint.positive), (2, hint.negative)):
            for x, y in points:
                center = round((x - self.left) * scale), round((y - self.top) * scale)
                cv2.circle(maps[channel], center, radius, 1.0, -1)
        return maps
