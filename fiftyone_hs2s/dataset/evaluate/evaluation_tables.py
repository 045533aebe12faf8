"""What an evaluation holds and stores: rows of labels and of objects, series, problems."""

from __future__ import annotations

import io
import json
import zipfile
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fiftyone_hs2s.dataset.evaluate.compact_rows import CompactRows
from fiftyone_hs2s.dataset.evaluate.stored_series import StoredSeries
from fiftyone_hs2s.errors import HS2SError

_MATCHES = {
    "ytrue": "text",
    "ypred": "text",
    "ious": "float or none",
    "confs": "float or none",
    "ytrue_ids": "id",
    "ypred_ids": "id",
}
"""FiftyOne's columns of labels that were found or missed, in the order of the rows that its results take."""
_OBJECTS = {
    "sample_id": "key",
    "key": "key",
    "object": "int",
    "name": "text",
    "label": "text",
    **dict.fromkeys(("J", "F", "JF", "J_recall", "F_recall", "J_decay", "F_decay"), "float"),
    **dict.fromkeys(("frames", "prompts", "length", "occlusions", "longest_occlusion"), "int"),
    "matched": "text",
}
_SERIES = {"key": "key", "sample_id": "key", "names": "text", "size": "int"}


def _matches() -> CompactRows:
    return CompactRows("matches", _MATCHES)


def _objects() -> CompactRows:
    return CompactRows("objects", _OBJECTS)


@dataclass
class EvaluationTables:
    """The tables of an evaluation.

    Attributes:
        matches: the labels that were found or missed: one row each
        objects: one row per scored object, see :meth:`PropagationResults.to_dataframe`
        series: the frame by frame values of each video, clip or group, by key
        problems: what was odd or could not be scored: ``sample_id`` and ``message``
    """

    matches: CompactRows = field(default_factory=_matches)
    objects: CompactRows = field(default_factory=_objects)
    series: dict[str, StoredSeries] = field(default_factory=dict)
    problems: list[dict[str, str]] = field(default_factory=list)
    _names: dict[str, dict[int, str]] = field(default_factory=dict, init=False, repr=False)

    def add_match(self, row: tuple) -> None:
        """Adds a row ``(true label, predicted label, iou, confidence, true id, predicted id)``."""
        self.matches.append(dict(zip(_MATCHES, row, strict=True)))

    def add_object(self, row: Mapping[str, Any]) -> None:
        """Adds an object's row."""
        self.objects.append(row)

    def add_series(self, key: str, sample_id: str, names: Mapping[int, str], data: bytes) -> None:
        """Adds the series of a sequence; names that several have are held once."""
        shared = self._names.setdefault(_as_text(names), dict(names))
        self.series[key] = StoredSeries(sample_id, shared, data)

    def match_rows(self) -> Iterator[tuple]:
        """The rows of ``matches`` as FiftyOne's results take them."""
        return (tuple(row[name] for name in _MATCHES) for row in self.matches)

    def means_by_sample(self, name: str) -> dict[str, float]:
        """The mean of a column of ``objects``, by sample id."""
        places: dict[str, int] = {}
        owners = np.array([places.setdefault(row["sample_id"], len(places)) for row in self.objects], int)
        values = self.objects.column(name)[np.argsort(owners, kind="stable")]
        stops = np.cumsum(np.bincount(owners, minlength=len(places)))
        return {i: float(values[a:b].mean()) for i, a, b in zip(places, (0, *stops), stops, strict=False)}

    def to_dict(self) -> dict[str, Any]:
        """What to store: all but ``problems`` as bytes, since FiftyOne stores one JSON document, of which it
        makes several copies."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:  # as numpy.load() reads it
            for name, values in self._arrays():
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, values, allow_pickle=False)
        return {"tables": file.getvalue(), "problems": self.problems}

    def _arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """What is stored, made one by one."""
        index = CompactRows("series", _SERIES)
        for key, (sample_id, names, data) in self.series.items():
            index.append({"key": key, "sample_id": sample_id, "names": _as_text(names), "size": len(data)})
        tables = (self.matches, self.objects, index)
        yield "lengths", np.array([len(table) for table in tables])
        for table in tables:
            yield from table.packed()
        yield "data", np.frombuffer(b"".join(entry.data for entry in self.series.values()), np.uint8)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> EvaluationTables:
        """Reads what :meth:`to_dict` wrote, or an earlier version of it."""
        return _read(stored) if "tables" in stored else _read_earlier(stored)


def _read(stored: Mapping[str, Any]) -> EvaluationTables:
    with np.load(io.BytesIO(stored["tables"])) as arrays:
        lengths = arrays["lengths"].tolist()
        found = EvaluationTables(problems=stored["problems"])
        found.matches = _matches().unpack(arrays, lengths[0])
        found.objects = _objects().unpack(arrays, lengths[1])
        data, start = arrays["data"].tobytes(), 0
        for row in CompactRows("series", _SERIES).unpack(arrays, lengths[2]):
            stop = start + row["size"]
            names = {int(number): name for number, name in json.loads(row["names"])}
            found.add_series(row["key"], row["sample_id"], names, data[start:stop])
            start = stop
    return found


def _read_earlier(stored: Mapping[str, Any]) -> EvaluationTables:
    """Evaluations that were stored as lists and texts.

    Raises:
        HS2SError: if the rows lack something
    """
    found = EvaluationTables(problems=stored["problems"])
    nothing = [None] * len(stored["ytrue"])
    for match in zip(*(stored.get(name) or nothing for name in _MATCHES), strict=True):
        found.add_match(match)
    for row in ({"prompts": 0, **row} for row in stored["objects"]):
        if missing := set(_OBJECTS) - {*row, "matched"}:
            raise HS2SError(f"the stored rows lack {', '.join(sorted(missing))}: run the evaluation again")
        found.add_object(row)
    for key, entry in stored["series"].items():
        names = {int(number): name for number, name in entry["names"].items()}
        found.add_series(key, entry["sample_id"], names, b64decode(entry["data"]))
    return found


def _as_text(names: Mapping[int, str]) -> str:
    return json.dumps([(int(number), name) for number, name in names.items()])
