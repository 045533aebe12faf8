"""A training clip, and reading the files that it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import VOID, read_label_map
from fiftyone_hs2s.training.data.augment import Size

MIN_AREA = 0.002  # of the picture: below, the object of a first frame is not worth learning from


@dataclass
class Clip:
    """The objects to track over T frames; what else there is belongs to the background.

    Attributes:
        frames: uint8 (T, H, W, 3) RGB
        masks: uint8 (T, H, W): 0 background, 1..K the objects, each of at least MIN_AREA on the first frame,
            255 ignore
    """

    frames: np.ndarray
    masks: np.ndarray

    @classmethod
    def of_objects(
        cls,
        frames: np.ndarray,
        labels: np.ndarray,
        rng: np.random.Generator | None = None,
        objects: int = 1,
        min_area: float = MIN_AREA,
    ) -> Clip | None:
        """A clip of the objects that are large enough on the first frame; None if there is none.

        Args:
            frames: uint8 (T, H, W, 3)
            labels: uint8 (T, H, W): 0 background, 255 ignore, else any numbers
            rng: draws the objects that are kept, where there are too many
            objects: how many are kept at most
            min_area: what is large enough, as a share of the picture
        """
        areas = np.bincount(labels[0].ravel(), minlength=256)[1:VOID]
        ids = np.flatnonzero(areas >= max(1, min_area * labels[0].size)) + 1
        if len(ids) > objects:
            ids = rng.choice(ids, objects, replace=False) if rng else ids[:objects]
        return cls(frames, renumber(labels, ids)) if len(ids) else None

    def flipped(self) -> Clip:
        """The clip mirrored."""
        return Clip(self.frames[:, :, ::-1], self.masks[:, :, ::-1])

    def turned(self) -> Clip:
        """The clip turned by 90 degrees."""
        return Clip(np.rot90(self.frames, axes=(1, 2)), np.rot90(self.masks, axes=(1, 2)))


class ClipSource(Protocol):
    """Something that draws clips."""

    def sample(self, rng: np.random.Generator, length: int, size: Size) -> Clip | None:
        """Draws a clip of ``length`` frames at ``size`` (H, W), or None if the draw failed."""


def renumber(labels: np.ndarray, ids: Sequence[int] | np.ndarray) -> np.ndarray:
    """Numbers the objects ``ids`` of label maps 1, 2, ..., as uint8; the others become background, void
    stays."""
    numbers = np.zeros(max(256, int(labels.max()) + 1), np.uint8)
    numbers[np.asarray(ids, int)] = np.arange(1, len(ids) + 1)
    if labels.dtype == np.uint8:
        numbers[VOID] = VOID
    return numbers[labels]


ImageSource = Path | Callable[[], np.ndarray]


def read_image(path: ImageSource) -> np.ndarray:
    """Reads a picture as uint8 (H, W, 3) RGB: a file, or what a function gives.

    Raises:
        HS2SError: if it cannot be read
    """
    if not isinstance(path, Path):
        return path()
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise HS2SError(f"Cannot read the picture {path}; replace or remove it")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


MaskSource = Path | Callable[[], np.ndarray]


def read_mask(source: MaskSource) -> np.ndarray:
    """Reads a label map (H, W): a file as :func:`read_label_map` does, or what a function gives.

    Raises:
        HS2SError: if it cannot be read
    """
    return read_label_map(source) if isinstance(source, Path) else source()
