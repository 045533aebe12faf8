"""Where frames come from: a folder of images, an array, a file (``video``). ``frames.Frames`` is the face
of these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fiftyone_hs2s.errors import VideoError
from fiftyone_hs2s.mask_files.layouts import natural_key
from fiftyone_hs2s.tracking.images import read_image, used_bits

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
_DEEP_SUFFIXES = {".png", ".tif", ".tiff"}  # may have 16 bits


class Flaw(NamedTuple):
    """What is wrong with a video.

    Attributes:
        number: of frames before it
        reason: what is wrong, in a sentence
    """

    number: int
    reason: str


class Source(ABC):
    """Frames by index.

    Attributes:
        label: what to call it in messages
        size: (H, W) of every frame
        count: number of frames, as far as known
        fps: frames per second, None if unknown
        flaw: where and why frames are missing or wrong, as far as known; None if there is no such place
    """

    label: str
    size: tuple[int, int]
    count: int
    fps: float | None = None
    flaw: Flaw | None = None

    @abstractmethod
    def decode(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """Yields frames start, start + 1, ... up to stop (exclusive) or the end, as uint8 (H, W, 3) RGB."""

    def decode_backward(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Yields frames stop - 1, stop - 2, ... down to start. ``prepare_seeking`` has been called before."""
        for index in range(stop - 1, start - 1, -1):
            frame = next(self.decode(index, index + 1), None)
            if frame is None:
                return
            yield frame

    def name(self, index: int) -> str:
        """The name of a frame."""
        return f"{index:05d}"

    def prepare_seeking(self) -> None:  # noqa: B027  (most sources need none)
        """Called before frames are read in another order than that of time."""


class ArraySource(Source):
    """Frames that are in memory already.

    Args:
        frames: uint8 (T, H, W, 3) or a sequence of (H, W, 3)
    """

    def __init__(self, frames: np.ndarray | Sequence[np.ndarray]) -> None:
        if len(frames) == 0:
            raise VideoError("The array of frames is empty.")
        for frame in frames:
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape != (*frames[0].shape[:2], 3):
                raise VideoError(f"Frames are uint8 (H, W, 3) of one size, not {frame.dtype} {frame.shape}.")
        self.frames, self.label = frames, "array"
        self.size, self.count = tuple(frames[0].shape[:2]), len(frames)

    def decode(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        return iter(self.frames[start:stop])


class ImageSource(Source):
    """Images in the order of a list, wherever they lie.

    Args:
        files: the image files, of one size
        label: what to call them in messages; their folder by default

    Raises:
        VideoError: if the first one cannot be read
    """

    def __init__(self, files: Sequence[Path], label: str | None = None) -> None:
        self.files, self.count = list(files), len(files)
        self.label = label or str(files[0].parent)
        first = read_image(self.files[0])
        if first is None:
            raise VideoError(f"The first frame {self.files[0]} is missing, damaged or not an image.")
        self.size = first.shape[:2]

    @cached_property
    def _bits(self) -> int:
        return used_bits(self.files) if self.files[0].suffix.lower() in _DEEP_SUFFIXES else 16

    def name(self, index: int) -> str:
        return self.files[index].stem

    def decode(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        for index in range(start, self.count if stop is None else min(stop, self.count)):
            frame = read_image(self.files[index], self._bits)
            if frame is None or frame.shape[:2] != self.size:
                self._end_early(index, frame)
                return
            yield frame

    def _end_early(self, index: int, frame: np.ndarray | None) -> None:
        """A frame that cannot be used ends the video: continuing without it would lose the objects
        unnoticed."""
        height, width = self.size
        what = (
            "is damaged"
            if frame is None
            else f"is {frame.shape[0]}x{frame.shape[1]}, not {height}x{width} pixels"
        )
        reason = f"The frames in {self.label} end early at {self.files[index].name}, which {what}."
        self.flaw = Flaw(index, reason)


def list_images(folder: Path) -> list[Path]:
    """The images of a folder in natural order of their names; files of other kinds are skipped.

    Raises:
        VideoError: if there is none, or if two have one name
    """
    files = [
        file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.name[0] != "."
    ]
    if not files:
        inner = next((sub.name for sub in sorted(folder.iterdir()) if sub.is_dir()), None)
        hint = f": give one of its folders, such as {inner}, or use 'hs2s benchmark' for all" if inner else ""
        raise VideoError(f"The folder {folder} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}){hint}.")
    twice = next((stem for stem, count in Counter(file.stem for file in files).items() if count > 1), None)
    if twice is not None:
        raise VideoError(f"The folder {folder} holds more than one image named {twice}: keep one of them.")
    return sorted(files, key=lambda file: natural_key(file.stem))
