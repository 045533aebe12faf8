"""Rows of numbers, names and ids in some bytes each: results of many samples are held for as long as it takes
to score them."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

_ABSENT = object()
"""What a row has no entry for."""
_NO_TEXT = {-1: None, -2: _ABSENT}
"""By number, what is there instead of a text."""


class _Floats:
    """Floats; None is NaN where a column may have it."""

    kind = "d"

    def __init__(self) -> None:
        self._values: array[Any] = array(self.kind)

    def append(self, value: Any) -> None:
        self._values.append(value)

    def __getitem__(self, index: int) -> Any:
        return self._values[index]

    def array(self) -> np.ndarray:
        return np.array(self._values)

    def packed(self, name: str) -> Iterator[tuple[str, np.ndarray]]:
        yield name, self.array()

    def unpack(self, name: str, packed: Mapping[str, np.ndarray]) -> None:
        self._values.frombytes(packed[name].tobytes())


class _Integers(_Floats):
    kind = "q"


class _OptionalFloats(_Floats):
    def append(self, value: float | None) -> None:
        self._values.append(np.nan if value is None else value)

    def __getitem__(self, index: int) -> float | None:
        value: float = self._values[index]
        return None if np.isnan(value) else value


class _Texts(_Floats):
    """Texts of which there are few, each held once; None, or no entry at all."""

    kind = "i"

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[str] = []
        self._places: dict[str, int] = {}

    def append(self, value: Any) -> None:
        instead = next((number for number, other in _NO_TEXT.items() if value is other), None)
        self._values.append(self._place(value) if instead is None else instead)

    def _place(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self._texts)
            self._texts.append(text)
        return self._places[text]

    def __getitem__(self, index: int) -> Any:
        place = self._values[index]
        return self._texts[place] if place >= 0 else _NO_TEXT[place]

    def array(self) -> np.ndarray:
        return np.array([self[index] for index in range(len(self._values))])

    def packed(self, name: str) -> Iterator[tuple[str, np.ndarray]]:
        yield name, np.array(self._values)
        yield f"{name}.texts", np.frombuffer(json.dumps(self._texts).encode(), np.uint8)

    def unpack(self, name: str, packed: Mapping[str, np.ndarray]) -> None:
        super().unpack(name, packed)
        for text in json.loads(packed[f"{name}.texts"].tobytes()):
            self._place(text)


class _Keys(_Texts):
    """Texts that rows in a row share."""

    def _place(self, text: str) -> int:
        if not self._texts or self._texts[-1] != text:
            self._texts.append(text)
        return len(self._texts) - 1


class _Ids(_Floats):
    """Ids of 24 hexadecimal digits, or None, as 12 bytes."""

    size = 12

    def __init__(self) -> None:
        self._bytes = bytearray()

    def append(self, value: str | None) -> None:
        self._bytes += bytes.fromhex(value) if value else bytes(self.size)

    def __getitem__(self, index: int) -> str | None:
        found = self._bytes[self.size * index : self.size * (index + 1)]
        return found.hex() if any(found) else None

    def packed(self, name: str) -> Iterator[tuple[str, np.ndarray]]:
        rows = np.frombuffer(bytes(self._bytes), np.uint8).reshape(-1, self.size)
        yield name, np.ascontiguousarray(rows.T)  # most ids begin with the same bytes

    def unpack(self, name: str, packed: Mapping[str, np.ndarray]) -> None:
        self._bytes += packed[name].T.tobytes()


KINDS: dict[str, type[_Floats]] = {
    "float": _Floats,
    "float or none": _OptionalFloats,
    "int": _Integers,
    "text": _Texts,
    "key": _Keys,
    "id": _Ids,
}


class CompactRows(Sequence[dict[str, Any]]):
    """Rows of one kind; each is made a mapping when it is asked for.

    Args:
        name: names the rows where they are stored
        columns: the kind of each column, of ``KINDS``; an entry that is missing is one of ``text``
    """

    def __init__(self, name: str, columns: Mapping[str, str]) -> None:
        self._name, self._length = name, 0
        self._columns = {column: KINDS[kind]() for column, kind in columns.items()}

    def append(self, row: Mapping[str, Any]) -> None:
        """Adds a row."""
        for name, column in self._columns.items():
            column.append(row.get(name, _ABSENT))
        self._length += 1

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        places = range(self._length)[index]
        return self._row(places) if isinstance(places, int) else [self._row(place) for place in places]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._row, range(self._length))

    def _row(self, index: int) -> dict[str, Any]:
        values = ((name, column[index]) for name, column in self._columns.items())
        return {name: value for name, value in values if value is not _ABSENT}

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    def __repr__(self) -> str:
        return repr(list(self))

    def column(self, name: str) -> np.ndarray:
        """One entry of all rows."""
        return self._columns[name].array()

    def packed(self) -> Iterator[tuple[str, np.ndarray]]:
        """Arrays that hold the rows, one by one, with their names."""
        for name, column in self._columns.items():
            yield from column.packed(f"{self._name}.{name}")

    def unpack(self, packed: Mapping[str, np.ndarray], length: int) -> CompactRows:
        """Takes the rows of :meth:`packed`; returns itself."""
        for name, column in self._columns.items():
            column.unpack(f"{self._name}.{name}", packed)
        self._length = length
        return self
