"""Where frames come from: a video file, a folder of images, an array. ``frames.Frames`` is the face of these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import count as count_from
from pathlib import Path

import cv2
import numpy as np

from fiftyone_hs2s.errors import VideoError
from fiftyone_hs2s.masks import natural_key

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}

_STRETCH_BYTES = 64 * 2**20
"""How much of a video file backward reading may hold at once."""


class Source(ABC):
    """Frames by index.

    Attributes:
        label: what to call it in messages
        size: (H, W) of every frame
        count: number of frames, as far as known
        fps: frames per second, None if unknown
        incomplete: why it ends earlier than announced, None if it does not
    """

    label: str
    size: tuple[int, int]
    count: int
    fps: float | None = None
    incomplete: str | None = None

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


class FolderSource(Source):
    """Images in a folder, in natural order of their names.

    Args:
        folder: files of other kinds in it are passed over
    """

    def __init__(self, folder: Path) -> None:
        files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.name[0] != "."]
        self.files = sorted(files, key=natural_key)
        if not files:
            raise VideoError(f"The folder {folder} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}).")
        stems = [file.stem for file in self.files]
        twice = next((stem for stem in stems if stems.count(stem) > 1), None) if len(set(stems)) < len(stems) else None
        if twice is not None:
            raise VideoError(f"The folder {folder} holds more than one image named {twice}: keep one of them.")
        self.label, self.count = str(folder), len(files)
        first = _read_image(self.files[0])
        if first is None:
            raise VideoError(f"The first frame {self.files[0]} is damaged or no image.")
        self.size = first.shape[:2]

    def name(self, index: int) -> str:
        return self.files[index].stem

    def decode(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        for index in range(start, self.count if stop is None else min(stop, self.count)):
            frame = _read_image(self.files[index])
            if frame is None or frame.shape[:2] != self.size:
                self._break_off(index, frame)
                return
            yield frame

    def _break_off(self, index: int, frame: np.ndarray | None) -> None:
        """A frame that cannot be used ends the video: going on without it would lose the objects unnoticed."""
        height, width = self.size
        what = "is damaged" if frame is None else f"is {frame.shape[0]}x{frame.shape[1]}, not {height}x{width} pixels"
        self.incomplete = f"The frames in {self.label} break off at {self.files[index].name}, which {what}."


def _read_image(path: Path) -> np.ndarray | None:
    try:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):
        return None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class VideoSource(Source):
    """A video file, decoded by OpenCV (FFmpeg), turned as its metadata say.

    Args:
        path: the file
    """

    def __init__(self, path: Path) -> None:
        self.path, self.label = path, str(path)
        self._times: dict[float, int] | None = None
        capture = self._open()
        frame = _retrieve(capture) if capture.grab() else None
        if frame is None:
            raise VideoError(f"The video {path} holds no frame that can be decoded: it is empty or damaged.")
        self.size = frame.shape[:2]
        self.fps = capture.get(cv2.CAP_PROP_FPS) or None
        self.count = self._announced = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()
        if self.count < 1:
            self.prepare_seeking()

    def decode(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        capture, position = self._seek(start)
        try:
            for index in count_from(position) if stop is None else range(position, stop):
                if not capture.grab():
                    self._reach_end(index)
                    return
                if index < start:
                    continue
                frame = _retrieve(capture)
                if frame is None:
                    self._reach_end(index)
                    return
                yield frame
        finally:
            capture.release()

    def decode_backward(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Decodes short stretches from the last to the first, and turns each round."""
        length = max(8, min(64, _STRETCH_BYTES // (3 * self.size[0] * self.size[1])))
        while stop > start:
            begin = max(start, stop - length)
            stretch = list(self.decode(begin, stop))
            if len(stretch) < stop - begin:
                self.incomplete = f"The video {self.path} cannot be decoded between frames {begin} and {stop}."
                return
            while stretch:
                yield stretch.pop()  # held no longer than needed: the next stretch comes soon
            stop = begin

    def prepare_seeking(self) -> None:
        """Decodes the video once to learn its true length and the time stamp of each frame.

        Time stamps are what makes seeking exact: containers and decoders differ in where a seek by frame number lands.
        """
        if self._times is not None:
            return
        capture, times, index = self._open(), {}, 0
        while capture.grab():
            times[capture.get(cv2.CAP_PROP_POS_MSEC)] = index
            index += 1
        capture.release()
        self._times = times if len(times) == index else {}
        self._reach_end(index)

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self.path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise VideoError(f"The video {self.path} cannot be opened: it is damaged, incomplete, or no video.")
        return capture

    def _seek(self, start: int) -> tuple[cv2.VideoCapture, int]:
        """A capture, and the index (at most ``start``) of the frame that it grabs next."""
        margin = 1
        while self._times and start > margin:
            capture = self._open()
            capture.set(cv2.CAP_PROP_POS_FRAMES, start - margin)
            found = self._times.get(capture.get(cv2.CAP_PROP_POS_MSEC)) if capture.grab() else None
            if found is not None and found < start:
                return capture, found + 1
            capture.release()
            margin *= 8
        return self._open(), 0

    def _reach_end(self, index: int) -> None:
        """Notes the true length; an announced one is an estimate in some containers, so a little less is no fault."""
        self.count = index
        if index < self._announced - max(2, 0.02 * self._announced):
            self.incomplete = f"The video {self.path} breaks off after {index} of {self._announced} frames."


def _retrieve(capture: cv2.VideoCapture) -> np.ndarray | None:
    ok, frame = capture.retrieve()
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if ok and frame is not None and frame.size else None
