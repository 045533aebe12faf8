"""What is exported: the objects of one sequence, frame by frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import draw_masks, label_dtype

Masks = Mapping[int, np.ndarray]
"""The bool masks (H, W) of the objects that a frame shows, by id; they may overlap."""


@dataclass(frozen=True)
class Tracks:
    """The objects of one sequence.

    Attributes:
        name: of the sequence, and of its files
        size: (H, W) of the frames
        labels: what each object is, by id from 1
        frames: the name of every frame, in order
        fps: frames per second
        read: reads the labeled frames in order: 0-based index and masks; each call starts over
        images: opens the frames themselves, uint8 (H, W, 3) RGB, in order; None if there are none
        video: the file that holds exactly these frames, if there is one
        every: only each of so many frames is exported, from the first on
        fill: whether frames without labels are exported too, as ones without an object
    """

    name: str
    size: tuple[int, int]
    labels: Mapping[int, str]
    frames: Sequence[str]
    read: Callable[[], Iterator[tuple[int, Masks]]]
    fps: float = 24
    images: Callable[[], Iterable[np.ndarray]] | None = None
    video: str | None = None
    every: int = 1
    fill: bool = False

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """The type of the label maps, the same on all frames: ids above 254 take 16 bits."""
        return label_dtype(self.labels)

    def masks(self) -> Iterator[tuple[int, Masks]]:
        """The frames to export, in order: 0-based index and masks."""
        expected = 0
        for index, masks in self.read():
            yield from self._empty(expected, index)
            expected = index + 1
            if index % self.every == 0:
                yield index, masks
        yield from self._empty(expected, len(self.frames))

    def _empty(self, first: int, end: int) -> Iterator[tuple[int, Masks]]:
        return ((index, {}) for index in range(first, end) if self.fill and index % self.every == 0)

    def label_map(self, masks: Masks) -> tuple[np.ndarray, int]:
        """The label map (H, W) of a frame, the smaller object on top, and how many pixels several objects
        claim."""
        result = np.zeros(self.size, self.dtype)
        draw_masks(result, masks)
        claims = sum(np.count_nonzero(mask) for mask in masks.values())
        return result, claims - np.count_nonzero(result)

    def kept_images(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """The pictures of some frames, by index, in order.

        Raises:
            HS2SError: if they cannot be read, or end too early
        """
        wanted = {*indices}
        end = max(wanted, default=-1) + 1
        images = islice(self.images(), end) if self.images and end else []
        last = -1
        for last, image in enumerate(images):
            if last in wanted:
                yield last, image
        if last + 1 < end:
            raise HS2SError(f"{self.name} has labels on frame {end}, but its frames end at {last + 1}")


@dataclass
class TrackWriter(ABC):
    """Writes sequences in one format, one after the other.

    Attributes:
        folder: where to, a folder that is there
        media: whether to write the frames, or the video, too
        overwrite: whether files of an earlier export may be replaced
        notes: what one should know of each sequence, by its name
    """

    folder: Path
    media: bool = False
    overwrite: bool = False
    notes: dict[str, list[str]] = field(default_factory=dict)

    @abstractmethod
    def add(self, tracks: Tracks) -> int:
        """Writes a sequence; if that fails nothing of it is left.

        Returns:
            the number of frames

        Raises:
            HS2SError: if it cannot be written
        """

    def close(self) -> int:
        """Writes what is about all sequences.

        Returns:
            the number of frames that only now were written
        """
        return 0

    def note(self, name: str, text: str) -> None:
        """Notes what one should know of a sequence."""
        self.notes.setdefault(name, []).append(text)

    def note_overlap(self, name: str, frames: int) -> None:
        """Notes on how many frames objects had to be put on top of each other."""
        if frames:
            count = "1 frame" if frames == 1 else f"{frames} frames"
            self.note(name, f"objects overlap on {count}, and the format has one object a pixel: the smaller")

    def check_free(self, *paths: Path) -> None:
        """Makes sure that nothing is replaced that nobody wanted to be.

        Raises:
            HS2SError: if there is something already
        """
        if not self.overwrite and (there := [path for path in paths if path.exists()]):
            raise HS2SError(f"{there[0]} exists already: give another folder, or overwrite=True")


def label_ids(labels: Iterable[str], known: Mapping[str, int] | None = None) -> dict[str, int]:
    """Numbers of labels from 1, in the order of the alphabet; those that have one already keep it."""
    known = dict(known or {})
    free = (number for number in range(1, 1 << 30) if number not in known.values())
    return known | {label: next(free) for label in sorted({*labels} - known.keys())}
