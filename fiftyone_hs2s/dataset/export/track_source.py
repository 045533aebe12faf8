"""A video, clip or group of images as tracks to export: names, ids, frames and masks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fiftyone_hs2s.dataset.compat import root_dataset
from fiftyone_hs2s.dataset.evaluate.matching import census, keys_in_order
from fiftyone_hs2s.dataset.objects import Identity, ObjectKey, check_distinct, check_same, read_objects
from fiftyone_hs2s.dataset.pieces import Piece, frame_rates
from fiftyone_hs2s.dataset.sequences import ImageSequence, all_samples, find_sequences
from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.track_files.tracks import Masks, Tracks

SEQUENCE, FRAME_NAMES, FRAME_SIZE = "sequence", "frame_names", "frame_size"
"""Sample fields that an import leaves: the sequence's name; and where a video cannot have them, the names of its frames
and their size, ``[height, width]``."""
_LARGEST_ID = 65535


@dataclass(frozen=True)
class Numbering:
    """The ids of a piece's objects.

    Attributes:
        ids: by the objects' keys
        labels: what the objects are, by id
        note: why the ids are not the objects' ``index``, None if they are
    """

    ids: dict[ObjectKey, int]
    labels: dict[int, str]
    note: str | None


def number_objects(piece: Piece, field: str, renumber: bool = False) -> Numbering:
    """Numbers the objects of a piece: by their ``index`` where that can be, else from 1 in order.

    Args:
        piece: the video, clip or group
        field: the field with the masks
        renumber: whether to number them from 1 anyway

    Raises:
        HS2SError: if a frame has objects that cannot be told apart, or one that has two labels
    """
    found = list(census(piece, field))
    first: dict[ObjectKey, Identity] = {}
    for number, names in found:
        keys = [identity.key() for identity in names]
        check_distinct(keys, number)
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
    piece: Piece, field: str, name: str, numbering: Numbering, every: int = 1, fill: bool = False, crop: bool = True
) -> Tracks:
    """A piece as tracks; its masks and frames are read when they are written.

    Args:
        piece: the video, clip or group
        field: the field with the masks
        name: what the sequence is called
        numbering: the objects' ids
        every: export each of so many frames, from the first on
        fill: whether frames without labels count as ones without an object
        crop: whether frames get back the odd size that they were imported with

    Raises:
        HS2SError: if the media cannot be read
    """
    if not all(piece.size):
        raise HS2SError(f"{piece.name} cannot be read: restore the file, or set the sample's metadata")
    sequence = find_sequences(piece.view)[0] if piece.is_video else ImageSequence(piece.view)
    first, size = sequence.first_number, (crop and _stored(piece, FRAME_SIZE)) or piece.size
    numbers = piece.values("frame_number")[0] if piece.is_video else range(1, len(piece.view) + 1)
    names = _frame_names(piece, first, max([_length(piece, first), *(number - first + 1 for number in numbers)]))

    def read() -> Iterator[tuple[int, Masks]]:
        for frame in piece.read(field):
            (detections,) = frame.labels
            if detections is not None:
                try:
                    objects = read_objects(detections, piece.size)
                except HS2SError as error:
                    raise HS2SError(f"{piece.name}, frame {frame.number}: {error}") from error
                kept = (slice(size[0]), slice(size[1]))
                yield frame.number - first, {numbering.ids[key]: o.mask[kept] for key, o in objects.items()}

    def images() -> Iterator[np.ndarray]:
        frames = sequence.open()
        yield from (image[: size[0], : size[1]] for image in frames)
        if frames.incomplete:
            raise VideoError(frames.incomplete)

    is_whole = piece.is_video and not sequence.span and tuple(size) == piece.size
    rate = frame_rates(piece.view, [piece.sample_id])[piece.sample_id]
    video = sequence.filepath if is_whole else None
    return Tracks(name, (size[0], size[1]), numbering.labels, names, read, rate, images, video, every, fill)


def sequence_names(pieces: Sequence[Piece]) -> list[str]:
    """Names for the files of pieces: that of an imported sequence, else of the video, or the folder of the images.

    Clips have their frames too, and what several would share gets the sample's id.
    """
    names = [_clean(_name(piece)) for piece in pieces]
    spans = [piece.key.partition(":")[2] for piece in pieces]
    names = [f"{name}_{span}" if span else name for name, span in zip(names, spans, strict=True)]
    counts = Counter(names)
    return [f"{n}_{p.sample_id}" if counts[n] > 1 else n for n, p in zip(names, pieces, strict=True)]


def _name(piece: Piece) -> str:
    path = Path(piece.view.limit(1).values("filepath")[0])
    known = next((name for field in (SEQUENCE, "sequence_id") if (name := _stored(piece, field))), None)
    return known or (path.stem if piece.is_video else path.parent.name)


def _clean(name: str) -> str:
    """A name that a file and a server can have."""
    return re.sub(r"[^\w.()+=@-]", "_", str(name), flags=re.ASCII).lstrip(".-") or "sequence"


def _stored(piece: Piece, field: str) -> Any:
    """The value of a sample field, whatever the view shows; None if there is none."""
    if not root_dataset(piece.view).has_field(field):
        return None
    return all_samples(piece.view).select(piece.sample_id).values(field)[0]


def _length(piece: Piece, first: int) -> int:
    """The number of the piece's frames, as far as it is known."""
    if not piece.is_video:
        return len(piece.view)
    span = piece.key.partition(":")[2]
    if span:
        return int(span.split("-")[1]) - first + 1
    return _stored(piece, "metadata.total_frame_count") or 0


def _frame_names(piece: Piece, first: int, count: int) -> list[str]:
    """Names of the frames: those that they were imported by, or of the images; else their number, 00000 the first."""
    names = _stored(piece, FRAME_NAMES) or []
    if names and len(names) < first - 1 + count:
        raise HS2SError(f"{piece.name} has {len(names)} {FRAME_NAMES} for {count} frames: correct or clear that field")
    if not piece.is_video:
        names = [Path(path).stem for path in piece.view.values("filepath")]
        names = names if len({*names}) == len(names) else []
    names = names[first - 1 : first - 1 + count]
    return names if len(names) == count else [f"{first - 1 + index:05}" for index in range(count)]
