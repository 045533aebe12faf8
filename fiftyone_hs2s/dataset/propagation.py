"""Propagates masks through the videos of a dataset, streaming."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import fiftyone as fo
import fiftyone.core.utils as fou

from fiftyone_hs2s.dataset.fields import check_fields
from fiftyone_hs2s.dataset.model import HS2SVideoModel, check_choice, load_model
from fiftyone_hs2s.dataset.prompts import DIRECTIONS, PROMPT_MODES, Direction, PromptMode, Prompts, collect_prompts
from fiftyone_hs2s.dataset.sequences import LabeledSequence, find_sequences, root_dataset
from fiftyone_hs2s.dataset.status import StatusField
from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.tracking import Frames, open_frames

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """How far a propagation is.

    Attributes:
        sample: the current sample, from 1
        samples: how many there are
        frame: how many of its frames are done
        frames: how many it has
    """

    sample: int
    samples: int
    frame: int
    frames: int

    @property
    def progress(self) -> float:
        """The part that is done, 0..1, taking all samples as equally long."""
        return (self.sample - 1 + self.frame / self.frames) / self.samples

    def __str__(self) -> str:
        return f"Sample {self.sample} of {self.samples}, frame {self.frame} of {self.frames}"


@dataclass
class Report:
    """What a propagation did.

    Attributes:
        complete: names of the samples that were tracked to their end
        incomplete: samples whose video broke off, and why; what was tracked is kept
        failed: samples without any result, and why
        skipped: names of the samples that were finished before
        frames: number of frames that labels were written to
    """

    complete: list[str] = field(default_factory=list)
    incomplete: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    frames: int = 0

    def raise_if_all_failed(self) -> None:
        """Turns failures into an error, if there is nothing else.

        Raises:
            HS2SError: with the first failure's message
        """
        if self.failed and not (self.complete or self.incomplete or self.skipped):
            raise HS2SError(next(iter(self.failed.values())))

    def __str__(self) -> str:
        parts = {
            "tracked": self.complete,
            "incomplete": self.incomplete,
            "failed": self.failed,
            "finished before": self.skipped,
        }
        return ", ".join(f"{len(names)} {what}" for what, names in parts.items() if names) or "nothing to do"


def propagate(
    samples: fo.Dataset | fo.DatasetView,
    model: HS2SVideoModel | str = "hs2s-lite-video-torch",
    *,
    prompt_field: str,
    label_field: str,
    direction: Direction | None = None,
    prompts: PromptMode | None = None,
    overwrite: bool = False,
    skip_failures: bool = True,
    batch_size: int = 200,
    progress: bool | Callable[[Progress], None] | None = None,
) -> Report:
    """Propagates the masks of some frames through whole videos.

    Labels are written while a video is tracked, so the memory needed doesn't grow with its length. The sample field
    ``<label_field>_status`` says which samples are ``complete``: a second run passes over them, and does those again
    that were interrupted.

    Args:
        samples: videos, clips, or images in ordered groups (``dataset.group_by("sequence_id", order_by=...)``)
        model: a model of :func:`fiftyone_hs2s.load_model`, or its name
        prompt_field: the frame field with the masks to start from; ``frames.`` may be left out
        label_field: the frame field for the results, another one; ``frames.`` may be left out
        direction: ``"forward"``, ``"backward"`` or ``"both"``; None for the model's own
        prompts: ``"first"`` takes each object from its first mask, ``"all"`` re-anchors it on every frame that has
            one; None for the model's own
        overwrite: also do finished samples, and replace labels that something else put into ``label_field``
        skip_failures: log a sample that fails and go on with the next one
        batch_size: number of frames whose labels are written at once
        progress: whether to show a bar for each sample (None: as ``fiftyone.config.show_progress_bars`` says), or a
            function to call with a :class:`Progress` after each frame

    Returns:
        what was done

    Raises:
        HS2SError: if the fields or options cannot work; without ``skip_failures`` also if a sample fails
    """
    job = Propagation(
        samples, model, prompt_field, label_field, direction, prompts, overwrite, skip_failures, batch_size
    )
    show = progress if callable(progress) else _Bar(progress)
    for event in job.run():
        show(event)
    return job.report


class Propagation:
    """One run of :func:`propagate`, which documents the arguments, frame by frame.

    Attributes:
        report: what was done so far
    """

    def __init__(
        self,
        samples: fo.Dataset | fo.DatasetView,
        model: HS2SVideoModel | str,
        prompt_field: str,
        label_field: str,
        direction: Direction | None = None,
        prompts: PromptMode | None = None,
        overwrite: bool = False,
        skip_failures: bool = True,
        batch_size: int = 200,
    ) -> None:
        self._prompt_field, self._label_field = check_fields(samples, prompt_field, label_field)
        self._status = StatusField(root_dataset(samples), self._label_field)
        self._sequences = find_sequences(samples)
        self._direction = direction and check_choice("direction", direction, DIRECTIONS)
        self._mode = prompts and check_choice("prompts", prompts, PROMPT_MODES)
        self._model = load_model(model) if isinstance(model, str) else model
        self._overwrite = overwrite
        self._skip_failures = skip_failures
        self._batch_size = batch_size
        self.report = Report()

    def run(self) -> Iterator[Progress]:
        """Does the work.

        Yields:
            the progress after each frame
        """
        todo = [sequence for sequence in self._sequences if not self._is_finished(sequence)]
        with self._model:
            for number, sequence in enumerate(todo, start=1):
                for frame, frames in self._attempt(sequence):
                    yield Progress(number, len(todo), frame, frames)
        logger.info("Propagated %s to %s: %s", self._prompt_field, self._label_field, self.report)

    def _is_finished(self, sequence: LabeledSequence) -> bool:
        if self._overwrite or self._status.get(sequence) != "complete":
            return False
        self.report.skipped.append(sequence.name)
        return True

    def _attempt(self, sequence: LabeledSequence) -> Iterator[tuple[int, int]]:
        """Does one sequence; a failure leaves nothing behind."""
        try:
            yield from self._do(sequence)
        except Exception as error:
            if not self._skip_failures:
                raise
            self.report.failed[sequence.name] = str(error)
            expected = isinstance(error, HS2SError)
            logger.warning("Passed over %s", error if expected else sequence.name, exc_info=not expected)

    def _do(self, sequence: LabeledSequence) -> Iterator[tuple[int, int]]:
        path, part = sequence.source()
        self._check_overwrite(sequence)
        with open_frames(path) as frames:
            frames = frames[part]
            prompts = self._collect(sequence, frames)
            self._start(sequence)
            try:
                yield from self._track(sequence, frames, prompts)
            except Exception:
                self._undo(sequence)
                raise

    def _check_overwrite(self, sequence: LabeledSequence) -> None:
        foreign = self._status.get(sequence) is None and sequence.has_labels(self._label_field)
        if foreign and not self._overwrite:
            raise HS2SError(
                f"{sequence.name}: the field {self._label_field!r} has labels that no propagation has finished or "
                "begun: choose another label field, or pass overwrite=True to replace them"
            )

    def _collect(self, sequence: LabeledSequence, frames: Frames) -> Prompts:
        source = self._prompt_field
        try:
            return collect_prompts(
                sequence.labels(source),
                lambda index: sequence.read(source, index),
                frames.size,
                len(frames),
                self._mode or self._model.prompts,
                self._direction or self._model.direction,
                sequence.first_number,
            )
        except HS2SError as error:
            raise HS2SError(f"{sequence.name}, field {source!r}: {error}") from error

    def _start(self, sequence: LabeledSequence) -> None:
        sequence.add_field(self._label_field)
        self._status.set(sequence, "started")
        sequence.clear(self._label_field)

    def _undo(self, sequence: LabeledSequence) -> None:
        sequence.clear(self._label_field)
        self._status.set(sequence, None)

    def _track(self, sequence: LabeledSequence, frames: Frames, prompts: Prompts) -> Iterator[tuple[int, int]]:
        direction = self._direction or self._model.direction
        total = {"forward": len(frames) - min(prompts), "backward": max(prompts) + 1, "both": len(frames)}[direction]
        done, batch = 0, {}
        try:
            for done, (index, labels) in enumerate(self._model.track(frames, prompts, direction, self._mode), start=1):
                batch[index] = labels
                if len(batch) == self._batch_size:
                    self._write(sequence, batch)
                yield done, total
        except VideoError as error:
            if not done:
                raise
            self.report.incomplete[sequence.name] = str(error)
            logger.warning("%s is incomplete: %s", sequence.name, error)
        self._write(sequence, batch)
        broken = sequence.name in self.report.incomplete
        self._status.set(sequence, "incomplete" if broken else "complete")
        if not broken:
            self.report.complete.append(sequence.name)

    def _write(self, sequence: LabeledSequence, batch: dict[int, fo.Detections]) -> None:
        if batch:
            sequence.write(self._label_field, batch)
            self.report.frames += len(batch)
            batch.clear()


class _Bar:
    """A progress bar for each sample."""

    def __init__(self, show: bool | None) -> None:
        self._show = show
        self._sample = 0
        self._bar: fou.ProgressBar | None = None

    def __call__(self, event: Progress) -> None:
        if event.sample != self._sample:
            self._sample = event.sample
            self._bar = fou.ProgressBar(total=event.frames, progress=self._show, iters_str="frames")
            self._bar.start()
        self._bar.set_iteration(event.frame)
        if event.frame == event.frames:
            self._bar.close()
