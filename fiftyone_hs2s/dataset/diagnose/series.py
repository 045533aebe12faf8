"""The series of a dataset's samples, for events and analyses: those of an evaluation, or new ones."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import closing
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.compat import Samples, is_clips
from fiftyone_hs2s.dataset.diagnose.backtracking import track_back
from fiftyone_hs2s.dataset.evaluate.compare import load_evaluation
from fiftyone_hs2s.dataset.evaluate.scoring import Agreement, score_sequence
from fiftyone_hs2s.dataset.fields import check_samples
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.frame_paths import field_name
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.engines import Engine, get_engine
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import SequenceScores
from fiftyone_hs2s.metrics.first_frame_match import check_match
from fiftyone_hs2s.progress import ProgressOption, counted

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel

logger = logging.getLogger(__name__)


class Series(NamedTuple):
    """The series of a video, clip or group."""

    key: str
    sample_id: str
    names: dict[int, str]
    sequence: SequenceScores
    protocol: str
    """Which frames count for the scores."""


def evaluated_series(samples: Samples, eval_key: str, prediction: str | None = None) -> Generator[Series]:
    """The series that an evaluation has stored, of the samples that are asked for.

    Args:
        samples: the samples
        eval_key: the evaluation
        prediction: the field whose evaluation it must be; None for any

    Raises:
        HS2SError: if there is no such evaluation, or it is of another field
    """
    results = load_evaluation(samples, eval_key)
    if prediction and field_name(results.config.pred_field) != prediction:
        raise HS2SError(
            f"the evaluation {eval_key!r} is of {results.config.pred_field!r}, not of {prediction!r}"
        )
    wanted = set(samples.values("sample_id" if is_clips(samples) else "id"))
    for key, entry in results.series.items():
        if entry.sample_id in wanted:
            yield Series(
                key, entry.sample_id, results.names(key), results.scores(key), results.config.protocol
            )


def how_matched(
    samples: Samples, match: str | None, gt_field: str | None, eval_key: str | None
) -> str | None:
    """How predicted objects are matched with true ones; None without ground truth.

    Args:
        samples: the samples
        match: how it is asked for: ``identity`` or ``first_frame``; None for the evaluation's, or by identity
        gt_field: field of the ground truth, if it is scored anew
        eval_key: the evaluation whose scores are used, if there is one

    Raises:
        HS2SError: if there is no such way, or the evaluation has matched in another one
    """
    if match is not None:
        check_match(match)
    known = load_evaluation(samples, eval_key).config.match if eval_key else None
    if match is not None and known not in (None, match):
        raise HS2SError(
            f"the evaluation {eval_key!r} matched objects by {known}: leave match out, or evaluate again"
        )
    return known or ((match or "identity") if gt_field else None)


def new_series(
    samples: Samples,
    truth: str | None,
    prediction: str,
    problems: list[dict[str, str]],
    progress: ProgressOption,
    other: str | HS2SVideoModel | None = None,
    protocol: str = "youtube-vos",
    match: str = "identity",
    num_workers: int | Engine | None = 1,
) -> Generator[Series]:
    """Scores samples.

    Args:
        samples: the samples
        truth: field of the ground truth, if there is one
        prediction: field of the predictions
        problems: gets an entry for each sample that cannot be scored, or not tracked back
        progress: as in ``evaluate_propagation()``
        other: what to compare the predictions with: field of another run, or a model that tracks them back
        protocol: which frames count; how void and several objects are taken
        match: how predicted objects are matched with true ones
        num_workers: as in ``find_failures()``

    Yields:
        the series of each sample that can be scored, in order
    """
    check_samples(samples)
    sequences = find_sequences(samples)
    scoring = _Scoring(truth, prediction, other, protocol, match)
    environments = [{}] if isinstance(other, str | None) else other.environments
    engine = get_engine(num_workers, len(sequences), environments)
    with (
        fiftyone_reporting(progress) as report,
        closing(engine.results(scoring, map(copy, sequences), in_order=True)) as results,
    ):
        for result in counted(results, len(sequences), report):
            sequence = sequences[result.number]
            lost = f"{sequence.name} was not looked at: {result.lost}"
            found, messages = result.value if result.lost is None else (None, [lost])
            for message in messages:
                logger.warning("%s", message)
                problems.append({"sample_id": sequence.sample_id, "message": message})
            if found is not None:
                yield found


@dataclass(frozen=True)
class _Scoring:
    """What to do with each sample, in whatever process; :func:`new_series` documents the fields."""

    truth: str | None
    prediction: str
    other: str | HS2SVideoModel | None
    protocol: str
    match: str

    def __call__(self, sequence: LabeledSequence, _: object) -> tuple[Series | None, list[str]]:
        """The series, if there can be one, and what is to be said about it."""
        messages: list[str] = []
        try:
            found = score_sequence(
                sequence,
                self.truth,
                self.prediction,
                self.protocol,
                other=self._compare_with(sequence, messages),
                match=self.match,
            )
        except HS2SError as error:
            return None, [*messages, str(error)]
        if self.match == "first_frame" and found.problem:
            messages.append(found.problem)
        return Series(sequence.key, sequence.sample_id, found.names, found.sequence, self.protocol), messages

    def _compare_with(self, sequence: LabeledSequence, messages: list[str]) -> str | Agreement | None:
        """The field of another run, or how a backward track agrees; None where there is none, which is
        noted."""
        if isinstance(self.other, str | None):
            return self.other
        try:
            with self.other:
                return track_back(sequence, self.prediction, self.other)
        except HS2SError as error:
            messages.append(str(error))
            return None
