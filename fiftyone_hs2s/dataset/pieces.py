"""What is scored: videos, clips of videos, and groups of images in order, frame by frame with two fields at once."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import fiftyone as fo
from fiftyone.core.sample import SampleView

from fiftyone_hs2s.dataset.compat import (
    Samples,
    collection_of,
    is_clips,
    is_dynamic_groups,
    is_image_groups,
    root_dataset,
)
from fiftyone_hs2s.dataset.fields import check_samples, detections_fields, field_fix
from fiftyone_hs2s.dataset.sequences import all_samples, is_images
from fiftyone_hs2s.errors import HS2SError

logger = logging.getLogger(__name__)

_BLOCK = 100
"""Frames whose masks are read at once: few enough to be held, enough to make the query's own time small."""


class FrameLabels(NamedTuple):
    """What a frame holds."""

    frame_id: str
    """Id of the frame's document; in a group of images, of the sample."""
    number: int
    """1-based number of the frame in its video or group."""
    labels: tuple[fo.Detections | None, ...]
    """Those of the fields that were asked for, in this order."""


@dataclass(frozen=True)
class Piece:
    """A video, a clip or a group of images, as a view shows it: the view's filters hold."""

    view: fo.DatasetView
    sample_id: str
    """The video, or the first image."""
    name: str
    """What to call it in messages."""
    key: str
    """Names it in results: the sample's id, for a clip with its frames: ``<id>:10-40``."""
    size: tuple[int, int]
    """Height and width of its frames in pixels."""
    is_video: bool = True

    def field_path(self, field: str) -> str:
        """The path of a frame's field."""
        return f"frames.{field}" if self.is_video else field

    def values(self, *fields: str) -> list[list]:
        """The values of fields of the frames, one list a field with one entry a frame."""
        columns = self.view.values([self.field_path(field) for field in fields])
        return [column[0] for column in columns] if self.is_video else columns

    def read(self, *fields: str) -> Iterator[FrameLabels]:
        """Reads the frames in order, some at a time."""
        total = len(self.view) if not self.is_video else 0
        blocks = self._video_blocks() if self.is_video else (self.view[k : k + _BLOCK] for k in range(0, total, _BLOCK))
        number = 0
        for block in blocks:
            names = ("id", *(["frame_number"] if self.is_video else []), *fields)
            columns = block.values([self.field_path(name) for name in names])
            rows = zip(*(column[0] for column in columns), strict=True) if self.is_video else zip(*columns, strict=True)
            for frame_id, *rest in rows:
                number = rest.pop(0) if self.is_video else number + 1
                yield FrameLabels(frame_id, number, tuple(rest))

    def _video_blocks(self) -> Iterator[fo.DatasetView]:
        (numbers,) = self.values("frame_number")
        for start in range(0, len(numbers), _BLOCK):
            wanted = numbers[start : start + _BLOCK]
            yield self.view.match_frames(fo.ViewField("frame_number").is_in(wanted))


def as_view(samples: Samples | fo.Sample | SampleView) -> Samples:
    """A single sample, or a row of a view, as a view; a dataset or a view as it is.

    Raises:
        HS2SError: if the sample belongs to no dataset
    """
    if not isinstance(samples, fo.Sample | SampleView):
        return samples
    collection = collection_of(samples)
    if collection is None:
        raise HS2SError(f"the sample of {samples.filepath} belongs to no dataset: add it to one first")
    if collection.media_type == "group" and not is_dynamic_groups(collection):
        collection = collection.select_group_slices(media_type=samples.media_type)
    return collection.select(samples.id)


def find_pieces(samples: Samples) -> list[Piece]:
    """Lists what there is to score, without reading labels.

    Args:
        samples: videos, clips, or images in dynamic groups

    Raises:
        HS2SError: if the samples are something else
    """
    check_samples(samples)
    if is_image_groups(samples):
        return [_group_piece(group) for group in samples.iter_dynamic_groups()]
    clips = is_clips(samples)
    paths = ["id", "sample_id" if clips else "id", "filepath", *(["support"] if clips else [])]
    rows = list(zip(*samples.values(paths), strict=True))
    sizes = _sizes(all_samples(samples).select({sample_id for _, sample_id, *_ in rows}))
    pieces = []
    for view_id, sample_id, filepath, *support in rows:
        span = "-".join(map(str, support[0])) if support else ""
        name = f"sample {sample_id} ({Path(filepath).name}{', frames ' + span if span else ''})"
        key = f"{sample_id}:{span}" if span else sample_id
        pieces.append(Piece(samples.select(view_id), sample_id, name, key, sizes[sample_id]))
    return pieces


def check_field(samples: Samples, field: str, role: str) -> str:
    """Makes sure that a field holds detections.

    Args:
        samples: videos, clips, or images in dynamic groups
        field: name of the field; ``frames.`` may be left out
        role: what it is for, for the message

    Returns:
        the name without ``frames.``

    Raises:
        HS2SError: if it does not
    """
    check_samples(samples)
    name = field.removeprefix("frames.")
    if name not in detections_fields(samples):
        fix = field_fix(samples, name, "it has no such fields at all")
        raise HS2SError(
            f"the {role} field {field!r} is no Detections field of the frames of {root_dataset(samples).name!r}: {fix}"
        )
    return name


def _group_piece(group: fo.DatasetView) -> Piece:
    sample_id, filepath = (values[0] for values in group[:1].values(["id", "filepath"]))
    size = _sizes(all_samples(group).select(sample_id))[sample_id]
    return Piece(group, sample_id, f"the image group of {Path(filepath).name}", sample_id, size, is_video=False)


def _sizes(view: fo.DatasetView) -> dict[str, tuple[int, int]]:
    """Height and width by sample; (0, 0) where the media cannot be read."""
    view.compute_metadata(skip_failures=True, warn_failures=False, progress=False)
    is_video = view.media_type == "video"
    prefix = "frame_" if is_video else ""
    rows = zip(*view.values(["id", "filepath", f"metadata.{prefix}height", f"metadata.{prefix}width"]), strict=True)
    return {
        sample_id: (is_video and _turned_size(filepath)) or (height or 0, width or 0)
        for sample_id, filepath, height, width in rows
    }


def frame_rates(samples: Samples, sample_ids: Collection[str]) -> dict[str, float]:
    """Frames per second, by sample id: that of each video; 6, as YouTube-VOS is annotated, for images.

    A video without known rate counts as one of 30, with a warning.
    """
    if is_images(samples):
        return dict.fromkeys(sample_ids, 6.0)
    view = all_samples(samples).select(list(sample_ids))
    view.compute_metadata(skip_failures=True, warn_failures=False, progress=False)
    rates = {}
    for sample_id, filepath, rate in zip(*view.values(["id", "filepath", "metadata.frame_rate"]), strict=True):
        if not rate:
            logger.warning("The frame rate of %s is not known: taken as 30; set the sample's metadata", filepath)
        rates[sample_id] = rate or 30.0
    return dict.fromkeys(sample_ids, 30.0) | rates


def _turned_size(video: str) -> tuple[int, int] | None:
    """Height and width of a video's frames as they are shown: metadata give those before a phone's video is turned."""
    from fiftyone_hs2s.tracking import open_frames  # brings torch along

    try:
        return open_frames(video).size
    except HS2SError:
        return None
