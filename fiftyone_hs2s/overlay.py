"""Pictures and videos for people: masks drawn over frames, contact sheets, videos that browsers play."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, cast

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.files import new_file
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


def require_ffmpeg() -> str:
    """Finds the ffmpeg executable.

    Raises:
        HS2SError: if there is none
    """
    executable = shutil.which("ffmpeg")
    if executable is None:
        raise HS2SError(
            "Videos are written by ffmpeg, which is not installed: apt-get install ffmpeg (or brew, conda)."
        )
    return executable


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
        HS2SError: if there is no ffmpeg, or the file cannot be written
    """

    def __init__(self, path: str | os.PathLike[str], fps: float = 25, crf: int = 23) -> None:
        self._executable, self._path, self._fps, self._crf = require_ffmpeg(), Path(path), fps, crf
        self._process: subprocess.Popen[bytes] | None = None
        self._size: tuple[int, int] | None = None
        self._file = new_file(path)
        self._part = self._file.__enter__()

    def write(self, frame: np.ndarray) -> None:
        """Appends a frame, uint8 (H, W, 3), RGB, of the same size as the first."""
        if self._process is None:
            self._size = frame.shape[:2]
            self._process = self._start(*self._size)
        if frame.shape[:2] != self._size:
            raise VideoError(f"A video has frames of one size: got {frame.shape[:2]} after {self._size}.")
        frame = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), "edge")
        try:
            cast(IO[bytes], self._process.stdin).write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            self._finish()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.ExitStack() as stack:
            stack.push(self._file)  # told of what is raised below, too
            if error is not None:
                self._kill()
                raise error
            if self._process is None:
                raise VideoError(f"There is no frame to write to {self._path}.")
            self._finish()

    def _start(self, height: int, width: int) -> subprocess.Popen[bytes]:
        size = f"{width + width % 2}x{height + height % 2}"
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(self._fps), "-i", "-"]
        target = ["-c:v", "libx264", "-crf", str(self._crf), "-pix_fmt", "yuv420p", "-g", "12"]
        target += ["-movflags", "+faststart"]
        command = [self._executable, "-y", "-v", "error", *source, *target, str(self._part)]
        # in a session of its own, so that Ctrl-C reaches this process alone
        return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _finish(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(BrokenPipeError):
            cast(IO[bytes], self._process.stdin).close()
        with cast(IO[bytes], self._process.stderr) as stream:
            errors = stream.read().decode(errors="replace").strip()
        if self._process.wait():
            raise HS2SError(
                f"ffmpeg could not write {self._path}: {errors.splitlines()[-1] if errors else 'no reason'}"
            )


def write_video(path: str | os.PathLike[str], frames: Iterable[np.ndarray], fps: float = 25) -> None:
    """Writes frames as an H.264 video that browsers play.

    Args:
        path: the file (MP4)
        frames: uint8 (H, W, 3), RGB, all of one size
        fps: frames per second

    Raises:
        HS2SError: if there is no ffmpeg, or the file cannot be written
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
