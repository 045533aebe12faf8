"""Propagates masks through the videos of a dataset, streaming."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import fiftyone as fo

from fiftyone_hs2s.choices import DIRECTIONS, PROMPT_FRAMES, Direction, PromptFrames
from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.claims import Claim, ClaimedError, LostClaimError, any_claims
from fiftyone_hs2s.dataset.coloring import color_by_instance
from fiftyone_hs2s.dataset.compat import root_dataset
from fiftyone_hs2s.dataset.database import DatabaseError, explained, reason
from fiftyone_hs2s.dataset.fields import check_fields
from fiftyone_hs2s.dataset.find_sequences import check_disjoint, find_sequences
from fiftyone_hs2s.dataset.propagate.in_place import find_in_place, keyframes_in
from fiftyone_hs2s.dataset.propagate.keyframes import signed
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel, check_choice, load_model
from fiftyone_hs2s.dataset.propagate.prompts import DatasetPrompts
from fiftyone_hs2s.dataset.propagate.status import StatusField
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import Progress, ProgressOption
from fiftyone_hs2s.tables import data_frame
from fiftyone_hs2s.tracking import Frames, PromptPlan, Steps

if TYPE_CHECKING:
    import pandas

logger = logging.getLogger(__name__)


class AllFailedError(HS2SError):
    """No sample could be tracked.

    Args:
        failed: the samples, and why
    """

    def __init__(self, failed: dict[str, str]) -> None:
        self.problems = failed
        (name, why), *rest = failed.items()
        super().__init__(f"{name}: {why}{f' (and {len(rest)} more samples failed)' if rest else ''}")


@dataclass
class PropagationReport:
    """What a propagation did.

    Attributes:
        complete: names of the samples that were tracked to their end
        incomplete: samples whose video broke off, and why; what was tracked is kept
        failed: samples without any result, and why
        skipped: names of the samples that were finished before
        claimed: samples that another run is working on, and which
        frames: number of frames that labels were written to
        boxes: number of boxes without a mask, and of points, that were ignored
        made: number of masks that were made, by what of and by which maker: ``"box by hs2s-mask"``
    """

    complete: list[str] = field(default_factory=list)
    incomplete: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    claimed: dict[str, str] = field(default_factory=dict)
    frames: int = 0
    boxes: int = 0
    made: Counter[str] = field(default_factory=Counter)

    def raise_if_all_failed(self) -> None:
        """Turns failures into an error, if there is nothing else.

        Raises:
            AllFailedError: with the first failure's message, and all of them
        """
        if self.failed and not (self.complete or self.incomplete or self.skipped or self.claimed):
            raise AllFailedError(self.failed)

    @property
    def problems(self) -> dict[str, str]:
        """The samples that were not tracked to their end by this run or an earlier one, and why."""
        return {**self.failed, **self.incomplete, **self.claimed}

    def rows(self) -> Iterator[dict[str, str]]:
        """What became of each sample: ``sample``, ``state``, and ``reason`` where it is not complete."""
        for state in ("complete", "incomplete", "failed", "skipped", "claimed"):
            found = getattr(self, state)
            reasons = found if isinstance(found, dict) else dict.fromkeys(found, "")
            yield from ({"sample": name, "state": state, "reason": why} for name, why in reasons.items())

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows of :meth:`rows`."""
        return data_frame(self.rows(), ("sample", "state", "reason"))

    def print(self) -> None:
        """Prints the counts, and the samples that were not tracked to their end, with the reason."""
        print(self)
        for name, why in self.problems.items():
            print(f"{name}: {why}")

    def __str__(self) -> str:
        parts = {
            "tracked": self.complete,
            "incomplete": self.incomplete,
            "failed": self.failed,
            "finished before": self.skipped,
            "left to another run": self.claimed,
        }
        text = ", ".join(f"{len(names)} {what}" for what, names in parts.items() if names) or "nothing to do"
        boxes = "1 box without a mask" if self.boxes == 1 else f"{self.boxes} boxes without masks"
        made = "".join(
            f"; {count} started from {what.replace('box', 'boxes', 1)}" for what, count in self.made.items()
        )
        return f"{text}{made}; {boxes} ignored" if self.boxes else f"{text}{made}"


@explained
def propagate(
    samples: fo.Dataset | fo.DatasetView,
    model: HS2SVideoModel | str | None = None,
    *,
    prompt_field: str | Sequence[str],
    label_field: str,
    direction: Direction | None = None,
    prompt_frames: PromptFrames | None = None,
    overwrite: bool = False,
    skip_failures: bool = True,
    batch_size: int = 200,
    progress: ProgressOption = None,
) -> PropagationReport:
    """Propagates the masks of some frames through whole videos.

    Labels are written while a video is tracked, so the memory needed doesn't grow with its length. The sample
    field ``<label_field>_status`` says which samples are ``complete`` and why others ``failed: ...``: a
    second run skips the complete ones, and does those again that were interrupted or failed. Several runs, on
    several machines too, may work on the same samples and fields at once: each sample is done by the run that
    comes to it first.

    The App then colors the dataset's labels by object, unless somebody has chosen its colors.

    Args:
        samples: videos, clips, or images in ordered groups (``dataset.group_by("sequence_id",
            order_by=...)``)
        model: a model of :func:`fiftyone_hs2s.load_model`, or its name; None for the default
        prompt_field: the frame field, or fields, with what objects start from; ``frames.`` may be left out:
            ``Detections`` with or without masks, ``Polylines``, ``Segmentation`` (each value an object) or
            ``Keypoints``. Boxes and points become masks by the model's mask maker
        label_field: the frame field for the results; ``frames.`` may be left out. It may be the prompt field:
            its masks that a person made (``keyframe``, or signed by no tracker) are the prompts then, and
            stay as they are; only what an earlier run made is replaced
        direction: ``"forward"``, ``"backward"`` or ``"both"``; None for the model's own
        prompt_frames: ``"first"`` takes each object from its first mask, ``"all"`` re-anchors it on every
            frame that has one; None for the model's own
        overwrite: also do finished samples, and replace labels that something else put into ``label_field``
        skip_failures: log a sample that fails and continue with the next one
        batch_size: number of frames whose labels are written at once
        progress: whether to show a bar (None: as ``fiftyone.config.show_progress_bars`` says), or a function
            to call instead with a :class:`fiftyone_hs2s.progress.Progress` after each frame

    Returns:
        what was done

    Raises:
        HS2SError: if the fields or options cannot work, or the database, the dataset or a field is gone
            meanwhile; without ``skip_failures`` also if a sample fails
    """
    prompt_fields, label_field = check_fields(samples, prompt_field, label_field)
    model = load_model(model) if model is None or isinstance(model, str) else model
    with fiftyone_reporting(progress) as show:
        job = _Job(
            model,
            prompt_fields,
            label_field,
            check_choice("direction", direction or model.direction, DIRECTIONS),
            check_choice("prompt_frames", prompt_frames or model.prompt_frames, PROMPT_FRAMES),
            StatusField(root_dataset(samples), label_field),
            overwrite,
            batch_size,
            show,
        )
        check_disjoint(find_sequences(samples))
        in_place = prompt_fields == (label_field,)
        sequences = find_in_place(samples, label_field) if in_place else find_sequences(samples)
        return job.run(sequences, skip_failures)


@dataclass
class _Job:
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
        for index, labels in signed(
            self.model.track(frames, plan, on_step), self.run_id, keyframes_in(sequence)
        ):
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
