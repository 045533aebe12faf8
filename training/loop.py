"""The training loop: one optimizer, averaged weights, validation, and checkpoints that a run resumes from
exactly."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from accelerate.utils import broadcast, gather_object

from fiftyone_hs2s.metrics import summarize
from fiftyone_hs2s.network.weights import save_weights
from fiftyone_hs2s.progress import Progress, Report
from fiftyone_hs2s.training.checkpoint import read_checkpoint, write_checkpoint
from fiftyone_hs2s.training.data.annotated_video import AnnotatedVideo
from fiftyone_hs2s.training.data.clip import ClipSource
from fiftyone_hs2s.training.data.mix import Batch, MixedClips, draw_batches
from fiftyone_hs2s.training.learner import Learner, LossNotFiniteError
from fiftyone_hs2s.training.losses import split_objects
from fiftyone_hs2s.training.run_config import Stage, TrainingConfig
from fiftyone_hs2s.training.run_folder import RunFolder
from fiftyone_hs2s.training.validation import PROTOCOL, score_videos

logger = logging.getLogger(__name__)


class Trainer:
    """Trains a network in a run folder, from its checkpoint if there is one.

    The folder gets ``checkpoint.pt`` (everything needed to resume), ``weights.safetensors`` (the averaged
    weights), ``best.safetensors`` (those with the best J&F, if there is validation) and what
    :class:`RunFolder` writes. Accelerate chooses the device and joins processes that ``accelerate launch``
    started, which share each batch.

    Args:
        config: the run
        sources: where clips come from, and how often
        run: the run folder
        validation: sequences to score the averaged weights on, every ``config.validate_every`` steps
        num_workers: worker processes that make clips

    Raises:
        HS2SError: if the folder's checkpoint is of another network, or of one that was frozen otherwise; if
            the processes cannot share a batch evenly; if the loss ``border`` has no border head
    """

    def __init__(
        self,
        config: TrainingConfig,
        sources: Sequence[tuple[ClipSource, float]],
        run: Path,
        validation: Sequence[AnnotatedVideo] = (),
        num_workers: int = 1,
    ) -> None:
        self.config, self.sources, self.num_workers = config, sources, num_workers
        self.validation = list(validation) if config.validate_every > 0 else []
        self.run, self.checkpoint = run, run / "checkpoint.pt"
        self.learner = Learner(config, self.checkpoint)
        self.accelerator, self.averaged = self.learner.accelerator, self.learner.averaged
        self._learn_last: int | None = None
        self.step, self.seconds, self.best, self.worse = 0, 0.0, 0.0, 0
        if self.checkpoint.exists():
            self._resume()

    @property
    def _validated(self) -> list[str]:
        return [sequence.name for sequence in self.validation]

    @property
    def done(self) -> float:
        """The part of the run that is done, 0..1."""
        return min(1.0, max(self.step / self.config.steps, self.seconds / 60 / self.config.duration))

    def train(
        self, minutes: float = float("inf"), save_every: float = 5.0, report: Report = lambda progress: None
    ) -> None:
        """Runs until the stages are done, the time is over, or J&F has not risen for ``patience``
        validations.

        Saves every few minutes and at the end.

        Args:
            minutes: stop after this time
            save_every: minutes between two checkpoints
            report: told of each step; the figures are the losses, the ``step``, and the ``seconds`` that all
                took, with those before a stop

        Raises:
            HS2SError: if the loss is not finite: then the checkpoint stays as it was; or if nothing to train
                on, or to validate on, can be read: then the steps so far are saved
        """
        folder = RunFolder(self.run, self.config) if self.accelerator.is_main_process else None
        start = saved = time.monotonic()
        begun, before = self.step, self.seconds
        try:
            for batches in self._steps():
                values = self.train_step(batches)
                elapsed = self._since(start)
                self.seconds = before + elapsed
                report(self._progress(values))
                if self.step % 10 == 0 and folder:
                    folder.log(self.step, values, self._speed((self.step - begun) / elapsed))
                if self._validate_now() and self._validate(folder, batches[-1]):
                    break
                if time.monotonic() - saved > save_every * 60:
                    self.save()
                    saved = time.monotonic()
                if elapsed > minutes * 60:
                    break
        except LossNotFiniteError:
            raise  # the last checkpoint is the good one
        except BaseException:  # also when it is interrupted
            self.save()
            raise
        self.save()

    def _progress(self, values: dict[str, float]) -> Progress:
        """How far the run is: in seconds if its length is given as a time."""
        left = self.seconds / 60 * (1 / self.done - 1)
        total, unit = self.config.steps, "step"
        if math.isfinite(self.config.duration):
            total, unit = max(1, round(60 * self.config.duration)), "second"
        return Progress(
            math.floor(self.done * total + 1e-9),
            total,
            unit,
            note=f"loss {values['loss']:.3f}, {left:.1f} minutes left",
            values={**values, "step": self.step, "seconds": self.seconds},
        )

    def train_step(self, batches: Sequence[Batch]) -> dict[str, float]:
        """One optimizer step, see :meth:`Learner.learn`."""
        values = self.learner.learn(batches, self.step, self.done, self._learn_last)
        self.step += 1
        return values

    def save(self) -> None:
        """Writes the checkpoint and the averaged weights, each at once or not at all."""
        if not self.accelerator.is_main_process:
            return
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "worse": self.worse,
            "validation": self._validated,
            **self.learner.state(),
        }
        write_checkpoint(self.checkpoint, state)
        save_weights(self.averaged, self.run / "weights.safetensors", half=True)

    def _resume(self) -> None:
        state = read_checkpoint(self.checkpoint, self.learner.device)
        self.learner.restore(state)
        self.step, self.seconds = state["step"], state.get("seconds", 0.0)
        if state.get("validation", self._validated) == self._validated:  # J&F of other sequences say nothing
            self.best, self.worse = state.get("best", 0.0), state.get("worse", 0)
        logger.info("resumed at step %d", self.step)

    def _steps(self) -> Iterator[list[Batch]]:
        """The batches of each step still to do; step number n always has the same clips."""
        end = 0
        for stage in self.config.stages:
            end += stage.steps
            share = end / self.config.steps
            if self.done < share:
                logger.info("stage until step %d: %s", end, stage)
                batches = self._batches(stage, end)
                self._learn_last = stage.length - 1
                while self.done < share:
                    yield [next(batches) for _ in range(self.config.accumulate)]

    def _batches(self, stage: Stage, end: int) -> Iterator[Batch]:
        """The process's own clips of each batch: those of a step are the same for any number of processes."""
        config, rank, processes = self.config, self.accelerator.process_index, self.accelerator.num_processes
        clips = MixedClips(
            self.sources,
            stage.length,
            stage.size,
            config.seed,
            config.portrait,
            stage.carried,
            config.color,
            config.degraded,
            border=config.objects if config.losses.get("border") else 0,
        )
        places = (
            [(step, part * stage.batch + k) for k in range(rank, stage.batch, processes)]
            for step in range(self.step, end)
            for part in range(config.accumulate)
        )
        return draw_batches(clips, places, self.num_workers)

    def _validate_now(self) -> bool:
        return bool(self.validation) and (self.step % self.config.validate_every == 0 or self.done == 1)

    def _validate(self, folder: RunFolder | None, batch: Batch) -> bool:
        """Scores the averaged weights, keeps the best; returns whether to stop. The processes share the
        sequences."""
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        parts = gather_object([score_videos(self.averaged, self.validation[rank::processes])])
        scores = summarize({name: score for part in parts for name, score in part.items()}, PROTOCOL)
        better = self.best < scores.JF
        self.best, self.worse = max(self.best, scores.JF), 0 if better else self.worse + 1
        if folder is not None:
            folder.log(self.step, {"val_J": scores.J, "val_F": scores.F, "val_JF": scores.JF})
            self._show(folder, batch)
            if better:
                save_weights(self.averaged, self.run / "best.safetensors", half=True)
        return bool(self.config.patience) and self.worse >= self.config.patience

    def _show(self, folder: RunFolder, batch: Batch) -> None:
        frames = batch[0][:1].to(self.learner.device).float() / 255
        clip, _, masks = split_objects(batch[1][:1].to(self.learner.device))
        with torch.no_grad():
            logits = self.averaged(frames, (masks[:, 0] == 1).float(), clip=clip)
        folder.show(self.step, frames[0], (masks == 1).any(0).byte(), logits.amax(0))

    def _since(self, start: float) -> float:
        """Seconds since then by the clock of the main process, so that all do the same."""
        return float(broadcast(torch.tensor(time.monotonic() - start, device=self.learner.device)))

    def _speed(self, steps_a_second: float) -> str:
        left = min(
            (self.config.steps - self.step) / steps_a_second / 60, self.config.duration - self.seconds / 60
        )
        return f"{1 / steps_a_second:.2f} s a step, {left:.0f} min left"
