"""The frames of a video as the database holds them, one after the other.

FiftyOne's public ways either put all frames of a video into one document, which fails where their labels are
larger than the database allows (some thousand frames), or read all fields of each frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import fiftyone as fo
from bson import ObjectId

from fiftyone_hs2s.dataset.compat import (
    add_frames,
    aggregate_frames,
    frame_collection,
    needs_frames,
    root_dataset,
)
from fiftyone_hs2s.dataset.frame_paths import frame_path

_LISTS = {"Detections": "detections", "Polylines": "polylines", "Keypoints": "keypoints"}
"""Where labels of a list keep it."""


def frame_documents(
    view: fo.DatasetView,
    sample_id: str,
    span: tuple[int, int | None],
    query: dict[str, Any],
    paths: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Reads frames of a video as a view shows them: its filters hold.

    Args:
        view: a view of the one sample or clip
        sample_id: the video sample
        span: the first and last frame number; None for the video's end
        query: which frames, in MongoDB's form
        paths: what to read of them, see :func:`value_at`

    Yields:
        documents by ascending ``frame_number``
    """
    first, last = span
    numbers = {"$gte": first} if last is None else {"$gte": first, "$lte": last}
    which = {"$and": [{"_sample_id": ObjectId(sample_id), "frame_number": numbers}, query]}
    # Comes with the other.
    inner = {path for path in paths if any(path.startswith(f"{other}.") for other in paths)}
    wanted = dict.fromkeys({"frame_number", *paths} - inner - {"id"}, 1)
    if needs_frames(view):
        yield from aggregate_frames(view, [{"$match": which}, {"$project": wanted}])
    elif (collection := frame_collection(root_dataset(view))) is not None:
        yield from collection.find(which, wanted).sort("frame_number", 1)


def write_frames(
    samples: fo.DatasetView, sample_id: str, field: str, by_number: Mapping[int, fo.Label]
) -> None:
    """Writes the labels of some frames of a video, and adds the frames that are not in the database yet.

    Samples and frames are not read as a whole: another run may have added fields that the dataset's object
    does not know. Nor are frames replaced that it adds meanwhile.

    Args:
        samples: a view of the one sample, without filters
        sample_id: the video sample
        field: the field's name, without ``frames.``
        by_number: the labels by frame number
    """
    if not by_number:
        return
    add_frames(root_dataset(samples), sample_id, by_number)
    query = {"frame_number": {"$in": list(by_number)}}
    values = {
        str(document["_id"]): by_number[document["frame_number"]]
        for document in frame_documents(samples, sample_id, (1, None), query)
    }
    samples.set_values(frame_path(field), values, key_field=frame_path("id"))


def value_at(document: dict[str, Any], path: str) -> Any:
    """The value at a path of a frame's document: of a list, those of its items; labels as FiftyOne's
    objects."""
    if path == "id":
        return str(document["_id"])
    value: Any = document
    for name in path.split("."):
        value = (
            [(item or {}).get(name) for item in value] if isinstance(value, list) else (value or {}).get(name)
        )
    if not isinstance(value, dict):
        return value
    kind = value.get("_cls", "Detections")
    if kind in _LISTS and value.get(_LISTS[kind]) is None:
        return None  # FiftyOne's filters leave an empty shell on frames without labels
    return getattr(fo, kind).from_dict(value)


def is_labeled(paths: Sequence[str], values: Sequence[Any]) -> bool:
    """Whether one of the paths has a value, that of the id apart."""
    return any(value is not None for path, value in zip(paths, values, strict=True) if path != "id")
