"""Video files: every frame is the one that the ``ffmpeg`` command gives, forward, backward and from
anywhere."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import av
import numpy as np

from fiftyone_hs2s.errors import VideoError
from fiftyone_hs2s.tracking.containers import find_damage
from fiftyone_hs2s.tracking.conversion import Converter
from fiftyone_hs2s.tracking.decoding import DamageError, Reading
from fiftyone_hs2s.tracking.frame_index import FrameIndex
from fiftyone_hs2s.tracking.sources import Flaw, Source

_STRETCH_BYTES = 64 * 2**20
"""How much of a video backward reading may hold at once."""


class VideoSource(Source):
    """A video file, turned as its metadata say.

    Its frames are those that ``ffmpeg -fps_mode passthrough`` and so FiftyOne gives and counts: all that come
    out of the decoder, none repeated or left out for the frame rate. So it is with a damaged file, whose
    ``flaw`` then tells.

    Args:
        path: the file

    Raises:
        VideoError: if it cannot be opened, or holds no frame
    """

    def __init__(self, path: Path) -> None:
        self.path, self.label = path, str(path)
        self._index: FrameIndex | None = None
        self._count: int | None = None
        with Reading(path) as reading:
            self.fps = reading.fps
            self._damaged_from = find_damage(path, reading.format)
            self._is_damaged = self._damaged_from is not None
            frame = next(reading.frames(), None)
            if frame is None:
                raise VideoError(
                    f"The video {path} holds no frame that can be decoded: it is empty or damaged."
                )
            self.size = Converter()(frame).shape[:2]

    @property
    def count(self) -> int:  # type: ignore[override]
        """Number of frames: those in the file, until all were decoded; then those that the decoder gave."""
        if self._count is None:
            with Reading(self.path) as reading:
                self._count = reading.count_frames()
        return self._count

    def decode(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        if stop is not None and stop <= start:
            return
        convert = Converter(self.size)
        with closing(self._read(start)) as frames:
            for index, frame in enumerate(frames, start):
                yield convert(frame)
                if index + 1 == stop:
                    return

    def decode_backward(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Decodes short stretches from the last to the first, and turns each round."""
        length = max(8, min(64, _STRETCH_BYTES // (3 * self.size[0] * self.size[1])))
        while stop > start:
            begin = max(start, stop - length)
            stretch = list(self.decode(begin, stop))
            if len(stretch) < stop - begin:
                between = f"its frames {begin} and {stop}, counted from 0"
                self.flaw = Flaw(begin, f"The video {self.path} cannot be decoded between {between}.")
                return
            while stretch:
                yield stretch.pop()  # held no longer than needed: the next stretch comes soon
            stop = begin

    def prepare_seeking(self) -> None:
        """Decodes the video once to learn its true length and its :class:`FrameIndex`."""
        if self._index is None:
            index = FrameIndex()
            for frame in self._read(0):
                index.add(frame)
            self._index = index

    def _read(self, start: int) -> Generator[av.VideoFrame]:
        """The frames from some number on, to the end.

        Where several threads meet damage, or a seek does not give the right frames, it continues without
        them.
        """
        while True:
            with Reading(self.path, self._is_damaged, self._damaged_from) as reading:
                index = self._index if self._index and reading.seek(self._index, start) else None
                try:
                    for frame in reading.frames():
                        if index and not index.matches(reading.number, frame):
                            index.forget_keys()
                            break
                        if reading.number >= start:
                            yield frame
                            start += 1
                    else:
                        self._count = reading.number
                        return
                except DamageError:
                    self._is_damaged = True
                finally:
                    self._note_flaw(reading)

    def _note_flaw(self, reading: Reading) -> None:
        if reading.damaged_at is None or (self.flaw and not reading.is_cut):
            return
        number = reading.number
        if reading.is_cut:
            total = f" of {reading.announced}" if reading.announced > number else ""
            reason = f"ends early, after {number}{total} frames"
        elif reading.damaged_at:
            reason = (
                f"is damaged after {reading.damaged_at} frames: those that follow may be missing or wrong"
            )
        else:
            reason = "is damaged from its start on: frames may be missing or wrong"
        self.flaw = Flaw(reading.damaged_at, f"The video {self.path} {reason}.")
