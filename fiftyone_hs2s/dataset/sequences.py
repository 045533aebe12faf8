"""What propagation works on: videos, clips of videos, and groups of images in order.

Opening frames takes OpenCV and torch; they are imported there, since the App asks here which fields there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import is_clips, is_image_groups, root_dataset
from fiftyone_hs2s.dataset.database import check_there, explain, is_empty
from fiftyone_hs2s.errors import HS2SError

if TYPE_CHECKING:
    from fiftyone_hs2s.tracking import Frames

KEYFRAME = "keyframe"
"""Attribute of detections whose mask was given, as the App's tracks have it: its timeline marks such frames."""
_BLOCK = 100
"""Frames whose labels are held at once."""


class LabeledSequence(ABC):
    """Frames in order with labels that are read and written by 0-based frame index.

    Attributes:
        dataset: the dataset that holds the labels
        samples: the samples that carry the sequence's status, without the filters that the prompts come through
        span: the part of the sample that is meant, such as ``"10-40"``; empty for all of it
        name: what to call the sequence in messages
        owner: what to call the sample, or samples, that it is of: what one run at a time may write to
        filepath: its video, or its first image
        first_number: the frame number of index 0
    """

    dataset: fo.Dataset
    samples: fo.DatasetView
    span = ""
    name: str
    owner: str
    filepath: str
    first_number = 1

    @abstractmethod
    def open(self) -> Frames:
        """Opens the frames."""

    @abstractmethod
    def labels(self, field: str) -> Iterator[tuple[int, fo.Detections | None]]:
        """Reads the detections of all labeled frames in order, some at a time."""

    @abstractmethod
    def read(self, field: str, index: int) -> fo.Detections | None:
        """Reads the detections of one frame."""

    @abstractmethod
    def add_field(self, field: str, kind: type[fo.Label] = fo.Detections) -> bool:
        """Declares a field for detections, or another kind of labels, unless there is one; whether there was none."""

    @abstractmethod
    def remove_field(self, field: str) -> None:
        """Removes a field from the dataset, if no sample has labels in it."""

    @abstractmethod
    def check_there(self, *fields: str) -> None:
        """Makes sure that nobody has deleted the sequence's samples, or fields, meanwhile.

        Raises:
            HS2SError: if a sample was deleted; a :class:`~fiftyone_hs2s.dataset.database.DatabaseError` if the dataset
                or a field was
        """

    def explain(self, error: Exception) -> Exception:
        """What an error comes from: see :func:`fiftyone_hs2s.dataset.database.explain`."""
        return explain(error, self.check_there)

    @abstractmethod
    def write(self, field: str, labels: dict[int, fo.Detections]) -> None:
        """Writes the detections of some frames at once."""

    @abstractmethod
    def has_labels(self, field: str) -> bool:
        """Whether any frame has labels in the field."""

    @abstractmethod
    def clear(self, field: str) -> None:
        """Removes the field's labels from all frames."""


class VideoSequence(LabeledSequence):
    """A video sample, or a clip of one.

    Args:
        samples: the view that the sample comes from: its filters hold for the prompts
        view_id: the id of the sample, or of the clip, in this view
        sample_id: the id of the video sample
        filepath: the video
        support: a clip's first and last frame number; None for the whole video
    """

    def __init__(
        self,
        samples: fo.Dataset | fo.DatasetView,
        view_id: str,
        sample_id: str,
        filepath: str,
        support: tuple[int, int] | None = None,
    ) -> None:
        self.dataset = root_dataset(samples)
        self.filepath = filepath
        self.name = self.owner = f"sample {sample_id} ({Path(filepath).name})"
        self._view, self._sample_id = samples.select(view_id), sample_id
        self.samples = all_samples(samples).select(sample_id)
        self.view_id, self.sample_id, self.support = view_id, sample_id, support
        if support is not None:
            self.first_number = support[0]
            self.span = f"{support[0]}-{support[1]}"
            self.name = f"frames {self.span} of {self.name}"

    def open(self) -> Frames:
        from fiftyone_hs2s.tracking import open_frames

        last = self.support[1] if self.support else None
        return open_frames(self.filepath)[self.first_number - 1 : last]

    def labels(self, field: str) -> Iterator[tuple[int, fo.Detections | None]]:
        labeled = [number for _, number, there in self._survey(self._view, field) if there]
        if len(labeled) < self._view.count("frames") / 4:
            yield from ((number - self.first_number, self._read(field, number)) for number in labeled)
            return
        for count, (number, frame) in enumerate(self._frames.items(), start=1):
            if count % _BLOCK == 0:
                self._frames.reload()  # lets go of the frames so far
            yield number - self.first_number, frame[field]

    def read(self, field: str, index: int) -> fo.Detections | None:
        return self._read(field, self.first_number + index)

    @cached_property
    def _frames(self) -> fo.core.frame.FramesView:
        return self._view.first().frames

    def _read(self, field: str, number: int) -> fo.Detections | None:
        labels = self._frames[number][field]
        self._frames.reload()  # lets go of the frame
        return labels

    def add_field(self, field: str, kind: type[fo.Label] = fo.Detections) -> bool:
        new = not self.dataset.has_frame_field(field)
        self.dataset.add_frame_field(field, fo.EmbeddedDocumentField, embedded_doc_type=kind)
        if kind is fo.Detections:
            self.dataset.add_frame_field(f"{field}.detections.{KEYFRAME}", fo.BooleanField)
        return new

    def remove_field(self, field: str) -> None:
        if is_empty(self.dataset, f"frames.{field}"):
            self.dataset.delete_frame_field(field, error_level=2)

    def check_there(self, *fields: str) -> None:
        check_there(self.dataset, [self._sample_id], [f"frames.{field}" for field in fields])

    def write(self, field: str, labels: dict[int, fo.Detections]) -> None:
        ids = {number: frame_id for frame_id, number, _ in self._survey(self.samples)}
        frames = self.samples.first().frames
        known = {}
        for index, detections in labels.items():
            number = self.first_number + index
            if number in ids:
                known[ids[number]] = detections
            else:
                frames.add_frame(number, fo.Frame(**{field: detections}))
        frames.save()
        if known:
            self.samples.set_values(f"frames.{field}", known, key_field="frames.id")

    def has_labels(self, field: str) -> bool:
        return bool(self._labeled_frames(field))

    def clear(self, field: str) -> None:
        frame_ids = self._labeled_frames(field)
        if frame_ids:
            self.samples.set_values(f"frames.{field}", dict.fromkeys(frame_ids), key_field="frames.id")

    def _labeled_frames(self, field: str) -> list[str]:
        """Ids of the frames with labels, whatever filters the prompts come through."""
        if not self.dataset.has_frame_field(field):
            return []
        first, last = self.support or (1, float("inf"))
        return [i for i, number, there in self._survey(self.samples, field) if there and first <= number <= last]

    @staticmethod
    def _survey(view: fo.DatasetView, field: str = "") -> list[tuple[str, int, bool]]:
        """Id and number of each frame, and whether it has labels in a field.

        ``frames[]`` makes the database take the frames one by one. In other forms a query puts all frames of a sample
        into one document first, and fails where their labels are larger than it allows: some thousand frames.
        """
        paths = ["frames[].id", "frames[].frame_number", *([f"frames[].{field}.detections.id"] if field else [])]
        rows = zip(*view.values(paths), strict=True)
        return [(frame_id, number, any(label is not None for label in rest)) for frame_id, number, *rest in rows]


