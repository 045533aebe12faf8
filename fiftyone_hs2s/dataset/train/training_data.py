"""Training data from FiftyOne: videos and images with masks, in a dataset or a view.

One query lists which frames show which objects. Masks are read when a clip is drawn, by the process that
draws it, and a video is opened at its first use, so that a run starts as fast, and takes as little memory,
with thousands of videos as with a few. A dataset on another machine takes no more than
``FIFTYONE_DATABASE_URI``, as everywhere.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import fiftyone as fo
import numpy as np
from PIL import ExifTags, Image

from fiftyone_hs2s.dataset.census import census
from fiftyone_hs2s.dataset.fields import check_detections
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.frame_paths import field_path
from fiftyone_hs2s.dataset.labels import pixel_box
from fiftyone_hs2s.dataset.objects import ObjectKey, check_distinct, render
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.dataset.stored_view import StoredView
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import VOID
from fiftyone_hs2s.tracking import Frames
from fiftyone_hs2s.training.data.annotated_video import AnnotatedVideo, usual_spacing
from fiftyone_hs2s.training.data.clip import read_image
from fiftyone_hs2s.training.data.pictures import Picture

logger = logging.getLogger(__name__)

_ORIENTATION = ExifTags.Base.Orientation
_HAS_MASK = fo.ViewField("mask").exists() | fo.ViewField("mask_path").exists()

Shown = dict[int, list[ObjectKey]]
"""The objects of each labeled frame, by its index."""


class StoredVideo(AnnotatedVideo):
    """A video of a dataset: what training sees of a sequence.

    Args:
        sequence: it, in the database
        field: the field with the masks
        shown: its labeled frames
    """

    def __init__(self, sequence: LabeledSequence, field: str, shown: Shown) -> None:
        self.name, self.first_number = sequence.name, sequence.number(0)
        self._sequence, self._field = sequence, field
        self.indices = sorted(shown)
        self.spacing = usual_spacing(self.indices)
        self._numbers: dict[ObjectKey, int] = {}
        for index in self.indices:
            for key in shown[index]:
                self._numbers.setdefault(key, len(self._numbers) + 1)

    def open(self) -> Frames:
        return self._sequence.open()

    def label_map(self, index: int, size: tuple[int, int]) -> np.ndarray:
        try:
            return _label_map(self._sequence.read_at(self._field, index), size, self._numbers)
        except HS2SError as error:
            raise HS2SError(f"frame {self._sequence.number(index)}, {error}") from error


@dataclass(frozen=True)
class StoredMask:
    """The label map of an image of a dataset, drawn when it is asked for."""

    stored: StoredView
    sample_id: str
    path: Path
    field: str

    def __call__(self) -> np.ndarray:
        """Label map (H, W) of the picture's size.

        Raises:
            HS2SError: if the picture or a mask cannot be read
        """
        (detections,) = self.stored.samples.select(self.sample_id).values(self.field)
        return _label_map(detections, _size(self.path), {})


def read_videos(samples: fo.Dataset | fo.DatasetView, field: str) -> list[StoredVideo]:
    """The videos, clips of videos, or ordered groups of images of a dataset with their labeled frames.

    Objects are told apart as everywhere: by ``instance``, else ``index``, else label. Frames without labels
    in the field are not annotated and left out. A sample without media or labels is named, counted and left
    out: also one where several detections of a frame have only their label in common. What cannot be read is
    found when it is drawn.

    Args:
        samples: videos, clips of them, or ordered groups of images
        field: a field of ``Detections`` with masks; ``frames.`` may be left out

    Raises:
        HS2SError: if there is no such field, or no sample can be used
    """
    name = check_detections(samples, field)
    masked = samples.filter_labels(field_path(samples, name), _HAS_MASK, only_matches=False)
    videos, failed = [], 0
    for sequence, with_masks in zip(find_sequences(samples), find_sequences(masked), strict=True):
        try:
            videos.append(_stored_video(sequence, with_masks, name))
        except HS2SError as error:
            failed += 1
            logger.warning("Left out %s: %s", sequence.name, error)
    if failed:
        logger.warning("%d samples of %d are left out", failed, failed + len(videos))
    if not videos:
        raise HS2SError(
            f"No sample has a video that can be read and masks in {field!r}: check the field and the media"
        )
    return videos


def read_pictures(samples: fo.Dataset | fo.DatasetView, field: str) -> list[Picture]:
    """The images of a dataset that have instance masks.

    Args:
        samples: images
        field: a field of ``Detections`` with masks; ``frames.`` in front is skipped

    Raises:
        HS2SError: if there is no such field, or no image has a mask
    """
    name = check_detections(samples, field)
    stored = StoredView(samples)
    rows = zip(*samples.filter_labels(name, _HAS_MASK).values(["id", "filepath"]), strict=True)
    pictures: list[Picture] = []
    for sample_id, path in rows:
        if Path(path).is_file():
            pictures.append((Path(path), StoredMask(stored, sample_id, Path(path), name)))
        else:
            logger.warning("Left out %s: there is no such file", path)
    if not pictures:
        raise HS2SError(f"No image has a mask in {field!r}: detections need masks to train on")
    return pictures


def _stored_video(sequence: LabeledSequence, masked: LabeledSequence, field: str) -> StoredVideo:
    """A sequence to train on; ``masked`` is the same without detections that have no mask."""
    if not Path(sequence.filepath).is_file():
        raise HS2SError(f"there is no file {sequence.filepath}")
    shown = {index: [identity.key() for identity in names] for index, names in census(masked, field)}
    if not any(shown.values()):
        raise HS2SError(f"none of its frames has a mask in {field!r}")
    for index, keys in shown.items():
        check_distinct(keys, sequence.number(index))
    return StoredVideo(sequence, field, shown)


def _size(path: Path) -> tuple[int, int]:
    """(H, W) of a picture as :func:`read_image` gives it: turned as its EXIF says, which takes reading it."""
    with Image.open(path) as image:
        if image.getexif().get(_ORIENTATION, 1) == 1:
            return image.height, image.width
    height, width, _ = read_image(path).shape
    return height, width


def _label_map(
    detections: fo.Detections | None, size: tuple[int, int], numbers: dict[ObjectKey, int]
) -> np.ndarray:
    """Draws objects, each with the number of its identity; numbers are given as they come, 1 to 254.

    What has a box but no mask is somewhere in its box: nothing is learned from there (255), nor from further
    objects.
    """
    drawn = render(
        detections, size, lambda key: min(numbers.setdefault(key, len(numbers) + 1), VOID)
    ).label_map
    label_map = np.zeros(size, np.uint8)
    for detection in detections.detections if detections else ():
        box = None if detection.has_mask else pixel_box(detection, size)
        if box is not None:
            left, top, right, bottom = (max(0, edge) for edge in box)
            label_map[int(top) : round(bottom), int(left) : round(right)] = VOID
    return label_map if drawn is None else np.where(drawn, drawn, label_map).astype(np.uint8)
