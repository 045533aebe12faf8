"""One run of :func:`fiftyone_hs2s.propagate`: claims, tracking and writing, sequence by sequence."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import fiftyone as fo

from fiftyone_hs2s.choices import Direction, PromptFrames
from fiftyone_hs2s.dataset.claims import Claim, ClaimedError, LostClaimError, any_claims
from fiftyone_hs2s.dataset.coloring import color_by_instance
from fiftyone_hs2s.dataset.database import DatabaseError, reason
from fiftyone_hs2s.dataset.propagate.in_place import keyframes_in, labels_for
from fiftyone_hs2s.dataset.propagate.keyframes import signed
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
from fiftyone_hs2s.dataset.propagate.prompts import DatasetPrompts
from fiftyone_hs2s.dataset.propagate.propagation_report import PropagationReport
from fiftyone_hs2s.dataset.propagate.status import StatusField
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import Progress
from fiftyone_hs2s.tracking import Frames, PromptPlan, Steps

logger = logging.getLogger(__name__)


@dataclass
class PropagationRun:
    """One call of :func:`propagate`, which documents the fields."""

    model: HS2SVideoModel
    prompt_fields: tuple[str, ...]
    label_field: str
    direction: Direction
    prompt_frames: PromptFrames
    status: StatusField
    overwrite: bool
    batch_size: int
    show: Callable[[Progress], Any]
    report: PropagationReport = field(default_factory=PropagationReport)
    run_id: str = field(default_factory=lambda: uuid4().hex)
    """What the labels are signed with."""
    done: int = 0
    """Samples that are over, however they ended."""
    total: int = 0
    """Samples to do."""
    added: bool = False
    """Whether the run has added the label field."""

    def run(self, sequences: list[LabeledSequence], skip_failures: bool) -> PropagationReport:
        """Does the sequences that are not finished, one after the other; gives what was done."""
        todo = [sequence for sequence in sequences if not self._is_finished(sequence)]
        self.total = len(todo)
        with self.model:
            try:
                for sequence in todo:
                    self._try(sequence, skip_failures)
                    self.done += sequence.name not in self.report.claimed
                for sequence in todo:  # what another run had, which may be gone by now
                    if self.report.claimed.pop(sequence.name, None):
                        self._try(sequence, skip_failures)
                        self.done += 1
                if todo:
                    self._show()
            except DatabaseError:
                raise
            except BaseException:
                self._tidy(todo)
                raise
            self._tidy(todo)
        if self.report.frames:
            color_by_instance(self.status.dataset)
        logger.info("Propagated %s to %s: %s", self._prompts_named(), self.label_field, self.report)
        return self.report

    def _is_finished(self, sequence: LabeledSequence) -> bool:
        if (
            self.overwrite
            or self.status.get(sequence) != "complete"
            or not sequence.has_labels(self.label_field)
        ):
            return False
        self.report.skipped.append(sequence.name)
        return True

    def _show(self, within: Progress | None = None) -> None:
        self.show(Progress(self.done, self.total, within=within))

    def _try(self, sequence: LabeledSequence, skip_failures: bool) -> None:
        """Does one sequence, unless another run has it."""
        try:
            with Claim(sequence.dataset, f"{sequence.owner} in the field {self.label_field!r}") as claim:
                if not self._is_finished(sequence):
                    self._do(sequence, claim)
        except ClaimedError as error:
            self.report.claimed[sequence.name] = str(error)
            logger.warning("Skipped %s: %s", sequence.name, error)
        except DatabaseError:
            raise
        except Exception as error:
            if not skip_failures:
                raise
            self.report.failed[sequence.name] = reason(error)
            unexpected = not isinstance(error, HS2SError)
            logger.warning("Skipped %s: %s", sequence.name, reason(error), exc_info=unexpected)

    def _do(self, sequence: LabeledSequence, claim: Claim) -> None:
        """Does one sequence; a failure leaves nothing behind but the reason."""
        with self._failures_noted(sequence, self._note_early):
            self._show()
            if not self.overwrite and self.prompt_fields != (self.label_field,):
                self.status.check_own([sequence])
            frames = sequence.open()
            plan = self._plan(sequence, frames)
            self.report.boxes += plan.prompts.boxes
            self.report.made.update(
                f"{o['prompt']} by {o['mask_maker']}" for o in plan.prompts.origins.values()
            )
        steps = Steps(frames, plan, self._show)
        with self._failures_noted(sequence, self._undo):
            self.status.set(sequence, "started")
            sequence.clear(self.label_field)
            self._track(sequence, frames, plan, steps, claim)
            claim.check()
            sequence.check_there(self.label_field)
            self._finish(sequence, steps.incomplete)

    @contextmanager
    def _failures_noted(
        self, sequence: LabeledSequence, note: Callable[[LabeledSequence, str], None]
    ) -> Iterator[None]:
        """A context that notes why a sequence fails, where there is still something to note it in."""
        try:
            yield
        except Exception as error:
            found = sequence.explain(error)
            if not isinstance(found, DatabaseError | LostClaimError):
                note(sequence, reason(found))
            raise found from (None if found is error else error)
        except BaseException:  # the user's break: what was tracked is kept, and done again by the next run
            if self.status.get(sequence) == "started" and not sequence.has_labels(self.label_field):
                self.status.set(sequence, None)
            raise

    def _note_early(self, sequence: LabeledSequence, why: str) -> None:
        if self.status.get(sequence) is None:  # else the masks of an earlier run are still there
            self.status.set(sequence, "failed", why)

    def _undo(self, sequence: LabeledSequence, why: str) -> None:
        sequence.clear(self.label_field)
        self.status.set(sequence, "failed", why)

    def _tidy(self, sequences: list[LabeledSequence]) -> None:
        """Removes what the run has added and nothing has come into, unless another run is about to fill
        it."""
        if not any_claims(self.status.dataset):
            if self.added:
                sequences[0].remove_field(self.label_field)
            self.status.remove_if_empty()

    def _plan(self, sequence: LabeledSequence, frames: Frames) -> PromptPlan[DatasetPrompts]:
        try:
            prompts = self.model.prompts(sequence, self.prompt_fields, frames, self.direction)
            return self.model.plan(frames, prompts, self.direction, self.prompt_frames)
        except HS2SError as error:
            raise HS2SError(f"field {self._prompts_named()}: {error}") from error

    def _prompts_named(self) -> str:
        return " and ".join(map(repr, self.prompt_fields))

    def _track(
        self,
        sequence: LabeledSequence,
        frames: Frames,
        plan: PromptPlan[DatasetPrompts],
        on_step: Callable[[], None],
        claim: Claim,
    ) -> None:
        batch: dict[int, fo.Detections] = {}
        found = labels_for(sequence, self.model.track(frames, plan, on_step))
        for index, labels in signed(found, self.run_id, keyframes_in(sequence)):
            batch[index] = labels
            if len(batch) == self.batch_size:
                self._write(sequence, batch, claim)
        self._write(sequence, batch, claim)

    def _write(self, sequence: LabeledSequence, batch: dict[int, fo.Detections], claim: Claim) -> None:
        if batch:
            claim.check()
            self.added |= sequence.add_field(self.label_field)
            sequence.check_there(self.label_field)
            sequence.write(self.label_field, batch)
            self.report.frames += len(batch)
            batch.clear()

    def _finish(self, sequence: LabeledSequence, incomplete: str | None) -> None:
        if incomplete:
            self.report.incomplete[sequence.name] = incomplete
            logger.warning("%s is incomplete: %s", sequence.name, incomplete)
        else:
            self.report.complete.append(sequence.name)
        self.status.set(sequence, "incomplete" if incomplete else "complete")
