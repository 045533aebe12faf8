"""The training loop: one optimizer, averaged weights, validation, and checkpoints that a run resumes from
exactly."""

from __future__ import annotations

import logging
import math
import pickle
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, cast

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, gather_object
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import new_file
from fiftyone_hs2s.metrics import summarize
from fiftyone_hs2s.network.config import HS2SConfig
from fiftyone_hs2s.network.hs2s import HS2S, build_network
from fiftyone_hs2s.network.weights import load_network, save_weights
from fiftyone_hs2s.progress import Progress, Report
from fiftyone_hs2s.tracking.device import choose_device, choose_precision
from fiftyone_hs2s.training.data.clip import ClipSource
from fiftyone_hs2s.training.data.mix import Batch, MixedClips, draw_batches
from fiftyone_hs2s.training.freezing import freeze_norm, freeze_stages
from fiftyone_hs2s.training.losses import split_objects, weighted_loss
from fiftyone_hs2s.training.pretrained import load_imagenet
from fiftyone_hs2s.training.run_config import Stage, TrainingConfig
from fiftyone_hs2s.training.run_folder import RunFolder
from fiftyone_hs2s.training.schedules import hardest_share, norm_is_frozen, own_mask_probability, rate_factor
from fiftyone_hs2s.training.transfer import transfer
from fiftyone_hs2s.training.validation import PROTOCOL, ValidationSequence, score_sequences

logger = logging.getLogger(__name__)


class LossNotFiniteError(HS2SError):
    """The loss is not finite: the network may be corrupted, and must not be saved."""


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
        validation: Sequence[ValidationSequence] = (),
        num_workers: int = 1,
    ) -> None:
        self.config, self.sources, self.num_workers = config, sources, num_workers
        self.validation = list(validation) if config.validate_every > 0 else []
        # Some parameters have no part in some losses; only several processes must be told.
        several = DistributedDataParallelKwargs(find_unused_parameters=True)
        AcceleratorState._reset_state()  # an earlier run of this process may have had another precision
        self.accelerator = Accelerator(
            mixed_precision=_precision(config.precision), kwargs_handlers=[several]
        )
        self.device = self.accelerator.device
        _check_batches(config, self.accelerator.num_processes)
        torch.manual_seed(config.seed)
        self.run, self.checkpoint = run, run / "checkpoint.pt"
        network = _build(config, fresh=not self.checkpoint.exists())
        network = network.to(self.device).to(memory_format=torch.channels_last)
        if self.accelerator.num_processes > 1 and self.device.type == "cuda":
            network = cast("HS2S", nn.SyncBatchNorm.convert_sync_batchnorm(network))
        freeze_stages(network, config.frozen_stages)
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        optimizer = _optimizer(network, config)
        self.network = network
        self.averaged = cast("HS2S", self.average.module)
        self.model, self.optimizer = self.accelerator.prepare(network, optimizer)
        self.options = {
            "return_border": True,
            "memory_every": config.memory_every,
            "checkpointing": config.checkpointing,
        }
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
                or to
                validate on can be read: then the steps so far are saved
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
        """One optimizer step on one or several batches: uint8 (B, T, 3, H, W) and (B, T, 1, H, W), see
        ``MixedClips``.

        Raises:
            LossNotFiniteError: if the loss is not finite
        """
        factor = rate_factor(self.config, self.step, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        freeze_norm(self.network, norm_is_frozen(self.config, self.done))
        self.optimizer.zero_grad(set_to_none=True)
        values: dict[str, float] = {}
        for part, batch in enumerate(batches):
            last = part == len(batches) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                for key, value in self._backward(batch, part).items():
                    values[key] = values.get(key, 0.0) + value / len(batches)
        bound = self.config.clip_norm or float("inf")
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), bound)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return {**values, "norm": float(norm), "rate": self.optimizer.param_groups[-1]["lr"]}

    def _backward(self, batch: Batch, part: int) -> dict[str, float]:
        frames, masks, *border_classes = (tensor.to(self.device) for tensor in batch)
        frames = frames.float() / 255
        clip, number, masks = split_objects(masks)
        truth = (masks == 1).float()
        # Drawn from the step's number, so that a resumed run draws the same.
        chance = torch.Generator().manual_seed(self._number(part))
        forcing = torch.rand(frames.shape[:2], generator=chance) >= own_mask_probability(
            self.config, self.done
        )
        forcing = forcing.to(self.device)[clip]  # the objects of a clip alike: they see each other
        with self.accelerator.autocast():
            logits, border = self.model(frames, truth, teacher_forcing=forcing, clip=clip, **self.options)
        logits, border = logits.float(), border.float() if border is not None else None
        learned = masks[:, -logits.shape[1] :]
        hardest = hardest_share(self.config, self.done)
        classes = border_classes[0][clip, -logits.shape[1] :, number - 1] if border_classes else None
        loss, values = weighted_loss(self.config.losses, logits, border, learned, clip, hardest, classes)
        if not torch.isfinite(loss):
            last = (
                f"the last good state is {self.checkpoint}"
                if self.checkpoint.exists()
                else "nothing is saved yet"
            )
            raise LossNotFiniteError(f"The loss is not finite at step {self.step}; {last}: try a lower lr")
        self.accelerator.backward(loss / self.config.accumulate)
        return {"loss": loss.item(), **values, "j": _jaccard(logits, learned)}

    def _number(self, part: int) -> int:
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        return (
            hash((self.config.seed, (self.step * self.config.accumulate + part) * processes + rank)) % 2**63
        )

    def save(self) -> None:
        """Writes the checkpoint and the averaged weights, each at once or not at all."""
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "worse": self.worse,
            "validation": self._validated,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
        }
        self.run.mkdir(parents=True, exist_ok=True)
        with new_file(self.checkpoint) as part, part.open("wb") as file:
            _save(state, file)
        save_weights(self.averaged, self.run / "weights.safetensors", half=True)

    def _resume(self) -> None:
        try:
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise HS2SError(
                f"{self.checkpoint} is damaged or cannot be read: remove it, or choose another run folder;"
                " the last averaged weights are beside it, to start from (init)"
            ) from error
        try:
            self.network.load_state_dict(state["network"])
        except RuntimeError as error:
            raise HS2SError(
                f"{self.checkpoint} is of another network than {self.config.model!r}: choose another run"
                " folder"
            ) from error
        self.average.load_state_dict(state["average"])
        settings = [
            {key: group[key] for key in ("base_lr", "weight_decay")} for group in self.optimizer.param_groups
        ]
        try:
            self.optimizer.load_state_dict(state["optimizer"])
        except ValueError as error:
            raise HS2SError(
                f"{self.checkpoint} has other trained parts than frozen_stages {self.config.frozen_stages}: "
                "keep that setting, or choose another run folder"
            ) from error
        for group, own in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(own)  # the run's settings hold, not those of before
        if self.accelerator.scaler is not None and state.get("scaler"):
            self.accelerator.scaler.load_state_dict(state["scaler"])
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
                self.options["learn_last"] = stage.length - 1
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
        parts = gather_object([score_sequences(self.averaged, self.validation[rank::processes])])
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
        frames = batch[0][:1].to(self.device).float() / 255
        clip, _, masks = split_objects(batch[1][:1].to(self.device))
        with torch.no_grad():
            logits = self.averaged(frames, (masks[:, 0] == 1).float(), clip=clip)
        folder.show(self.step, frames[0], (masks == 1).any(0).byte(), logits.amax(0))

    def _since(self, start: float) -> float:
        """Seconds since then by the clock of the main process, so that all do the same."""
        return float(broadcast(torch.tensor(time.monotonic() - start, device=self.device)))

    def _speed(self, steps_a_second: float) -> str:
        left = min(
            (self.config.steps - self.step) / steps_a_second / 60, self.config.duration - self.seconds / 60
        )
        return f"{1 / steps_a_second:.2f} s a step, {left:.0f} min left"


