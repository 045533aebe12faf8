"""Frames from a list of image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from fiftyone_hs2s.errors import VideoError
from fiftyone_hs2s.tracking import Frames
from fiftyone_hs2s.tracking.sources import FolderSource


class ListSource(FolderSource):
    """Images in the order of a list, wherever they lie.

    Args:
        files: the image files; they must have one size

    Raises:
        VideoError: if the first one cannot be read
    """

    def __init__(self, files: Sequence[str]) -> None:
        self.files = [Path(file) for file in files]
        self.label, self.count = str(self.files[0].parent), len(files)
        first = cv2.imread(files[0])
        if first is None:
            raise VideoError(f"The first frame {files[0]} is missing, damaged or no image.")
        self.size = first.shape[:2]


def open_images(files: Sequence[str]) -> Frames:
    """Opens images as the frames of a video.

    Args:
        files: the image files in order
    """
    return Frames(ListSource(files))
