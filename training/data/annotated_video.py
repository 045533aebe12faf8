"""Videos with masks, to learn from and to validate on, wherever they are kept."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from fiftyone_hs2s.errors import VideoError
from fiftyone_hs2s.tracking import Frames

_OPEN = 32  # videos that a process keeps open

logger = logging.getLogger(__name__)


class AnnotatedVideo(ABC):
    """A video with a label map for some of its frames. It is sent to worker processes, so it holds little.

    Attributes:
        name: for messages
        indices: the annotated frames, ascending from 0; some may turn out to lie after the video's end
        spacing: frames from one annotated frame to the next; clips of sparse ones take smaller steps
        first_number: what messages call frame 0
    """

    name: str
    indices: Sequence[int]
    spacing = 1
    first_number = 0

    @abstractmethod
    def open(self) -> Frames:
        """All its frames."""

    @abstractmethod
    def label_map(self, index: int, size: tuple[int, int]) -> np.ndarray:
        """The label map (H, W) of an annotated frame: 0 background, 255 ignore.

        Args:
            index: of the frame
            size: (H, W) of the frames

        Raises:
            HS2SError: if it cannot be read
        """


class OpenVideo:
    """The annotated frames of a video, by their place among one another.

    Args:
        video: the video

    Attributes:
        frames: all frames
        indices: the annotated ones that there are

    Raises:
        HS2SError: if the video cannot be read, or has no annotated frame
    """

    def __init__(self, video: AnnotatedVideo) -> None:
        self._video, self.frames = video, video.open()
        self.frames.verify_length()  # makes seeking exact
        self.indices = [index for index in video.indices if index < len(self.frames)]
        reason = self.frames.incomplete
        if not self.indices:
            raise VideoError(reason or "none of its frames has a mask before the video's end")
        if len(self.indices) < len(video.indices):
            last, why = len(self.frames) - 1 + video.first_number, f": {reason}" if reason else ""
            logger.warning("Masks after the last frame, %d, of %s are left out%s", last, video.name, why)

    def label_maps(self, places: Sequence[int]) -> list[np.ndarray]:
        """Label maps of some of the annotated frames; beyond the last, of that one.

        Raises:
            HS2SError: if one cannot be read
        """
        indices = [self._index(place) for place in places]
        maps = {index: self._video.label_map(index, self.frames.size) for index in set(indices)}
        return [maps[index] for index in indices]

    def pictures(self, places: Sequence[int]) -> list[np.ndarray]:
        """Likewise the pictures, uint8 RGB (H, W, 3): only those are decoded, each once.

        Raises:
            VideoError: if one cannot be read
        """
        indices = [self._index(place) for place in places]
        pictures = {index: self.frames[index] for index in sorted(set(indices))}
        return [pictures[index] for index in indices]

    def truth(self) -> Iterator[tuple[int, np.ndarray]]:
        """Index and label map of each annotated frame, ascending.

        Raises:
            HS2SError: if one cannot be read
        """
        for index in self.indices:
            yield index, self._video.label_map(index, self.frames.size)

    def _index(self, place: int) -> int:
        return self.indices[min(place, len(self.indices) - 1)]


@lru_cache(maxsize=_OPEN)
def open_video(video: AnnotatedVideo) -> OpenVideo:
    """Opens a video, or gives it again: those that were used last stay open."""
    return OpenVideo(video)


def usual_spacing(indices: Sequence[int]) -> int:
    """The median distance of ascending numbers; 1 if there are less than two."""
    return int(np.median(np.diff(indices))) if len(indices) > 1 else 1