class ImageSequence(LabeledSequence):
    """The images of one dynamic group, in the group's order.

    Args:
        group: the group's samples
    """

    def __init__(self, group: fo.DatasetView) -> None:
        self.dataset = root_dataset(group)
        self._ids, self._filepaths = group.values(["id", "filepath"])
        self.samples = all_samples(group).select(self._ids)
        self.filepath = self._filepaths[0]
        self.name = self.owner = f"the image group of sample {self._ids[0]} ({Path(self.filepath).name})"
        self.group = group

    def open(self) -> Frames:
        from fiftyone_hs2s.dataset.image_frames import open_images

        return open_images(self._filepaths)

    def labels(self, field: str) -> Iterator[tuple[int, fo.Detections | None]]:
        for start in range(0, len(self._ids), _BLOCK):
            yield from enumerate(self.group[start : start + _BLOCK].values(field), start)

    def read(self, field: str, index: int) -> fo.Detections | None:
        return self.group[index : index + 1].values(field)[0]

    def add_field(self, field: str, kind: type[fo.Label] = fo.Detections) -> bool:
        new = not self.dataset.has_sample_field(field)
        self.dataset.add_sample_field(field, fo.EmbeddedDocumentField, embedded_doc_type=kind)
        if kind is fo.Detections:
            self.dataset.add_sample_field(f"{field}.detections.{KEYFRAME}", fo.BooleanField)
        return new

    def remove_field(self, field: str) -> None:
        if is_empty(self.dataset, field):
            self.dataset.delete_sample_field(field, error_level=2)

    def check_there(self, *fields: str) -> None:
        check_there(self.dataset, self._ids, fields)

    def write(self, field: str, labels: dict[int, fo.Detections]) -> None:
        by_id = {self._ids[index]: detections for index, detections in labels.items()}
        self.samples.set_values(field, by_id, key_field="id")

    def has_labels(self, field: str) -> bool:
        return self.dataset.has_sample_field(field) and bool(self.samples.exists(field))

    def clear(self, field: str) -> None:
        if self.has_labels(field):
            self.samples.set_values(field, dict.fromkeys(self._ids), key_field="id")


def find_sequences(samples: fo.Dataset | fo.DatasetView) -> list[LabeledSequence]:
    """Lists what there is to propagate through.

    Args:
        samples: video samples, a clips view, or images in dynamic groups

    Returns:
        the sequences

    Raises:
        HS2SError: if clips of a sample overlap, since the labels of one would replace those of the other
    """
    if is_image_groups(samples):
        return [ImageSequence(group) for group in samples.iter_dynamic_groups()]
    if is_clips(samples):
        rows = list(zip(*samples.values(["id", "sample_id", "filepath", "support"]), strict=True))
        _check_overlap(sorted((sample_id, support) for _, sample_id, _, support in rows))
        return [VideoSequence(samples, *row) for row in rows]
    rows = list(zip(*samples.values(["id", "id", "filepath"]), strict=True))
    return [VideoSequence(samples, *row) for row in rows]


def _check_overlap(clips: list[tuple[str, list[int]]]) -> None:
    for (sample_id, (first, last)), (other_id, (start, end)) in pairwise(clips):
        if sample_id == other_id and start <= last:
            raise HS2SError(
                f"the clips of frames {first}-{last} and {start}-{end} of sample {sample_id} overlap: "
                "make clips that don't, or use the whole video"
            )


def all_samples(samples: fo.Dataset | fo.DatasetView) -> fo.Dataset | fo.DatasetView:
    """All samples of a view's dataset; of a grouped one, which shows one slice at a time, all slices of that kind."""
    dataset = root_dataset(samples)
    if dataset.media_type != "group":
        return dataset
    return dataset.select_group_slices(media_type="image" if is_images(samples) else "video")


def is_images(samples: fo.Dataset | fo.DatasetView) -> bool:
    """Whether the samples are images, in groups or not."""
    return samples.media_type == "image" or is_image_groups(samples)
