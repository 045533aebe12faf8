"""Pictures and videos for people: masks drawn over frames, contact sheets, videos that browsers play."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import cv2
import numpy as np
from av.container import OutputContainer

from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.files import new_file, reason
from fiftyone_hs2s.masks import VOID, davis_palette


def draw_overlay(frame: np.ndarray, label_map: np.ndarray, opacity: float = 0.5) -> np.ndarray:
    """Tints each object in its palette colour and lines its border.

    Args:
        frame: uint8 (H, W, 3), RGB
        label_map: uint8 or uint16 (H, W); void (255 in uint8) is left as it is
        opacity: of the tint, 0..1

    Returns:
        uint8 (H, W, 3), RGB
    """
    visible = label_map > 0
    if label_map.dtype == np.uint8:
        visible &= label_map != VOID
    colours = davis_palette()[np.where(label_map > 254, (label_map - 1) % 254 + 1, label_map)]
    result = frame.copy()
    tinted = cv2.addWeighted(frame, 1 - opacity, colours, opacity, 0)
    result[visible] = tinted[visible]
    border = _border(label_map) & visible
    result[border] = colours[border] // 2 + 127  # light, so that dark colours stand out on dark ground
    return result


def _border(label_map: np.ndarray) -> np.ndarray:
    """Pixels near a pixel of another label; the line is about a 300th of the shorter side wide."""
    width = max(1, round(min(label_map.shape) / 300))
    kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    return cv2.dilate(label_map, kernel) != cv2.erode(label_map, kernel)


def contact_sheet(images: Sequence[np.ndarray], columns: int = 4, gap: int = 4) -> np.ndarray:
    """Puts pictures side by side, row by row, on white.

    Args:
        images: uint8 (H, W, 3); all are brought to the size of the first
        columns: how many in a row
        gap: pixels between them

    Returns:
        uint8 (H', W', 3)
    """
    if not images:
        raise ValueError("A contact sheet needs at least one picture.")
    height, width = images[0].shape[:2]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        sheet[top : top + height, left : left + width] = image
    return sheet


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

    def __init__(self, path: str | os.PathLike[str], fps: float = 25, crf: int = 23) -> None:
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
        with self._said():
            self._output = av.open(f"file:{self._part}", "w", format="mp4", options={"movflags": "faststart"})
            stream = self._output.add_stream("libx264", self._rate, options={"crf": str(self._crf), "g": "12"})
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


def write_video(path: str | os.PathLike[str], frames: Iterable[np.ndarray], fps: float = 25) -> None:
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


def write_overlay(
    path: str | os.PathLike[str],
    frames: Iterable[np.ndarray],
    label_maps: Iterable[np.ndarray | None],
    fps: float = 25,
) -> None:
    """Writes a video of label maps over the frames they belong to.

    Args:
        path: the file (MP4)
        frames: uint8 (H, W, 3), RGB
        label_maps: uint8 or uint16 (H, W) for each frame, None to show the frame as it is; may be longer than frames
        fps: frames per second

    Raises:
        HS2SError: as :func:`write_video`
    """
    pairs = zip(frames, label_maps)  # noqa: B905  (the label maps may be endless)
    write_video(
        path, (frame if label_map is None else draw_overlay(frame, label_map) for frame, label_map in pairs), fps
    )
