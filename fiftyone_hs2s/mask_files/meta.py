"""What a ``meta.json`` of YouTube-VOS says of the objects; other data sets have files of that name too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import read_text


class Meta(NamedTuple):
    """What is said of the objects, by sequence and id; objects of which nothing is said are left out."""

    classes: dict[str, dict[int, str]]
    frames: dict[str, dict[int, tuple[str, ...]]]
    """Names of the frames that are listed for each object."""


def read_meta(file: Path) -> Meta:
    """Reads a ``meta.json`` of YouTube-VOS: ``{"videos": {name: {"objects": {id: {"category",
    "frames"}}}}}``.

    Categories and lists of frames may be missing.

    Raises:
        HS2SError: if the file cannot be read, or says nothing of the kind
    """
    try:
        data = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise HS2SError(f"{file} is not a meta.json of YouTube-VOS ({error}): give another file.") from error
    meta = Meta({}, {})
    for name, object_id, said in _objects(data):
        if isinstance(said.get("category"), str):
            meta.classes.setdefault(name, {})[object_id] = said["category"]
        if isinstance(said.get("frames"), list) and said["frames"]:
            meta.frames.setdefault(name, {})[object_id] = tuple(map(str, said["frames"]))
    if not meta.classes and not meta.frames:
        raise HS2SError(
            f"{file} is not a meta.json of YouTube-VOS: it has no videos, objects with a category or frames. "
            "Give another file."
        )
    return meta


def _objects(data: Any) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Sequence, id and description of every object in the file that has the right form."""
    for name, video in _items(data, "videos"):
        for object_id, said in _items(video, "objects"):
            if (
                object_id.isascii()
                and object_id.isdecimal()
                and len(object_id) < 6
                and isinstance(said, dict)
            ):
                yield name, int(object_id), said


def _items(data: Any, key: str) -> Iterator[tuple[str, Any]]:
    found = data.get(key) if isinstance(data, dict) else None
    return iter(found.items() if isinstance(found, dict) else ())
