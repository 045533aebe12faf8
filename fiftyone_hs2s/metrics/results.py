"""The result of an evaluation: per object, per sequence, and in all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fiftyone_hs2s.metrics.protocols import (
    Protocol,
    Statistics,
    mean_statistics,
)
from fiftyone_hs2s.tables import data_frame, defined, percent, text_table

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Problem:
    """Something in the input that is not as it should be, and how it was scored."""

    kind: str
    """missing-sequence, missing-frame, size, extra-id, late-object, match, unlisted, no-frames, prompts,
    no-class."""
    sequence: str
    what: str
    """What is odd, said of the objects concerned if there are any."""
    frames: tuple[str, ...] = ()
    """Names of the frames concerned."""
    objects: tuple[int, ...] = ()
    """Ids of the objects concerned."""

    @property
    def message(self) -> str:
        """What is odd, with the ids of the objects."""
        return self.named({})

    def named(self, names: Mapping[int, str]) -> str:
        """The message, with the names that the objects have, by id."""
        if not self.objects:
            return self.what
        called = ", ".join(names.get(i, str(i)) for i in self.objects)
        return f"object{'s' * (len(self.objects) > 1)} {called} {self.what}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self)
        del found["what"]
        return {**found, "message": self.message}


@dataclass(frozen=True, eq=False)
class ObjectResult:
    """J and F of one object over its counted frames."""

    sequence: str
    object_id: int
    J: Statistics
    F: Statistics
    frames: list[str] | list[int]
    """Names of the K counted frames, or their numbers where the sequence's frames have no names."""
    J_frames: np.ndarray
    """J on each of these frames, float (K,)."""
    F_frames: np.ndarray
    class_name: str | None = None
    seen: bool | None = None
    """Whether the class was seen in training; None where that is not known."""

    @property
    def JF(self) -> float:
        """(J + F) / 2."""
        return (self.J.mean + self.F.mean) / 2


class _Means(ABC):
    """Means over objects."""

    @property
    @abstractmethod
    def results(self) -> list[ObjectResult]:
        """The results of the objects, each of the same weight."""

    @property
    def J_statistics(self) -> Statistics:
        """Mean, recall and decay of J, means over objects."""
        return mean_statistics([result.J for result in self.results])

    @property
    def F_statistics(self) -> Statistics:
        """Mean, recall and decay of F, means over objects."""
        return mean_statistics([result.F for result in self.results])

    @property
    def J(self) -> float:
        """Mean J over objects; NaN without objects."""
        return self.J_statistics.mean

    @property
    def F(self) -> float:
        """Mean F over objects; NaN without objects."""
        return self.F_statistics.mean

    @property
    def JF(self) -> float:
        """(J + F) / 2."""
        return (self.J + self.F) / 2


@dataclass(frozen=True, eq=False)
class SequenceResult(_Means):
    """All counted objects of one sequence; its J and F are means over them."""

    name: str
    objects: dict[int, ObjectResult]

    @property
    def results(self) -> list[ObjectResult]:
        """The results of the objects, by ascending id."""
        return list(self.objects.values())


