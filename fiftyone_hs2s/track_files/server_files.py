"""The zip file of an evaluation server, from tracks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import PathLike, reason
from fiftyone_hs2s.mask_files.layouts import IMAGES, find_part, read_split
from fiftyone_hs2s.mask_files.server_zip import write_server_zip
from fiftyone_hs2s.track_files.tracks import Tracks, TrackWriter

Expected = dict[str, dict[str, tuple[int, int]]]
"""The size (H, W) of each frame that the server scores, by sequence and frame."""


@dataclass
class ServerWriter(TrackWriter):
    """``<server>.zip``, written when all sequences are there: a sequence that cannot be read leaves no file
    at all.

    Attributes:
        server: whose, see :data:`fiftyone_hs2s.mask_files.server_zip.SERVERS`
        expected: what the server asks for; None for all that is there
    """

    server: str = "davis2017"
    expected: Expected | None = None
    sequences: dict[str, Tracks] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.check_free(self.folder / f"{self.server}.zip")

    def add(self, tracks: Tracks) -> int:
        self.sequences[tracks.name] = tracks
        return 0

    def close(self) -> int:
        masks = {name: self._masks(tracks) for name, tracks in self.sequences.items()}
        return write_server_zip(self.folder / f"{self.server}.zip", self.server, masks, self.expected)

    def _masks(self, tracks: Tracks) -> Iterator[tuple[str, np.ndarray]]:
        overlaps = 0
        for index, masks in tracks.masks():
            label_map, claimed = tracks.label_map(masks)
            overlaps += claimed > 0
            yield tracks.frames[index], label_map
        self.note_overlap(tracks.name, overlaps)


def expected_frames(root: PathLike, split: str | None = None) -> Expected:
    """What a server asks for: the frames in a data set's ``JPEGImages``.

    Args:
        root: of the data set
        split: a list in its ``ImageSets`` such as ``test-dev``; None for all sequences

    Raises:
        HS2SError: if there are no such frames, or one cannot be read
    """
    images = find_part(root, IMAGES)
    if images is None:
        raise HS2SError(f"There is no folder {Path(root) / IMAGES}.")
    names = read_split(root, split) if split else sorted(sub.name for sub in images.iterdir() if sub.is_dir())
    expected = {
        name: {file.stem: _size(file) for file in sorted((images / name).glob("*.jpg"))} for name in names
    }
    if lost := [name for name, frames in expected.items() if not frames]:
        raise HS2SError(f"There are no JPEG files in {images / lost[0]}.")
    if not expected:
        raise HS2SError(f"{images} holds no folders with frames.")
    return expected


def _size(file: Path) -> tuple[int, int]:
    try:
        with Image.open(file) as image:
            return image.height, image.width
    except OSError as error:
        raise HS2SError(f"{file} cannot be read ({reason(error)})") from error
