"""A training clip, and reading the files that it is made of."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import read_label_map

MIN_AREA = 0.002  # of the picture: below, the object of a first frame is not worth learning from


@dataclass
class Clip:
    """One object over T frames.

    Attributes:
        frames: uint8 (T, H, W, 3) RGB
        masks: uint8 (T, H, W): 0 background, 1 object, 255 ignore
    """

    frames: np.ndarray
    masks: np.ndarray

    @classmethod
    def of_object(cls, frames: np.ndarray, masks: np.ndarray, ignore: np.ndarray | None = None) -> Clip | None:
        """A clip from bool masks; None if the object is hardly there on the first frame."""
        if masks[0].mean() < MIN_AREA:
            return None
        labels = masks.astype(np.uint8)
        if ignore is not None:
            labels[ignore] = 255
        return cls(frames, labels)

    def flipped(self) -> Clip:
        """The clip mirrored."""
        return Clip(self.frames[:, :, ::-1], self.masks[:, :, ::-1])

    def turned(self) -> Clip:
        """The clip turned by 90 degrees."""
        return Clip(np.rot90(self.frames, axes=(1, 2)), np.rot90(self.masks, axes=(1, 2)))


def read_image(path: Path) -> np.ndarray:
    """Reads a picture as uint8 (H, W, 3) RGB.

    Raises:
        HS2SError: if it cannot be read
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise HS2SError(f"Cannot read the picture {path}; replace or remove it")
    return np.ascontiguousarray(image[:, :, ::-1])


def read_mask(source: Path | bytes) -> np.ndarray:
    """Reads a label map (H, W): a file as :func:`read_label_map` does, or the content of a PNG of plain values.

    Raises:
        HS2SError: if it cannot be read
    """
    if isinstance(source, Path):
        return read_label_map(source)
    with Image.open(io.BytesIO(source)) as image:
        return np.array(image)
