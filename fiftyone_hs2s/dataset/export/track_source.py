"""A video, clip or group of images as tracks to export: names, ids, frames and masks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fiftyone_hs2s.dataset.census import census
from fiftyone_hs2s.dataset.evaluate.matching import keys_in_order
from fiftyone_hs2s.dataset.objects import (
    Identity,
    ObjectKey,
    check_distinct,
    check_same,
    read_objects,
)
from fiftyone_hs2s.dataset.sample_views import frame_rates
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.track_files.tracks import Masks, Tracks

SEQUENCE, FRAME_NAMES, FRAME_SIZE = "sequence", "frame_names", "frame_size"
"""Sample fields that an import leaves: the sequence's name; and where a video cannot have them, the names
of its frames and their size, ``[height, width]``."""
_LARGEST_ID = 65535


@dataclass(frozen=True)
class Numbering:
    """The ids of a sequence's objects.

    Attributes:
        ids: by the objects' keys
        labels: what the objects are, by id
        note: why the ids are not the objects' ``index``, None if they are
    """

    ids: dict[ObjectKey, int]
    labels: dict[int, str]
    note: str | None


def number_objects(sequence: LabeledSequence, field: str, renumber: bool = False) -> Numbering:
    """Numbers the objects of a sequence: by their ``index`` where that can be, else from 1 in order.

    Args:
        sequence: the video, clip or group
        field: the field with the masks
        renumber: whether to number them from 1 anyway

    Raises:
        HS2SError: if a frame has objects that cannot be told apart, or one that has two labels
    """
    found = list(census(sequence, field))
    first: dict[ObjectKey, Identity] = {}
    for index, names in found:
        keys = [identity.key() for identity in names]
        check_distinct(keys, sequence.number(index))
        for key, identity in zip(keys, names, strict=True):
            check_same(key, first.setdefault(key, identity), identity)
    keys = keys_in_order(found, "instance")
    indices = [first[key].index for key in keys]
    known = [index for index in indices if index is not None]
    note, ids = None, {key: number for number, key in enumerate(keys, start=1)}
    if renumber:
        note = "objects are numbered from 1, whatever their index" if indices != list(ids.values()) else None
    elif len(known) < len(keys):
        note = "objects without index: all are numbered from 1" if keys and known else None
    elif len({*known}) < len(known):
        note = "several objects have one index: all are numbered from 1"
    elif known and not 0 <= min(known) <= max(known) < _LARGEST_ID:
        note = f"an index is not in 0..{_LARGEST_ID - 1}: all are numbered from 1"
    elif known:
        shift = int(min(known) == 0)
        note = "ids are the objects' index plus 1: 0 is the background" if shift else None
        ids = {key: index + shift for key, index in zip(keys, known, strict=True)}
    return Numbering(ids, {ids[key]: first[key].label or f"object {ids[key]}" for key in keys}, note)


def open_tracks(
    sequence: LabeledSequence,
    field: str,
    name: str,
    numbering: Numbering,
    every: int = 1,
    fill: bool = False,
    crop: bool = True,
) -> Tracks:
    """A sequence as tracks; its masks and frames are read when they are written.

    Args:
        sequence: the video, clip or group
        field: the field with the masks
        name: what the sequence is called
        numbering: the objects' ids
        every: export each of so many frames, from the first on
        fill: whether frames without labels count as ones without an object
        crop: whether frames get back the odd size that they were imported with

    Raises:
        HS2SError: if the media cannot be read
    """
    if not all(sequence.size):
        raise HS2SError(f"{sequence.name} cannot be read: restore the file, or set the sample's metadata")
    size = (crop and sequence.sample_value(FRAME_SIZE)) or sequence.size
    names = _frame_names(sequence, sequence.known_length())

    def read() -> Iterator[tuple[int, Masks]]:
        for index, (detections,) in sequence.read(field):
            try:
                objects = read_objects(detections, sequence.size)
            except HS2SError as error:
                raise HS2SError(f"{sequence.name}, frame {sequence.number(index)}: {error}") from error
            kept = (slice(size[0]), slice(size[1]))
            yield index, {numbering.ids[key]: o.mask[kept] for key, o in objects.items()}

    def images() -> Iterator[np.ndarray]:
        frames = sequence.open()
        yield from (image[: size[0], : size[1]] for image in frames)
        if frames.incomplete:
            raise VideoError(frames.incomplete)

    is_whole = sequence.is_video and not sequence.span and tuple(size) == sequence.size
    rate = frame_rates(sequence.view, [sequence.sample_id])[sequence.sample_id]
    video = sequence.filepath if is_whole else None
    return Tracks(name, (size[0], size[1]), numbering.labels, names, read, rate, images, video, every, fill)


def sequence_names(sequences: Sequence[LabeledSequence]) -> list[str]:
    """Names for the files of sequences: that of an imported sequence, else of the video, or the folder of the
    images.

    Clips have their frames too, and what several would share gets the sample's id.
    """
    names = [_clean(_name(sequence)) for sequence in sequences]
    names = [f"{name}_{s.span}" if s.span else name for name, s in zip(names, sequences, strict=True)]
    counts = Counter(names)
    return [f"{n}_{s.sample_id}" if counts[n] > 1 else n for n, s in zip(names, sequences, strict=True)]


def _name(sequence: LabeledSequence) -> str:
    path = Path(sequence.filepath)
    known = next(
        (name for field in (SEQUENCE, "sequence_id") if (name := sequence.sample_value(field))), None
    )
    return known or (path.stem if sequence.is_video else path.parent.name)


def _clean(name: str) -> str:
    """A name that a file and a server can have."""
    return re.sub(r"[^\w.()+=@-]", "_", str(name), flags=re.ASCII).lstrip(".-") or "sequence"


def _frame_names(sequence: LabeledSequence, count: int) -> list[str]:
    """Names of the frames: those that they were imported by, or of the images; else their number, 00000
    the first."""
    names, start = sequence.sample_value(FRAME_NAMES) or [], sequence.start
    if names and len(names) < start + count:
        raise HS2SError(
            f"{sequence.name} has {len(names)} {FRAME_NAMES} for {count} frames: correct or clear that field"
        )
    if not sequence.is_video:
        names = [Path(path).stem for path in sequence.filepaths]
        names = names if len({*names}) == len(names) else []
    names = names[start : start + count]
    return names if len(names) == count else [f"{start + index:05}" for index in range(count)]
