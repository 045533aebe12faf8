"""Videos that browsers play."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.container import OutputContainer

from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.files import PathLike, new_file, reason


class VideoWriter:
    """Writes an H.264 video (MP4) that browsers play, frame by frame; the file appears when it is complete.

        with VideoWriter("overlay.mp4", fps=25) as video:
            video.write(frame)

    A side of odd length is made even by repeating its last pixel. Leaving by an exception leaves no file.

    Args:
        path: the file to write
        fps: frames per second
        crf: how much is lost, 0 to 51, as x264 counts; from 17 down nobody sees it

    Raises:
        HS2SError: if the file cannot be written
    """

    def __init__(self, path: PathLike, fps: float = 25, crf: int = 23) -> None:
        self._path, self._rate, self._crf = Path(path), Fraction(fps).limit_denominator(1001), crf
        self._output: OutputContainer | None = None
        self._size: tuple[int, int] | None = None
        self._file = new_file(path)
        self._part = self._file.__enter__()

    def write(self, frame: np.ndarray) -> None:
        """Appends a frame, uint8 (H, W, 3), RGB, of the same size as the first."""
        self._size = self._size or frame.shape[:2]
        if frame.shape[:2] != self._size:
            raise VideoError(f"A video has frames of one size: got {frame.shape[:2]} after {self._size}.")
        frame = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), "edge")
        if self._output is None:
            self._start(*frame.shape[:2])
        self._encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"))

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.ExitStack() as stack:
            stack.push(self._file)  # told of what is raised below, too
            if error is not None:
                with contextlib.suppress(av.FFmpegError):
                    self._close()
                raise error
            if self._output is None:
                raise VideoError(f"There is no frame to write to {self._path}.")
            self._encode(None)
            with self._said():
                self._close()

    def _start(self, height: int, width: int) -> None:
        av.logging.set_level(None)  # see tracking/decoding.py
        with self._said():
            self._output = av.open(f"file:{self._part}", "w", format="mp4", options={"movflags": "faststart"})
            stream = self._output.add_stream(
                "libx264", self._rate, options={"crf": str(self._crf), "g": "12"}
            )
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            stream.thread_type = "AUTO"

    def _encode(self, frame: av.VideoFrame | None) -> None:
        with self._said():
            output = cast(OutputContainer, self._output)
            output.mux(output.streams.video[0].encode(frame))

    def _close(self) -> None:
        if self._output is not None:
            self._output.close()

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except av.FFmpegError as error:
            raise HS2SError(f"The video {self._path} cannot be written ({reason(error)}).") from error


def write_video(path: PathLike, frames: Iterable[np.ndarray], fps: float = 25) -> None:
    """Writes frames as an H.264 video that browsers play.

    Args:
        path: the file (MP4)
        frames: uint8 (H, W, 3), RGB, all of one size
        fps: frames per second

    Raises:
        HS2SError: if the file cannot be written
    """
    with VideoWriter(path, fps) as video:
        for frame in frames:
            video.write(frame)
