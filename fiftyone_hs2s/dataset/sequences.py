"""Sequences: videos, clips of videos, and groups of images in order, with labels by frame.

All that reads or writes labels of frames does it here. Outside of this file frames are counted from 0;
:meth:`LabeledSequence.number` gives the number that FiftyOne's users read. OpenCV and torch are imported
where frames are opened, since the App asks here for fields.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import Samples, root_dataset
from fiftyone_hs2s.dataset.database import check_there, explain
from fiftyone_hs2s.dataset.frame_documents import frame_documents, is_labeled, value_at, write_frames
from fiftyone_hs2s.dataset.frame_paths import frame_path
from fiftyone_hs2s.dataset.label_fields import add_label_field, remove_empty_field
from fiftyone_hs2s.dataset.sample_views import all_samples
from fiftyone_hs2s.dataset.stored_view import StoredView
from fiftyone_hs2s.errors import HS2SError

if TYPE_CHECKING:
    from fiftyone_hs2s.tracking import Frames

_BLOCK = 100
"""Images whose labels are held at once."""


class LabeledSequence(ABC):
    """Frames in order, with labels by 0-based frame index; can be sent to another process.

    Attributes:
        name: what to call the sequence in messages
        owner: what to call the sample, or samples, that it is of: what one run at a time may write to
        key: names it in results: the sample's id, for a clip with its frames: ``<id>:10-40``
        sample_id: the video, or the first image
        sample_ids: the video, or all images in order
        span: the part of the sample that is meant, such as ``"10-40"``; empty for all of it
        filepaths: its video, or its images in order
        start: where its first frame lies in the sample's media: 0 but for clips
        is_video: whether the labels are those of a video's frames
    """

    name: str
    owner: str
    key: str
    sample_id: str
    span = ""
    filepaths: list[str]
    start = 0
    is_video: bool
    sample_ids: Sequence[str]
    _stored: StoredView
    _view_id: str | None = None
    """What is meant of the stored view; None for all of it."""
    _last: int | None = None
    """Number of a clip's last frame."""

    @cached_property
    def view(self) -> fo.DatasetView:
        """The samples as they are shown: the filters of the view hold for what is read."""
        samples = self._stored.samples
        return samples.view() if self._view_id is None else samples.select(self._view_id)

    @cached_property
    def dataset(self) -> fo.Dataset:
        """The dataset that holds the labels."""
        return root_dataset(self._stored.samples)

    @property
    def all_samples(self) -> Samples:
        """All samples of the dataset that may be in sequences like this one."""
        return all_samples(self._stored.samples)

    @cached_property
    def samples(self) -> fo.DatasetView:
        """The samples that carry the sequence's status, without the filters of the view."""
        return self.all_samples.select(self.sample_ids)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of the frames in pixels; (0, 0) where the media cannot be read."""
        try:
            return self.open().size
        except HS2SError:
            prefix = "metadata.frame_" if self.is_video else "metadata."
            return self.sample_value(f"{prefix}height") or 0, self.sample_value(f"{prefix}width") or 0

    @property
    def filepath(self) -> str:
        """Its video, or its first image."""
        return self.filepaths[0]

    def sample_value(self, path: str) -> Any:
        """A value of the (first) sample, whatever the view shows; None if there is no such field."""
        return self.samples[:1].values(path)[0] if self.dataset.has_field(path) else None

    def number(self, index: int) -> int:
        """The number of a frame, as FiftyOne's users know it."""
        return self.start + index + 1

    def shows(self, number: int) -> bool:
        """Whether a frame lies within the sequence, as far as the dataset tells."""
        return self.start < number <= (self._last or number)

    @abstractmethod
    def open(self) -> Frames:
        """Opens the frames; a VideoError says why they cannot be read."""

    @abstractmethod
    def known_length(self) -> int:
        """How many frames there are, as far as the dataset tells without the media."""

    @abstractmethod
    def read(self, *paths: str) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Reads the labeled frames in order, some at a time.

        Args:
            *paths: fields of the frames such as ``pred``, ``pred.detections.label`` or ``id``

        Yields:
            the index and the values of each frame that has one of the fields, ``id`` apart
        """

    @abstractmethod
    def read_at(self, field: str, index: int) -> fo.Detections | None:
        """Reads the detections of one frame."""

    @abstractmethod
    def write(self, field: str, labels: Mapping[int, fo.Label]) -> None:
        """Writes the labels of some frames at once."""

    @abstractmethod
    def has_labels(self, field: str) -> bool:
        """Whether any frame has labels in the field."""

    @abstractmethod
    def clear(self, field: str) -> None:
        """Removes the field's labels from all frames."""

    def add_field(
        self, field: str, kind: type[fo.Label] = fo.Detections, **attributes: type[fo.Field]
    ) -> bool:
        """Declares a field for labels with these attributes, unless there is one; whether it is new."""
        return add_label_field(self.dataset, field, self.is_video, kind, attributes)

    def has_field(self, field: str) -> bool:
        """Whether the dataset has the field."""
        return self.dataset.has_field(self._path(field))

    def remove_field(self, field: str) -> None:
        """Removes a field from the dataset, if no sample has labels in it."""
        remove_empty_field(self.dataset, field, self.is_video)

    def check_there(self, *fields: str) -> None:
        """Makes sure that nobody has deleted the sequence's samples, or fields, meanwhile.

        Raises:
            HS2SError: if a sample was deleted; a ``DatabaseError`` if the dataset or a field was
        """
        check_there(self.dataset, self.sample_ids, [self._path(field) for field in fields])

    def explain(self, error: Exception) -> Exception:
        """What an error comes from: see :func:`fiftyone_hs2s.dataset.database.explain`."""
        return explain(error, self.check_there)

    def _path(self, field: str) -> str:
        return frame_path(field, self.is_video)

    def __getstate__(self) -> dict[str, Any]:
        kind = type(self)
        return {
            k: v for k, v in self.__dict__.items() if not isinstance(getattr(kind, k, None), cached_property)
        }


