"""Videos and folders whose frames say their number."""

from __future__ import annotations

import shutil
import subprocess

import cv2
import numpy as np
import pytest

HEIGHT, WIDTH, BITS = 64, 96, 8


needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the ffmpeg executable is not installed"
)


def numbered(number):
    """A frame that shows its number: eight columns, black or white."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    return (
        np.repeat(np.repeat([[255 * bit for bit in bits]], WIDTH // BITS, 1), HEIGHT, 0)[..., None]
        .repeat(3, 2)
        .astype(np.uint8)
    )


def number_of(frame):
    return sum(
        int(frame[HEIGHT // 2, (2 * bit + 1) * WIDTH // BITS // 2, 0] > 127) << bit for bit in range(BITS)
    )


def write_ffmpeg(path, count, *options):
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{WIDTH}x{HEIGHT}",
        "-r",
        "25",
    ]
    data = b"".join(numbered(index).tobytes() for index in range(count))
    subprocess.run([*command, "-i", "-", *options, str(path)], input=data, check=True)
    return path


def write_folder(path, names, size=(HEIGHT, WIDTH)):
    path.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(path / name), cv2.resize(numbered(index), size[::-1]))
    return path