def _save(state: dict[str, Any], file: IO[bytes]) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:  # in which torch wraps what went wrong
        raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def _check_batches(config: TrainingConfig, processes: int) -> None:
    for stage in config.stages:
        if stage.batch % processes:
            raise HS2SError(
                f"{processes} processes cannot share a batch of {stage.batch} evenly: set a multiple"
            )


def _build(config: TrainingConfig, fresh: bool) -> HS2S:
    start = None
    if config.init:  # also to resume: it says what form the network has, which presets may no longer have
        start = load_network(config.model, None if config.init == "shipped" else config.init)
    settings = (start.config if start else HS2SConfig.preset(config.model)).to_dict()
    network = build_network(HS2SConfig.from_dict({**settings, **config.network}))
    if config.losses.get("border") and not network.config.border_head:
        raise HS2SError(
            f"The loss 'border' needs a border head, which {config.model!r} lacks: leave the loss out"
        )
    if start:
        # What the weights lack (others' masks, say) starts untrained.
        network.load_state_dict({**network.state_dict(), **start.state_dict()})
    elif fresh:
        load_imagenet(network)
        if config.transfer:
            transfer(network, config.transfer)
    return network.train()


def _precision(name: str) -> str:
    """Accelerate's name of a precision; ``auto`` is what tracking would take."""
    names = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}
    return names[choose_precision("auto", choose_device())] if name == "auto" else name


def _optimizer(network: HS2S, config: TrainingConfig) -> torch.optim.Optimizer:
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    if config.optimizer not in kinds:
        raise HS2SError(f"There is no optimizer {config.optimizer!r}: take adam or adamw")
    pretrained: list[nn.Parameter] = []
    new: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (pretrained if ".stages." in name else new).append(parameter)
    rates = (config.lr * config.pretrained_lr, config.lr)
    groups = [
        {"params": p, "base_lr": rate, "lr": rate} for p, rate in zip((pretrained, new), rates, strict=True)
    ]
    return kinds[config.optimizer](groups, weight_decay=config.weight_decay)


def _jaccard(logits: torch.Tensor, masks: torch.Tensor) -> float:
    prediction, truth, valid = logits > 0, masks == 1, masks != 255
    both = (prediction & truth).sum((2, 3, 4)).float()
    either = ((prediction | truth) & valid).sum((2, 3, 4)).float()
    return ((both + 1) / (either + 1)).mean().item()
