"""One run of the evaluation backend over some samples: sequences in, tables and fields out."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.evaluate.evaluation_tables import EvaluationTables
from fiftyone_hs2s.dataset.evaluate.evaluation_writer import COUNTS, SCORES, Writer, frame_means, label_scores
from fiftyone_hs2s.dataset.evaluate.object_rows import object_rows
from fiftyone_hs2s.dataset.evaluate.scoring import ScoredSequence
from fiftyone_hs2s.dataset.evaluate.stored_series import pack
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
    tables: EvaluationTables = field(default_factory=EvaluationTables)

    def __post_init__(self) -> None:
        config = self.config
        self._protocol = get_protocol(config.protocol)
        self._truth, self._prediction = (field_name(name) for name in (config.gt_field, config.pred_field))
        self._places: dict[str, int] = {}
        self._counts: dict[str, array[int]] = {name: array("q") for name in COUNTS}  # by sample
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
        for row in object_rows(scored, result.sequences[sequence.key], self._protocol):
            self.tables.add_object(row)
        self.tables.add_series(sequence.key, sequence.sample_id, scored.names, pack(scored.sequence))
        self._add_labels(scored)
        if self._writer:
            for name, values in frame_means(scored, self._protocol).items():
                self._writer.add_frames(name, values)

    def _note(self, sequence: LabeledSequence, message: str) -> None:
        self.tables.problems.append({"sample_id": sequence.sample_id, "message": message})

    def _add_labels(self, scored: ScoredSequence) -> None:
        frames: dict[str, dict[str, int]] = {name: dict.fromkeys(scored.frame_ids, 0) for name in COUNTS}
        place = self._places.setdefault(scored.source.sample_id, len(self._places))
        for score in label_scores(scored, self._protocol, self.config.iou):
            for row in score.matches():
                self.tables.add_match(row)
            if self._writer:
                self._writer.add_labels(score)
            for status in filter(None, {*score.statuses()}):
                frames[status][score.frame_id] += 1
        for name, counts in frames.items():
            if place == len(self._counts[name]):
                self._counts[name].append(0)
            self._counts[name][place] += sum(counts.values())
            if self._writer:
                self._writer.add_frames(name, counts)

    def finish(self) -> None:
        """Writes what is left.

        Raises:
            HS2SError: if no object could be scored
        """
        if not self.tables.objects:
            first = next((problem["message"] for problem in self.tables.problems), "there are no samples")
            raise HS2SError(f"nothing could be scored: {first}")
        if self._writer is None:
            return
        self._writer.flush()
        if self._truth_is_on_frames():
            for name in SCORES:
                self._writer.add_samples(name, self.tables.means_by_sample(name))
            for name, counts in self._counts.items():
                self._writer.add_samples(name, dict(zip(self._places, counts, strict=True)))

    def _truth_is_on_frames(self) -> bool:
        return is_frame_path(self.config.gt_field)
