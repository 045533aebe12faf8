"""One way to read frames, whether they lie in a video file, a folder of images or an array."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.files import PathLike, check_file
from fiftyone_hs2s.tracking.prefetch import prefetch
from fiftyone_hs2s.tracking.sources import ArraySource, ImageSource, Source, list_images
from fiftyone_hs2s.tracking.video import VideoSource


class Frames:
    """A video, or a stretch of one: frames in order, decoded ahead in a thread while they are worked on.

    Iterating gives uint8 arrays (H, W, 3), RGB. Frames are read again at each iteration and never kept, so
    memory does not depend on the length. ``frames[i]``, ``frames[i:j]`` and ``frames.reversed()`` work as for
    a list; the latter two are views that read nothing by themselves.

    The length of a video file is the number of coded frames in it, until it has been read to its end.

    Args:
        source: where the frames come from
        start: first frame of the stretch, 0-based
        stop: end of the stretch (exclusive); None for the end of the video
        backward: whether to go from the end to the start
    """

    def __init__(
        self, source: Source, start: int = 0, stop: int | None = None, backward: bool = False
    ) -> None:
        self._source, self._start, self._stop, self._backward = source, start, stop, backward

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of every frame, in pixels."""
        return self._source.size

    @property
    def fps(self) -> float | None:
        """Frames per second, None if unknown (folders and arrays)."""
        return self._source.fps

    @property
    def incomplete(self) -> str | None:
        """Why frames of the stretch are missing or wrong, in a sentence; None as long as nothing is amiss.

        Known once the place where the video is damaged or ends early has been reached.
        """
        flaw = self._source.flaw
        return flaw.reason if flaw and (self._stop is None or flaw.number < self._stop) else None

    @property
    def names(self) -> list[str]:
        """The name of each frame: a folder's file names without ending, else 00000, 00001, ..."""
        return [self._source.name(index) for index in self._indices()]

    def name(self, index: int) -> str:
        """The name of one frame.

        Args:
            index: 0-based; may lie beyond the announced length of a video file
        """
        return self._source.name(self._indices()[index] if self._backward else self._start + index)

    def __len__(self) -> int:
        return len(self._indices())

    def __iter__(self) -> Iterator[np.ndarray]:
        if not self._backward:
            return prefetch(self._source.decode(self._start, self._stop))
        indices = self._indices()
        return prefetch(self._source.decode_backward(self._start, self._start + len(indices)))

    @overload
    def __getitem__(self, key: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, key: slice) -> Frames: ...

    def __getitem__(self, key: int | slice) -> np.ndarray | Frames:
        if isinstance(key, slice):
            return self._slice(key)
        index = self._indices()[key]
        frame = next(self._source.decode(index, index + 1), None)
        if frame is None:
            raise VideoError(self.incomplete or f"The video {self._source.label} has no frame {index}.")
        return frame

    def reversed(self) -> Frames:
        """The same frames, last one first. A video file is read once to learn its true length."""
        self.verify_length()
        return Frames(self._source, self._start, self._stop, not self._backward)

    def verify_length(self) -> None:
        """Makes ``len`` the true length, which for a video file means to read it once to its end."""
        self._source.prepare_seeking()

    def _indices(self) -> range:
        count = self._source.count
        indices = range(min(self._start, count), count if self._stop is None else min(self._stop, count))
        return indices[::-1] if self._backward else indices

    def _slice(self, key: slice) -> Frames:
        if key.step not in (None, 1):
            raise ValueError("Frames can be sliced with step 1 only; frames.reversed() goes backward.")
        start, stop = key.start or 0, self._stop
        if start >= 0 and (key.stop is None or key.stop >= 0) and not self._backward:  # needs no length
            if key.stop is not None:
                stop = self._start + key.stop if stop is None else min(stop, self._start + key.stop)
            return Frames(self._source, self._start + start, stop)
        indices = self._indices()[key]
        low, high = sorted((indices[0], indices[-1])) if indices else (0, -1)
        return Frames(self._source, low, high + 1, self._backward)


def open_frames(media: PathLike | np.ndarray | Sequence[PathLike] | Sequence[np.ndarray]) -> Frames:
    """Opens a video.

    Args:
        media: path of a video file or of a folder of images (natural order of their names), paths of images
            in order, or the frames themselves: uint8 RGB, (T, H, W, 3) or a sequence of (H, W, 3)

    Raises:
        VideoError: if there is no frame to be read there
    """
    if not isinstance(media, (str, os.PathLike)):
        return Frames(_source_of_many(media))
    try:
        path = check_file(media, "video or folder", folders=True)
    except HS2SError as error:
        raise VideoError(f"{error}.") from error
    return Frames(ImageSource(list_images(path), str(path)) if path.is_dir() else VideoSource(path))


def _source_of_many(media: Any) -> Source:
    if len(media) and isinstance(media[0], (str, os.PathLike)):
        return ImageSource([Path(file) for file in media])
    return ArraySource(media)
