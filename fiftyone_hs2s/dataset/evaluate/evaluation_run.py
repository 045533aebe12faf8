"""One run of the evaluation backend over some samples: sequences in, tables and fields out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.evaluate.evaluation_writer import COUNTS, SCORES, Writer, frame_means, label_scores
from fiftyone_hs2s.dataset.evaluate.object_rows import object_rows
from fiftyone_hs2s.dataset.evaluate.scoring import ScoredSequence, pack
from fiftyone_hs2s.dataset.evaluate.workers import score_sequences
from fiftyone_hs2s.dataset.frame_paths import field_name, is_frame_path
from fiftyone_hs2s.dataset.sample_views import all_samples
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.engines import Engine
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import get_protocol, summarize

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.evaluate.evaluation_backend import PropagationEvaluationConfig

logger = logging.getLogger(__name__)


@dataclass
class EvaluationRun:
    """One call of :meth:`PropagationEvaluation.generate_results`."""

    config: PropagationEvaluationConfig
    samples: Samples
    eval_key: str | None
    matches: list[tuple] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = self.config
        self._protocol = get_protocol(config.protocol)
        self._truth, self._prediction = (field_name(name) for name in (config.gt_field, config.pred_field))
        self._counts: dict[str, dict[str, int]] = {name: {} for name in COUNTS}
        is_video = is_frame_path(config.pred_field)
        self._writer = (
            Writer(all_samples(self.samples), self.eval_key, self._truth, self._prediction, is_video)
            if self.eval_key
            else None
        )

    def score(
        self, sequences: list[LabeledSequence], num_workers: int | Engine
    ) -> Iterator[tuple[LabeledSequence, ScoredSequence | HS2SError]]:
        """See :func:`fiftyone_hs2s.dataset.evaluate.workers.score_sequences`."""
        return score_sequences(
            sequences, self._truth, self._prediction, self._protocol, num_workers, self.config.match
        )

    def add(self, sequence: LabeledSequence, scored: ScoredSequence | HS2SError) -> None:
        """Takes the scores of a sequence; one that cannot be scored is noted and left out."""
        if isinstance(scored, HS2SError):
            logger.warning("Not scored: %s", scored)
            self._note(sequence, str(scored))
            return
        result = summarize({sequence.key: scored.sequence}, self._protocol)
        for problem in [scored.problem, *(problem.named(scored.names) for problem in result.problems)]:
            if problem:
                self._note(sequence, problem)
        self.objects += object_rows(scored, result.sequences[sequence.key], self._protocol)
        self.series[sequence.key] = {
            "sample_id": sequence.sample_id,
            "names": _texts(scored),
            "data": pack(scored.sequence),
        }
        self._add_labels(scored)
        if self._writer:
            for name, values in frame_means(scored, self._protocol).items():
                self._writer.add_frames(name, values)

    def _note(self, sequence: LabeledSequence, message: str) -> None:
        self.problems.append({"sample_id": sequence.sample_id, "message": message})

    def _add_labels(self, scored: ScoredSequence) -> None:
        frames: dict[str, dict[str, int]] = {name: dict.fromkeys(scored.frame_ids, 0) for name in COUNTS}
        sample_id = scored.source.sample_id
        for score in label_scores(scored, self._protocol, self.config.iou):
            self.matches += score.matches()
            if self._writer:
                self._writer.add_labels(score)
            for status in filter(None, {*score.statuses()}):
                frames[status][score.frame_id] += 1
        for name, counts in frames.items():
            self._counts[name][sample_id] = self._counts[name].get(sample_id, 0) + sum(counts.values())
            if self._writer:
                self._writer.add_frames(name, counts)

    def finish(self) -> None:
        """Writes what is left.

        Raises:
            HS2SError: if no object could be scored
        """
        if not self.objects:
            first = next((problem["message"] for problem in self.problems), "there are no samples")
            raise HS2SError(f"nothing could be scored: {first}")
        if self._writer is None:
            return
        self._writer.flush()
        if self._truth_is_on_frames():
            for name in SCORES:
                self._writer.add_samples(name, self._sample_means(name))
            for name, counts in self._counts.items():
                self._writer.add_samples(name, counts)

    def _truth_is_on_frames(self) -> bool:
        return is_frame_path(self.config.gt_field)

    def _sample_means(self, name: str) -> dict[str, float]:
        by_sample: dict[str, list[float]] = {}
        for row in self.objects:
            by_sample.setdefault(row["sample_id"], []).append(row[name])
        return {sample_id: float(np.mean(values)) for sample_id, values in by_sample.items()}


def _texts(scored: ScoredSequence) -> dict[str, str]:
    return {str(number): name for number, name in scored.names.items()}
