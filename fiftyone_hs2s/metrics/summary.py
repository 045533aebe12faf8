"""The result of scored sequences by a protocol, with what is odd about them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics.protocols import (
    Protocol,
    counted_frames,
    frame_statistics,
    get_protocol,
    scored_ids,
)
from fiftyone_hs2s.metrics.results import Evaluation, ObjectResult, Problem, SequenceResult
from fiftyone_hs2s.metrics.scores import SequenceScores


def summarize(
    sequences: Mapping[str, SequenceScores],
    protocol: str | Protocol = "davis2017",
    classes: Mapping[str, Mapping[int, str]] | None = None,
    seen: Collection[str] | None = None,
    frames: Mapping[str, Mapping[int, Collection[str]]] | None = None,
) -> Evaluation:
    """Scores sequences by a protocol.

    What is odd (ids that are not in the truth, objects that the protocol skips) is listed in
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
        yield Problem("extra-id", name, "predicted but not in the truth: ignored", objects=tuple(extra))
    if late := [i for i in sequence.true_ids if i not in ids]:
        message = "above the ids of the first frame: not scored by this protocol"
        yield Problem("late-object", name, message, objects=tuple(late))


def _list_problems(
    name: str, sequence: SequenceScores, ids: list[int], listed: Mapping[int, Collection[str]]
) -> Iterator[Problem]:
    if unlisted := [i for i in ids if i not in listed]:
        yield Problem("unlisted", name, "without a list of frames: not scored", objects=tuple(unlisted))
    if absent := [i for i in listed if i not in ids]:
        yield Problem("unlisted", name, "listed but not in the truth: not scored", objects=tuple(absent))
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
        yield Problem("no-frames", name, "without a frame that counts: not scored", objects=tuple(short))
    if prompts:
        message = "with no frame that counts but those whose mask was a prompt: not scored"
        yield Problem("prompts", name, message, objects=tuple(prompts))
    if seen is not None and (unknown := [i for i, o in result.objects.items() if o.seen is None]):
        yield Problem("no-class", name, "of unknown class: neither seen nor unseen", objects=tuple(unknown))