@dataclass(frozen=True, eq=False)
class Evaluation(_Means):
    """All sequences. J and F are means over all objects, not over sequences."""

    protocol: Protocol
    sequences: dict[str, SequenceResult]
    problems: list[Problem] = field(default_factory=list)
    match: str = "identity"
    """How predicted objects were matched with true ones, see
    :mod:`fiftyone_hs2s.metrics.first_frame_match`."""

    @property
    def results(self) -> list[ObjectResult]:
        """The results of all objects, sequence by sequence."""
        return [result for sequence in self.sequences.values() for result in sequence.results]

    @property
    def splits(self) -> dict[str, float]:
        """J and F of the objects of seen and of unseen classes, and G, the mean of the four; empty if not
        known.

        Keys: ``J_seen``, ``F_seen``, ``J_unseen``, ``F_unseen``, ``G``. Without objects on one side its two
        numbers are missing, and G is the mean of the others.
        """
        numbers = {}
        for name, seen in (("seen", True), ("unseen", False)):
            if group := [result for result in self.results if result.seen is seen]:
                numbers[f"J_{name}"] = mean_statistics([result.J for result in group]).mean
                numbers[f"F_{name}"] = mean_statistics([result.F for result in group]).mean
        return numbers | {"G": float(np.mean(list(numbers.values())))} if numbers else {}

    def to_dict(self) -> dict[str, Any]:
        """What ``hs2s evaluate --json`` writes: only dicts, lists, strings, numbers; None for what is not
        defined."""
        return {
            "protocol": self.protocol.name,
            "match": self.match,
            **_numbers(self),
            **self.splits,
            "J_statistics": defined(asdict(self.J_statistics)),
            "F_statistics": defined(asdict(self.F_statistics)),
            "sequences": {name: _sequence_dict(sequence) for name, sequence in self.sequences.items()},
            "problems": [problem.to_dict() for problem in self.problems],
        }

    def object_rows(self) -> Iterator[dict[str, Any]]:
        """One row per object, for a table: sequence, object, frames, J, F, JF, recalls, decays, class,
        seen."""
        for result in self.results:
            yield {
                "sequence": result.sequence,
                "object": result.object_id,
                "frames": len(result.frames),
                "J": result.J.mean,
                "F": result.F.mean,
                "JF": result.JF,
                "J_recall": result.J.recall,
                "J_decay": result.J.decay,
                "F_recall": result.F.recall,
                "F_decay": result.F.decay,
                "class": result.class_name,
                "seen": result.seen,
            }

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows of :meth:`object_rows`, scores in 0..1."""
        return data_frame(self.object_rows())

    def table(self) -> str:
        """A line for each object, and the means; percent."""
        rows: list[Sequence[Any]] = [("sequence", "object", "frames", "J", "F", "J&F", "J recall", "J decay")]
        for result in self.results:
            numbers = (result.J.mean, result.F.mean, result.JF, result.J.recall, result.J.decay)
            rows.append((result.sequence, result.object_id, len(result.frames), *map(percent, numbers)))
        means = (self.J, self.F, self.JF, self.J_statistics.recall, self.J_statistics.decay)
        counts = (len(self.results), sum(len(result.frames) for result in self.results))
        how = "" if self.match == "identity" else f", match {self.match}"
        rows.append((f"all, {self.protocol.name}{how}", *counts, *map(percent, means)))
        splits = [f"{name.replace('_', ' ')} {percent(value)}" for name, value in self.splits.items()]
        return "\n".join([text_table(rows, total=True), *([", ".join(splits)] if splits else [])])

    def print(self) -> None:
        """Prints the table, in percent."""
        print(self.table(), flush=True)

    def frame_rows(self) -> Iterator[dict[str, Any]]:
        """One row per object and counted frame: sequence, object, frame, J, F."""
        for result in self.results:
            for frame, j, f in zip(result.frames, result.J_frames, result.F_frames, strict=True):
                identity = {"sequence": result.sequence, "object": result.object_id, "frame": frame}
                yield {**identity, "J": float(j), "F": float(f)}


def _numbers(means: _Means) -> dict[str, float | None]:
    return defined({"J": means.J, "F": means.F, "JF": means.JF})


def _sequence_dict(sequence: SequenceResult) -> dict[str, Any]:
    return {**_numbers(sequence), "objects": {str(i): _object_dict(o) for i, o in sequence.objects.items()}}


def _object_dict(result: ObjectResult) -> dict[str, Any]:
    return {
        "J": result.J.mean,
        "F": result.F.mean,
        "JF": result.JF,
        "J_frames": result.J_frames.tolist(),
        "F_frames": result.F_frames.tolist(),
        "frames": result.frames,
        "J_recall": result.J.recall,
        "J_decay": result.J.decay,
        "F_recall": result.F.recall,
        "F_decay": result.F.decay,
    }
