"""The result of an evaluation: per object, per sequence, and in all."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics.protocols import (
    Protocol,
    Statistics,
    counted_frames,
    frame_statistics,
    get_protocol,
    mean_statistics,
    scored_ids,
)
from fiftyone_hs2s.metrics.scores import SequenceScores
from fiftyone_hs2s.tables import data_frame, percent, text_table

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Problem:
    """Something in the input that is not as it should be, and how it was scored."""

    kind: str
    """missing-sequence, missing-frame, size, extra-id, late-object, match, unlisted, no-frames, prompts,
    no-class."""
    sequence: str
    message: str
    frames: tuple[str, ...] = ()
    """Names of the frames concerned."""


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
            "J_statistics": _finite(asdict(self.J_statistics)),
            "F_statistics": _finite(asdict(self.F_statistics)),
            "sequences": {name: _sequence_dict(sequence) for name, sequence in self.sequences.items()},
            "problems": [asdict(problem) for problem in self.problems],
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
    return _finite({"J": means.J, "F": means.F, "JF": means.JF})


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


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


def summarize(
    sequences: Mapping[str, SequenceScores],
    protocol: str | Protocol = "davis2017",
    classes: Mapping[str, Mapping[int, str]] | None = None,
    seen: Collection[str] | None = None,
    frames: Mapping[str, Mapping[int, Collection[str]]] | None = None,
) -> Evaluation:
    """Scores sequences by a protocol.

    What is odd (ids that are not in the truth, objects that the protocol passes over) is listed in
    ``problems``; it does not count. Unlike the official code nothing of this ends the evaluation.

    Args:
        sequences: by name, from a ``SequenceScorer``; it must have been made with the ``exclude_void`` and
            ``merge_objects`` of the protocol
        protocol: ``davis2016``, ``davis2017``, ``youtube-vos``, ``all``, or one of your own
        classes: class name of each object, by sequence and id
        seen: names of the classes that were seen in training; needs ``classes``
        frames: names of the frames of each object, by sequence and id, as ``meta.json`` of YouTube-VOS lists
            them. Where the protocol counts frames from an object's first on, an object then counts on these
            alone, the first of them left out, and not at all if its sequence has lists but none for it

    Raises:
        HS2SError: if there is no such protocol, or seen classes are given without the objects' classes
    """
    protocol = get_protocol(protocol)
    if seen is not None and classes is None:
        raise HS2SError("Seen classes were given without the classes of the objects: give both.")
    problems: list[Problem] = []
    results = {}
    for name, sequence in sequences.items():
        ids = scored_ids(sequence, protocol)
        problems += _id_problems(name, sequence, ids)
        of_class = (classes or {}).get(name, {})
        listed = (frames or {}).get(name) if protocol.after_appearance else None
        if listed:
            problems += _list_problems(name, sequence, ids, listed)
            ids = [i for i in ids if i in listed]
        found = {i: _object_result(name, sequence, i, protocol, of_class.get(i), seen, listed) for i in ids}
        results[name] = SequenceResult(name, {i: result for i, result in found.items() if result})
        problems += _result_problems(name, sequence, ids, results[name], seen)
    return Evaluation(protocol, results, problems)


def _object_result(
    name: str,
    sequence: SequenceScores,
    object_id: int,
    protocol: Protocol,
    class_name: str | None,
    seen: Collection[str] | None,
    listed: Mapping[int, Collection[str]] | None,
) -> ObjectResult | None:
    scores = sequence.objects[object_id]
    counted = counted_frames(scores, protocol)
    if listed:
        counted &= np.isin(sequence.names, sorted(listed[object_id])[1:])
    if not counted.any():
        return None
    j, f = scores.J[counted], scores.F[counted]
    frames = (
        [sequence.names[k] for k in np.flatnonzero(counted)]
        if sequence.names
        else scores.frames[counted].tolist()
    )
    is_seen = None if seen is None or class_name is None else class_name in seen
    return ObjectResult(
        name, object_id, frame_statistics(j), frame_statistics(f), frames, j, f, class_name, is_seen
    )


def _id_problems(name: str, sequence: SequenceScores, ids: list[int]) -> Iterator[Problem]:
    if extra := sequence.extra_ids:
        yield Problem("extra-id", name, f"{_ids(extra)} predicted but not in the truth: ignored")
    if late := [i for i in sequence.true_ids if i not in ids]:
        message = f"{_ids(late)} above the ids of the first frame: not scored by this protocol"
        yield Problem("late-object", name, message)


def _list_problems(
    name: str, sequence: SequenceScores, ids: list[int], listed: Mapping[int, Collection[str]]
) -> Iterator[Problem]:
    if unlisted := [i for i in ids if i not in listed]:
        yield Problem("unlisted", name, f"{_ids(unlisted)} without a list of frames: not scored")
    if absent := [i for i in listed if i not in ids]:
        yield Problem("unlisted", name, f"{_ids(absent)} listed but not in the truth: not scored")
    known = {frame for frame, annotated in zip(sequence.names, sequence.annotated, strict=True) if annotated}
    if lost := sorted({frame for frames in listed.values() for frame in frames} - known):
        yield Problem("unlisted", name, "listed frames without truth: not scored", tuple(lost))


def _result_problems(
    name: str, sequence: SequenceScores, ids: list[int], result: SequenceResult, seen: Collection[str] | None
) -> Iterator[Problem]:
    if not ids:
        yield Problem("no-frames", name, "no object in the truth: not scored")
    missing = [i for i in ids if i not in result.objects]
    prompts = [i for i in missing if sequence.objects[i].prompted.any()]
    if short := [i for i in missing if i not in prompts]:
        yield Problem("no-frames", name, f"{_ids(short)} without a frame that counts: not scored")
    if prompts:
        message = f"{_ids(prompts)} with no frame that counts but those whose mask was a prompt: not scored"
        yield Problem("prompts", name, message)
    if seen is not None and (unknown := [i for i, o in result.objects.items() if o.seen is None]):
        yield Problem("no-class", name, f"{_ids(unknown)} of unknown class: neither seen nor unseen")


def _ids(ids: list[int]) -> str:
    return f"object{'s' * (len(ids) > 1)} {', '.join(map(str, ids))}"
