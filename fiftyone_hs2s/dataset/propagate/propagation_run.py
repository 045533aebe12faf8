"""One run of :func:`fiftyone_hs2s.propagate`: the samples to do, who does them, and what came of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from fiftyone_hs2s.dataset.claims import ClaimedError, any_claims
from fiftyone_hs2s.dataset.coloring import color_by_instance
from fiftyone_hs2s.dataset.database import DatabaseError
from fiftyone_hs2s.dataset.label_runs import group_run
from fiftyone_hs2s.dataset.propagate.propagation_report import PropagationReport
from fiftyone_hs2s.dataset.propagate.sample_job import SampleJob
from fiftyone_hs2s.dataset.propagate.status import StatusField
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.engines import Engine, InThisProcess, Result, get_engine
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import Progress

logger = logging.getLogger(__name__)


@dataclass
class PropagationRun:
    """One call of :func:`propagate`, which documents the fields.

    Attributes:
        job: what to do with each sample
        status: where it is noted what is finished
        num_workers: who does it
        show: is told how far the run is
        report: what came of it
        done: samples that are over, however they ended
        total: samples to do
        begun: how far each sample is that is being worked on, by its number
    """

    job: SampleJob
    status: StatusField
    num_workers: int | Engine | None
    show: Callable[[Progress], Any]
    report: PropagationReport = field(default_factory=PropagationReport)
    done: int = 0
    total: int = 0
    begun: dict[int, Progress | None] = field(default_factory=dict)

    def run(self, sequences: list[LabeledSequence]) -> PropagationReport:
        """Does the sequences that are not finished."""
        states = zip(sequences, self.status.states(sequences), strict=True)
        todo = [s for s, state in states if state != "complete" or not self._is_finished(s)]
        self.total = len(todo)
        engine = self._engine()
        is_new = bool(todo) and not todo[0].has_field(self.job.label_field)
        try:
            if todo and not isinstance(engine, InThisProcess):  # this process must know the fields too
                todo[0].add_field(self.job.label_field)
                self.status.declare()
            self._do(todo, engine, replace(self.job, patient=engine.tries_again))
            claimed = [s for s in todo if self.report.claimed.pop(s.name, None)]  # they may be free by now
            self._do(claimed, engine, replace(self.job, patient=True))
            if todo:
                self._show()
        except DatabaseError:
            raise
        except BaseException:
            self._tidy(todo, is_new)
            raise
        self._tidy(todo, is_new)
        if self.report.frames:
            color_by_instance(self.status.dataset)
            if self.job.prompt_fields != (self.job.label_field,):  # a person's own field stays where it is
                group_run(self.status.dataset, self.job.label_field)
        logger.info("Propagated %s to %s: %s", self.job.prompts_named, self.job.label_field, self.report)
        return self.report

    def _engine(self) -> Engine:
        """Who does the work."""
        model, batch_videos = self.job.model, self.job.batch_videos
        if batch_videos > 1:
            model.tracker.joint  # noqa: B018 - refuses what cannot be one batch
        return get_engine(self.num_workers, self.total, model.environments, batch_videos)

    def _is_finished(self, sequence: LabeledSequence) -> bool:
        if finished := self.job.is_finished(copy(sequence)):
            self.report.skipped.append(sequence.name)
        return finished

    def _do(self, sequences: list[LabeledSequence], engine: Engine, job: SampleJob) -> None:
        self.begun.clear()
        with closing(engine.results(job, map(copy, sequences), self._tell)) as results:
            for result in results:
                self._take(result, sequences[result.number], job)
                if self.begun:  # by others
                    self._show()

    def _take(self, result: Result, sequence: LabeledSequence, job: SampleJob) -> None:
        self.begun.pop(result.number, None)
        if result.lost is None:
            self.report.add(result.value)
            self.done += sequence.name not in self.report.claimed
            return
        try:
            job.give_up(sequence, result.lost)
        except ClaimedError as error:
            self.report.claimed[sequence.name] = str(error)
            return
        self.done += 1
        if not job.skip_failures:
            raise HS2SError(f"{sequence.name}: {result.lost}")
        self.report.failed[sequence.name] = result.lost
        logger.warning("Skipped %s: %s", sequence.name, result.lost)

    def _tell(self, number: int, within: Progress | None) -> None:
        self.begun[number] = within
        self._show()

    def _show(self) -> None:
        known = [within for within in self.begun.values() if within]
        self.show(
            Progress(self.done, self.total, within=known[0] if known else None, beside=tuple(known[1:]))
        )

    def _tidy(self, sequences: list[LabeledSequence], is_new: bool) -> None:
        """Removes what the run has added and nothing has come into, unless another run is about to fill
        it."""
        if not any_claims(self.status.dataset):
            if is_new:
                sequences[0].remove_field(self.job.label_field)
            self.status.remove_if_empty()
