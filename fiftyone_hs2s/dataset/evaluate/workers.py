"""Scores many samples, in several processes if asked to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fiftyone_hs2s.dataset.database import DatabaseError
from fiftyone_hs2s.dataset.evaluate.scoring import ScoredSequence, score_sequence
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import Protocol
from fiftyone_hs2s.processes import run_in_processes

Scored = ScoredSequence | HS2SError


def score_sequences(
    sequences: list[LabeledSequence],
    truth: str,
    prediction: str,
    protocol: Protocol,
    num_workers: int = 1,
    match: str = "identity",
) -> Iterator[tuple[LabeledSequence, Scored]]:
    """Scores sequences, with their labels.

    Args:
        sequences: videos, clips or groups
        truth: field of the ground truth
        prediction: field of the predictions
        protocol: how void and several objects are taken
        num_workers: number of processes
        match: how objects are matched

    Yields:
        in order, each sequence and its scores, or why it has none
    """
    if min(num_workers, len(sequences)) <= 1:
        yield from (
            (sequence, _score(sequence, truth, prediction, protocol, match)) for sequence in sequences
        )
        return
    tasks = ((sequence, truth, prediction, protocol, match) for sequence in sequences)
    with run_in_processes(_score, tasks, min(num_workers, len(sequences))) as futures:
        for sequence, future in zip(sequences, futures, strict=True):
            scored = future.result()
            yield sequence, scored if isinstance(scored, HS2SError) else replace(scored, source=sequence)


def _score(sequence: LabeledSequence, truth: str, prediction: str, protocol: Protocol, match: str) -> Scored:
    try:
        return score_sequence(sequence, truth, prediction, protocol, keep_labels=True, match=match)
    except Exception as error:
        found = sequence.explain(error)
        if isinstance(found, HS2SError) and not isinstance(found, DatabaseError):
            return found
        raise found from (error.__cause__ if found is error else error)
