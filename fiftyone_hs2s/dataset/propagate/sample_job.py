"""What :func:`fiftyone_hs2s.propagate` does with one sample: claim it, track through it, write the labels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any

import fiftyone as fo

from fiftyone_hs2s.choices import Direction, PromptFrames, SceneCuts
from fiftyone_hs2s.dataset.claims import Claim, ClaimedError, LostClaimError
from fiftyone_hs2s.dataset.database import DatabaseError, reason
from fiftyone_hs2s.dataset.propagate.in_place import keyframes_in, labels_for
from fiftyone_hs2s.dataset.propagate.keyframes import signed
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
from fiftyone_hs2s.dataset.propagate.prompts import DatasetPrompts
from fiftyone_hs2s.dataset.propagate.propagation_report import PropagationReport
from fiftyone_hs2s.dataset.propagate.scene_cut_field import write_scene_cuts
from fiftyone_hs2s.dataset.propagate.status import StatusField
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import Progress
from fiftyone_hs2s.tracking import Frames, PromptPlan, Steps

logger = logging.getLogger(__name__)

_ALONE = RLock()
"""FiftyOne's datasets, and models of its zoo, are not made for several threads: one at a time reads prompts,
or writes."""
Show = Callable[[Progress | None], Any]
"""Is told how far a sample is; None when it is begun."""


@dataclass(frozen=True)
class SampleJob:
    """What to do with each sample, in whatever process; :func:`propagate` documents the fields.

    Attributes:
        run_id: what the labels are signed with
        patient: whether to wait until it is known that who has claimed a sample elsewhere is alive
    """

    model: HS2SVideoModel
    prompt_fields: tuple[str, ...]
    label_field: str
    direction: Direction
    prompt_frames: PromptFrames
    scene_cuts: SceneCuts
    overwrite: bool
    skip_failures: bool
    batch_size: int
    batch_videos: int
    run_id: str
    patient: bool = False

    def __call__(self, sequence: LabeledSequence, show: Show) -> PropagationReport:
        """Does one sequence, unless another run has it.

        Raises:
            DatabaseError: if no other sample can be done either
            Exception: whatever fails, without ``skip_failures``
        """
        report = PropagationReport()
        try:
            with self._own_model() as model, self.claim(sequence) as claim:
                if self.is_finished(sequence):
                    report.skipped.append(sequence.name)
                else:
                    _SampleWork(replace(self, model=model), sequence, claim, report, show).do()
        except ClaimedError as error:
            report.claimed[sequence.name] = str(error)
            logger.warning("Skipped %s: %s", sequence.name, error)
        except DatabaseError:
            raise
        except Exception as error:
            if not self.skip_failures:
                raise
            report.failed[sequence.name] = reason(error)
            unexpected = not isinstance(error, HS2SError)
            logger.warning("Skipped %s: %s", sequence.name, reason(error), exc_info=unexpected)
        return report

    def _own_model(self) -> AbstractContextManager[HS2SVideoModel]:
        """The model for one sequence."""
        return self.model.beside_others() if self.batch_videos > 1 else nullcontext(self.model)

    def claim(self, sequence: LabeledSequence) -> Claim:
        """The claim of a sequence's sample."""
        what = f"{sequence.owner} in the field {self.label_field!r}"
        return Claim(sequence.dataset, what, patient=self.patient)

    def is_finished(self, sequence: LabeledSequence) -> bool:
        """Whether there is nothing to do."""
        return (
            not self.overwrite
            and self.status(sequence).get(sequence) == "complete"
            and sequence.has_labels(self.label_field)
        )

    def status(self, sequence: LabeledSequence) -> StatusField:
        """Where it is noted what is finished."""
        return StatusField(sequence.dataset, self.label_field)

    def give_up(self, sequence: LabeledSequence, why: str) -> None:
        """Clears up after a process that was lost while it did a sequence; the reason is noted.

        Raises:
            ClaimedError: if another run has taken over
        """
        status = self.status(sequence)
        with self.claim(sequence):
            if status.get(sequence) == "started":
                sequence.clear(self.label_field)
                status.set(sequence, "failed", why)

    @property
    def prompts_named(self) -> str:
        """The prompt fields, in words."""
        return " and ".join(map(repr, self.prompt_fields))