class VideoSequence(LabeledSequence):
    """A video sample, or a clip of one.

    Args:
        stored: the view that the sample comes from
        view_id: the id of the sample, or of the clip, in this view
        sample_id: the id of the video sample
        filepath: the video
        support: a clip's first and last frame number; None for the whole video
    """

    is_video = True

    def __init__(
        self,
        stored: StoredView,
        view_id: str,
        sample_id: str,
        filepath: str,
        support: tuple[int, int] | None = None,
    ) -> None:
        self._stored, self._view_id = stored, view_id
        self.sample_id, self.sample_ids, self.filepaths = sample_id, [sample_id], [filepath]
        self.name = self.owner = f"sample {sample_id} ({Path(filepath).name})"
        self.key = sample_id
        if support is not None:
            self.start, self._last = support[0] - 1, support[1]
            self.span = f"{support[0]}-{support[1]}"
            self.name = f"frames {self.span} of {self.name}"
            self.key = f"{sample_id}:{self.span}"

    def open(self) -> Frames:
        from fiftyone_hs2s.tracking import open_frames

        return open_frames(self.filepath)[self.start : self._last]

    def known_length(self) -> int:
        if self._last is not None:
            return self._last - self.start
        labeled = (document["frame_number"] for document in self._documents(self.view, {}))
        return max(self.sample_value("metadata.total_frame_count") or 0, *labeled, 0)

    def read(self, *paths: str) -> Iterator[tuple[int, tuple[Any, ...]]]:
        fields = {path.split(".")[0] for path in paths} - {"id"}
        query = {"$or": [{field: {"$ne": None}} for field in fields]}
        for document in self._documents(self.view, query, paths):
            values = tuple(value_at(document, path) for path in paths)
            if is_labeled(paths, values):
                yield document["frame_number"] - self.number(0), values

    def read_at(self, field: str, index: int) -> fo.Detections | None:
        found = self._documents(self.view, {"frame_number": self.number(index)}, [field])
        return value_at(next(found, {}), field)

    def write(self, field: str, labels: Mapping[int, fo.Label]) -> None:
        by_number = {self.number(index): label for index, label in labels.items()}
        write_frames(self.samples, self.sample_id, field, by_number)

    def has_labels(self, field: str) -> bool:
        return any(True for _ in self._labeled(field))

    def clear(self, field: str) -> None:
        if frame_ids := [str(document["_id"]) for document in self._labeled(field)]:
            self.samples.set_values(self._path(field), dict.fromkeys(frame_ids), key_field=self._path("id"))

    def _labeled(self, field: str) -> Iterator[dict[str, Any]]:
        """The frames with labels, whatever filters the view has."""
        there = {field: {"$ne": None}}
        return self._documents(self.samples, there) if self.dataset.has_frame_field(field) else iter(())

    def _documents(
        self, view: fo.DatasetView, query: dict[str, Any], paths: Sequence[str] = ()
    ) -> Iterator[Any]:
        return frame_documents(view, self.sample_id, (self.number(0), self._last), query, paths)


class ImageSequence(LabeledSequence):
    """The images of one dynamic group, in the group's order.

    Args:
        group: the group's samples
    """

    is_video = False

    def __init__(self, group: fo.DatasetView) -> None:
        self._stored = StoredView(group)
        self.sample_ids, self.filepaths = group.values(["id", "filepath"])
        self.sample_id = self.key = self.sample_ids[0]
        self.name = self.owner = f"the image group of sample {self.sample_id} ({Path(self.filepath).name})"

    def open(self) -> Frames:
        from fiftyone_hs2s.tracking import open_frames

        return open_frames(self.filepaths)

    def known_length(self) -> int:
        return len(self.sample_ids)

    def read(self, *paths: str) -> Iterator[tuple[int, tuple[Any, ...]]]:
        for start in range(0, len(self.sample_ids), _BLOCK):
            columns = self.view[start : start + _BLOCK].values(list(paths))
            for index, row in enumerate(zip(*columns, strict=True), start):
                if is_labeled(paths, row):
                    yield index, row

    def read_at(self, field: str, index: int) -> fo.Detections | None:
        return self.view[index : index + 1].values(field)[0]

    def write(self, field: str, labels: Mapping[int, fo.Label]) -> None:
        by_id = {self.sample_ids[index]: detections for index, detections in labels.items()}
        self.samples.set_values(field, by_id, key_field="id")

    def has_labels(self, field: str) -> bool:
        return self.dataset.has_sample_field(field) and bool(self.samples.exists(field))

    def clear(self, field: str) -> None:
        if self.has_labels(field):
            self.samples.set_values(field, dict.fromkeys(self.sample_ids), key_field="id")
