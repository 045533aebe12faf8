"""Series as bytes, to be held and stored with an evaluation: exact, some bytes per frame and object."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import ObjectScores, SequenceScores

_OWN = ("object_id", "frames", "annotated", "diagonal")
"""Fields of ``ObjectScores`` that are kept once for all objects."""
_COUNTS = ("truth_area", "predicted_area", "intersection", "other_id", "other_area")
_MAGIC = b"HS2S-1"
"""Names the form: what follows is compressed."""
_HEAD = struct.Struct("<QQd")
"""Number of frames, number of objects, diagonal."""


class StoredSeries(NamedTuple):
    """The series of a video, clip or group, packed."""

    sample_id: str
    names: dict[int, str]
    """What to call the objects, by number."""
    data: bytes


def pack(sequence: SequenceScores) -> bytes:
    """Writes series as bytes."""
    objects = list(sequence.objects.values())
    diagonal = objects[0].diagonal if objects else 0.0
    columns = [
        sequence.frames.astype("<i8", casting="same_kind"),
        sequence.annotated.astype("?", casting="same_kind"),
        np.array(list(sequence.objects), "<i8"),
    ]
    for name in _series():
        rows = [getattr(scores, name).astype(_kind(name), casting="same_kind") for scores in objects]
        columns.append(np.concatenate(rows) if rows else np.empty(0))
    head = _HEAD.pack(len(sequence.frames), len(objects), diagonal)
    return _MAGIC + zlib.compress(head + b"".join(column.tobytes() for column in columns))


def unpack(data: bytes) -> SequenceScores:
    """Reads series that :func:`pack` wrote, or an earlier version of it.

    Raises:
        HS2SError: if they lack something
    """
    frames, annotated, ids, diagonal, columns = (
        _read(data) if data.startswith(_MAGIC) else _read_earlier(data)
    )
    objects = {
        i: ObjectScores(
            i, frames, annotated, diagonal=diagonal, **{name: rows[k] for name, rows in columns.items()}
        )
        for k, i in enumerate(ids)
    }
    return SequenceScores(frames, annotated, objects)


_Parts = tuple[np.ndarray, np.ndarray, list[int], float, dict[str, np.ndarray]]


def _read(data: bytes) -> _Parts:
    content = zlib.decompress(data[len(_MAGIC) :])
    num_frames, num_objects, diagonal = _HEAD.unpack_from(content)
    place = _HEAD.size

    def take(kind: str, count: int) -> np.ndarray:
        nonlocal place
        found = np.frombuffer(content, kind, count, place)
        place += found.nbytes
        return found.copy()

    frames, annotated, ids = take("<i8", num_frames), take("?", num_frames), take("<i8", num_objects)
    shape = num_objects, num_frames
    columns = {name: take(_kind(name), num_objects * num_frames).reshape(shape) for name in _series()}
    return frames, annotated, ids.tolist(), diagonal, columns


def _read_earlier(data: bytes) -> _Parts:
    """What was written before there was the form of now: NumPy's, compressed or not."""
    with np.load(io.BytesIO(data if data.startswith(b"PK") else zlib.decompress(data))) as arrays:
        if missing := set(_series()) - set(arrays.files):
            raise HS2SError(f"the stored series lack {', '.join(sorted(missing))}: run the evaluation again")
        found: Any = {name: arrays[name] for name in arrays.files}
    columns = {name: found[name] for name in _series()}
    return found["frames"], found["annotated"], found["ids"].tolist(), float(found["diagonal"]), columns


def _series() -> Iterator[str]:
    return (f.name for f in fields(ObjectScores) if f.name not in _OWN)


def _kind(name: str) -> str:
    return "?" if name == "prompted" else "<i8" if name in _COUNTS else "<f8"