@dataclass
class _SampleWork:
    """One sequence that is claimed."""

    job: SampleJob
    sequence: LabeledSequence
    claim: Claim
    report: PropagationReport
    show: Show
    status: StatusField = field(init=False)

    def __post_init__(self) -> None:
        self.status = self.job.status(self.sequence)

    def do(self) -> None:
        """Does the sequence; a failure leaves nothing behind but the reason."""
        job, sequence = self.job, self.sequence
        with self._failures_noted(self._note_early), _ALONE:
            self.show(None)
            if not job.overwrite and job.prompt_fields != (job.label_field,):
                self.status.check_own([sequence])
            frames = sequence.open()
            plan = self._plan(frames)
            self.report.boxes += plan.prompts.boxes
            self.report.made.update(
                f"{o['prompt']} by {o['mask_maker']}" for o in plan.prompts.origins.values()
            )
        steps = Steps(frames, plan, self.show)
        with self._failures_noted(self._undo):
            with _ALONE:
                self.status.set(sequence, "started")
                sequence.clear(job.label_field)
            self._track(frames, plan, steps)
            with _ALONE:
                self.claim.check()
                sequence.check_there(job.label_field)
                write_scene_cuts(sequence, job.label_field, steps.cuts)
                self._finish(steps.incomplete)

    @contextmanager
    def _failures_noted(self, note: Callable[[str], None]) -> Iterator[None]:
        """A context that notes why a sequence fails, where there is still something to note it in."""
        try:
            yield
        except Exception as error:
            found = self.sequence.explain(error)
            if not isinstance(found, DatabaseError | LostClaimError):
                with _ALONE:
                    note(reason(found))
            raise found from (None if found is error else error)
        except BaseException:  # the user's break: what was tracked is kept, and done again by the next run
            with _ALONE:
                started = self.status.get(self.sequence) == "started"
                if started and not self.sequence.has_labels(self.job.label_field):
                    self.status.set(self.sequence, None)
            raise

    def _note_early(self, why: str) -> None:
        if self.status.get(self.sequence) is None:  # else the masks of an earlier run are still there
            self.status.set(self.sequence, "failed", why)

    def _undo(self, why: str) -> None:
        self.sequence.clear(self.job.label_field)
        self.status.set(self.sequence, "failed", why)

    def _plan(self, frames: Frames) -> PromptPlan[DatasetPrompts]:
        job = self.job
        try:
            prompts = job.model.prompts(self.sequence, job.prompt_fields, frames, job.direction)
            return job.model.plan(frames, prompts, job.direction, job.prompt_frames, job.scene_cuts)
        except HS2SError as error:
            raise HS2SError(f"field {job.prompts_named}: {error}") from error

    def _track(self, frames: Frames, plan: PromptPlan[DatasetPrompts], steps: Steps) -> None:
        batch: dict[int, fo.Detections] = {}
        found = labels_for(self.sequence, self.job.model.track(frames, plan, steps, steps.cut))
        for index, labels in signed(found, self.job.run_id, keyframes_in(self.sequence)):
            batch[index] = labels
            if len(batch) == self.job.batch_size:
                self._write(batch)
        self._write(batch)

    def _write(self, batch: dict[int, fo.Detections]) -> None:
        if not batch:
            return
        with _ALONE:
            self.claim.check()
            self.sequence.add_field(self.job.label_field)
            self.sequence.check_there(self.job.label_field)
            self.sequence.write(self.job.label_field, batch)
        self.report.frames += len(batch)
        batch.clear()

    def _finish(self, incomplete: str | None) -> None:
        name = self.sequence.name
        if incomplete:
            self.report.incomplete[name] = incomplete
            logger.warning("%s is incomplete: %s", name, incomplete)
        else:
            self.report.complete.append(name)
        self.status.set(self.sequence, "incomplete" if incomplete else "complete")
