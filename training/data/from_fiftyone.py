"""Training data from FiftyOne: videos and images with masks, in a dataset or a view.

Everything is read from the database once, in the parent process: what worker processes get are paths, frame numbers
and compressed label maps. A dataset on another machine takes no more than ``FIFTYONE_DATABASE_URI``, as everywhere.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import fiftyone as fo
import numpy as np
from PIL import ExifTags, Image

from fiftyone_hs2s.dataset.fields import check_detections
from fiftyone_hs2s.dataset.labels import pixel_box
from fiftyone_hs2s.dataset.objects import ObjectKey, refuse_shared_label, render
from fiftyone_hs2s.dataset.sequences import LabeledSequence, find_sequences
from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.masks import VOID
from fiftyone_hs2s.tracking import Frames
from training.data.clip import read_image, read_mask
from training.data.pictures import Picture

logger = logging.getLogger(__name__)

_ORIENTATION = ExifTags.Base.Orientation


class StoredVideo:
    """The labeled frames of a video of a dataset; serves training (by place) and validation (in order).

    Args:
        name: for messages
        frames: all frames
        indices: index of each labeled frame, ascending
        maps: their label maps, as PNG
        first_number: the frame number of index 0, for messages
    """

    def __init__(self, name: str, frames: Frames, indices: list[int], maps: list[bytes], first_number: int = 1) -> None:
        self.name, self.indices, self.maps, self._frames = name, indices, maps, frames
        self.first_number = first_number

    def __len__(self) -> int:
        return len(self.indices)

    def open(self) -> Frames:
        """All its frames."""
        return self._frames

    def truth(self) -> Iterator[tuple[int, np.ndarray]]:
        """Index and label map of each labeled frame."""
        yield from ((index, read_mask(png)) for index, png in zip(self.indices, self.maps, strict=True))

    def masks(self, places: Sequence[int]) -> list[np.ndarray]:
        """Label maps of some of the labeled frames."""
        return [read_mask(self.maps[place]) for place in places]

    def frames(self, places: Sequence[int]) -> list[np.ndarray]:
        """The pictures of some of the labeled frames: only those are decoded, each once.

        Raises:
            VideoError: if the video does not have them
        """
        self._frames.verify_length()  # makes seeking exact
        pictures = {place: self._read(self.indices[place]) for place in sorted(set(places))}
        return [pictures[place] for place in places]

    def _read(self, index: int) -> np.ndarray:
        if index >= len(self._frames):
            number = index + self.first_number
            raise VideoError(self._frames.incomplete or f"frame {number} has labels, but the video ends before it")
        return self._frames[index]


def read_videos(samples: fo.Dataset | fo.DatasetView, field: str) -> list[StoredVideo]:
    """The videos, clips of videos, or ordered groups of images of a dataset with their masks.

    Objects are told apart as everywhere: by ``instance``, else ``index``, else label. Frames without labels in the
    field are not annotated and left out; so are, with a warning, labels after the video's end. A sample that cannot be
    used is named, counted and left out: also one where several detections of a frame have only their label in common.

    Args:
        samples: videos, clips of them, or ordered groups of images
        field: a field of ``Detections`` with masks; ``frames.`` may be left out

    Raises:
        HS2SError: if there is no such field, or no sample can be used
    """
    name = check_detections(samples, field)
    videos, failed = [], 0
    for sequence in find_sequences(samples):
        try:
            videos.append(_read_video(sequence, name))
        except HS2SError as error:
            failed += 1
            logger.warning("Left out %s: %s", sequence.name, error)
    if failed:
        logger.warning("%d samples of %d are left out", failed, failed + len(videos))
    if not videos:
        raise HS2SError(f"No sample has a video that can be read and masks in {field!r}: check the field and the media")
    return videos


def read_pictures(samples: fo.Dataset | fo.DatasetView, field: str) -> list[Picture]:
    """The images of a dataset with their instance masks.

    Args:
        samples: images
        field: a field of ``Detections`` with masks; ``frames.`` in front is passed over

    Raises:
        HS2SError: if there is no such field, or no image has a mask
    """
    name = check_detections(samples, field)
    pictures: list[Picture] = []
    for path, detections in zip(*samples.values(["filepath", name]), strict=True):
        try:
            numbers: dict[ObjectKey, int] = {}
            label_map = _label_map(detections, _size(Path(path)), numbers)
        except (HS2SError, OSError) as error:
            logger.warning("Left out %s: %s", path, error)
            continue
        if numbers:
            pictures.append((Path(path), _png(label_map)))
    if not pictures:
        raise HS2SError(f"No image has a mask in {field!r}: detections need masks to train on")
    return pictures


def _read_video(sequence: LabeledSequence, field: str) -> StoredVideo:
    frames = sequence.open()  # a video that cannot be read fails here
    numbers: dict[ObjectKey, int] = {}
    indices, maps = [], []
    for index, detections in sequence.labels(field):
        if index >= len(frames):
            frames.verify_length()  # tells whether it breaks off
            last = len(frames) + sequence.first_number - 1
            reason = f": {frames.incomplete}" if frames.incomplete else ""
            logger.warning("Masks after the last frame, %d, of %s are left out%s", last, sequence.name, reason)
            break
        if detections is not None:
            indices.append(index)
            maps.append(_png(_draw(detections, frames.size, numbers, index + sequence.first_number)))
    if not numbers:
        raise HS2SError(f"none of its frames has a mask in {field!r}")
    return StoredVideo(sequence.name, frames, indices, maps, sequence.first_number)


def _draw(detections: fo.Detections, size: tuple[int, int], numbers: dict[ObjectKey, int], number: int) -> np.ndarray:
    """The label map of a video's frame, see :func:`_label_map`. Several objects of one bare label are refused."""
    try:
        label_map = _label_map(detections, size, numbers)
    except HS2SError as error:
        raise HS2SError(f"frame {number}, {error}") from error
    for key in numbers:
        if len(key) > 2:
            refuse_shared_label(key[1], number)
    return label_map


def _size(path: Path) -> tuple[int, int]:
    """(H, W) of a picture as :func:`read_image` gives it: turned as its EXIF says, which takes reading it."""
    with Image.open(path) as image:
        if image.getexif().get(_ORIENTATION, 1) == 1:
            return image.height, image.width
    height, width, _ = read_image(path).shape
    return height, width


def _label_map(detections: fo.Detections | None, size: tuple[int, int], numbers: dict[ObjectKey, int]) -> np.ndarray:
    """Draws objects, each with the number of its identity; numbers are given as they come, 1 to 254.

    What has a box but no mask is somewhere in its box: nothing is learned from there (255), nor from further objects.
    """
    drawn = render(detections, size, lambda key: min(numbers.setdefault(key, len(numbers) + 1), VOID)).label_map
    label_map = np.zeros(size, np.uint8)
    for detection in detections.detections if detections else ():
        box = None if detection.has_mask else pixel_box(detection, size)
        if box is not None:
            left, top, right, bottom = (max(0, edge) for edge in box)
            label_map[int(top) : round(bottom), int(left) : round(right)] = VOID
    return label_map if drawn is None else np.where(drawn, drawn, label_map).astype(np.uint8)


def _png(label_map: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(label_map).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
