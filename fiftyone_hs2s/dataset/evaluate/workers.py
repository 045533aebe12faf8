"""Scores many samples, in several processes if asked to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from fiftyone_hs2s.dataset.database import DatabaseError
from fiftyone_hs2s.dataset.evaluate.scoring import ScoredSequence, score_sequence
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.engines import Engine, get_engine
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import Protocol

Scored = ScoredSequence | HS2SError


def score_sequences(
    sequences: list[LabeledSequence],
    truth: str,
    prediction: str,
    protocol: Protocol,
    num_workers: int | Engine = 1,
    match: str = "identity",
) -> Iterator[tuple[LabeledSequence, Scored]]:
    """Scores sequences, with their labels.

    Args:
        sequences: videos, clips or groups
        truth: field of the ground truth
        prediction: field of the predictions
        protocol: how void and several objects are taken
        num_workers: number of processes, or an engine
        match: how objects are matched

    Yields:
        in order, each sequence and its scores, or why it has none
    """
    engine = get_engine(num_workers, len(sequences))
    scoring = _Scoring(truth, prediction, protocol, match)
    tasks = map(copy, sequences)  # what a sequence keeps of the database goes with the copy
    with closing(engine.results(scoring, tasks, in_order=True)) as results:
        for result in results:
            sequence, scored = sequences[result.number], result.value
            if result.lost:
                scored = HS2SError(f"{sequence.name} was not scored: {result.lost}")
            yield sequence, scored if isinstance(scored, HS2SError) else replace(scored, source=sequence)


@dataclass(frozen=True)
class _Scoring:
    truth: str
    prediction: str
    protocol: Protocol
    match: str

    def __call__(self, sequence: LabeledSequence, _: Any) -> Scored:
        try:
            return score_sequence(
                sequence, self.truth, self.prediction, self.protocol, keep_labels=True, match=self.match
            )
        except Exception as error:
            found = sequence.explain(error)
            if isinstance(found, HS2SError) and not isinstance(found, DatabaseError):
                return found
            raise found from (error.__cause__ if found is error else error)
