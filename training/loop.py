"""The training loop: one optimizer, averaged weights, validation, and checkpoints that a run resumes from exactly."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, cast

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import new_file
from fiftyone_hs2s.network.config import HS2SConfig
from fiftyone_hs2s.network.hs2s import HS2S, build_network
from fiftyone_hs2s.network.weights import load_network, save_weights
from fiftyone_hs2s.tracking.device import choose_device, choose_precision
from training.config import Stage, TrainingConfig
from training.data.mix import ClipSource, MixedClips, draw_batches
from training.losses import VOID, weighted_loss
from training.pretrained import load_imagenet
from training.run_folder import RunFolder
from training.schedules import hardest_share, norm_is_frozen, own_mask_probability, rate_factor
from training.validation import ValidationSequence, validate

logger = logging.getLogger(__name__)


class LossNotFiniteError(HS2SError):
    """The loss is not finite: the network may be spoilt, and is not to be saved."""


Progress = Callable[[int, int, dict[str, float]], None]
"""Called after each step with the step, all steps, and the step's figures; ``done`` of them is the part of the run,
``seconds`` how long it took so far, with what came before a stop."""


class Trainer:
    """Trains a network in a run folder, from its checkpoint if there is one.

    The folder gets ``checkpoint.pt`` (everything to go on from), ``weights.safetensors`` (the averaged weights),
    ``best.safetensors`` (those with the best J&F, if there is validation) and what :class:`RunFolder` writes.
    Accelerate chooses the device and joins processes that ``accelerate launch`` started; a batch is one process's.

    Args:
        config: the run
        sources: where clips come from, and how often
        run: the run folder
        validation: sequences to score the averaged weights on, every ``config.validate_every`` steps
        workers: worker processes that make clips

    Raises:
        HS2SError: if the folder's checkpoint is of another network, or of one that was frozen otherwise
    """

    def __init__(
        self,
        config: TrainingConfig,
        sources: Sequence[tuple[ClipSource, float]],
        run: Path,
        validation: Sequence[ValidationSequence] = (),
        workers: int = 1,
    ) -> None:
        self.config, self.sources, self.workers = config, sources, workers
        self.validation = list(validation) if config.validate_every > 0 else []
        # Some parameters have no part in some losses; only several processes must be told.
        several = DistributedDataParallelKwargs(find_unused_parameters=True)
        AcceleratorState._reset_state()  # an earlier run of this process may have had another precision
        self.accelerator = Accelerator(mixed_precision=_precision(config.precision), kwargs_handlers=[several])
        self.device = self.accelerator.device
        torch.manual_seed(config.seed)
        self.run, self.checkpoint = run, run / "checkpoint.pt"
        network = _build(config, fresh=not self.checkpoint.exists())
        network = network.to(self.device).to(memory_format=torch.channels_last)
        _freeze(network, config.frozen_stages)
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        optimizer = _optimizer(network, config)
        self.network = network
        self.averaged = cast("HS2S", self.average.module)
        self.model, self.optimizer = self.accelerator.prepare(network, optimizer)
        self.options = {"return_border": True, "memory_every": config.memory_every}
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
        self, minutes: float = float("inf"), save_every: float = 5.0, progress: Progress = lambda *_: None
    ) -> None:
        """Runs until the stages are done, the time is over, or J&F has not risen for ``patience`` validations.

        Saves every few minutes and at the end.

        Raises:
            HS2SError: if the loss is not finite: then the checkpoint stays as it was; or if nothing to train or to
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
                progress(self.step, self.config.steps, {**values, "done": self.done, "seconds": self.seconds})
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

    def train_step(self, batches: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, float]:
        """One optimizer step on one or several batches: uint8 (B, T, 3, H, W) and (B, T, 1, H, W).

        Raises:
            LossNotFiniteError: if the loss is not finite
        """
        factor = rate_factor(self.config, self.step, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        _freeze_norm(self.network, norm_is_frozen(self.config, self.done))
        self.optimizer.zero_grad(set_to_none=True)
        values: dict[str, float] = {}
        for part, (frames, masks) in enumerate(batches):
            last = part == len(batches) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                for key, value in self._backward(frames, masks, part).items():
                    values[key] = values.get(key, 0.0) + value / len(batches)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return {**values, "norm": float(norm), "rate": self.optimizer.param_groups[-1]["lr"]}

    def _backward(self, frames: torch.Tensor, masks: torch.Tensor, part: int) -> dict[str, float]:
        frames = frames.to(self.device).float() / 255
        clip, masks = split_objects(masks.to(self.device))
        truth = (masks == 1).float()
        # Drawn from the step's number, so that a resumed run draws the same.
        chance = torch.Generator().manual_seed(self._number(part))
        forcing = torch.rand(frames.shape[:2], generator=chance) >= own_mask_probability(self.config, self.done)
        forcing = forcing.to(self.device)[clip]  # the objects of a clip alike: they see each other
        with self.accelerator.autocast():
            logits, border = self.model(frames, truth, teacher_forcing=forcing, clip=clip, **self.options)
        logits, border = logits.float(), border.float() if border is not None else None
        learnt = masks[:, -logits.shape[1] :]
        hardest = hardest_share(self.config, self.done)
        loss, values = weighted_loss(self.config.losses, logits, border, learnt, clip, hardest)
        if not torch.isfinite(loss):
            last = f"the last good state is {self.checkpoint}" if self.checkpoint.exists() else "nothing is saved yet"
            raise LossNotFiniteError(f"The loss is not finite at step {self.step}; {last}: try a lower lr")
        self.accelerator.backward(loss / self.config.accumulate)
        return {"loss": loss.item(), **values, "j": _jaccard(logits, learnt)}

    def _number(self, part: int) -> int:
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        return hash((self.config.seed, (self.step * self.config.accumulate + part) * processes + rank)) % 2**63

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
                f"{self.checkpoint} is damaged or cannot be read: remove it, or choose another run folder; the last "
                "averaged weights are beside it, to start from (init)"
            ) from error
        try:
            self.network.load_state_dict(state["network"])
        except RuntimeError as error:
            raise HS2SError(
                f"{self.checkpoint} is of another network than {self.config.model!r}: choose another run folder"
            ) from error
        self.average.load_state_dict(state["average"])
        settings = [{key: group[key] for key in ("base_lr", "weight_decay")} for group in self.optimizer.param_groups]
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

    def _steps(self) -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:
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

    def _batches(self, stage: Stage, end: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        seed, portrait = self.config.seed, self.config.portrait
        clips = MixedClips(self.sources, stage.length, stage.size, seed, portrait, stage.carried)
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        parts = [part * processes + rank for part in range(self.config.accumulate)]
        places = (
            [(step, part * stage.batch + k) for k in range(stage.batch)]
            for step in range(self.step, end)
            for part in parts
        )
        return draw_batches(clips, places, self.workers)

    def _validate_now(self) -> bool:
        return bool(self.validation) and (self.step % self.config.validate_every == 0 or self.done == 1)

    def _validate(self, folder: RunFolder | None, batch: tuple[torch.Tensor, torch.Tensor]) -> bool:
        """Scores the averaged weights, keeps the best; returns whether to stop. All processes wait for the main one."""
        if folder is not None:
            scores = validate(self.averaged, self.validation)
            folder.log(self.step, {"val_J": scores.J, "val_F": scores.F, "val_JF": scores.JF})
            self._show(folder, batch)
            self.worse = 0 if self.best < scores.JF else self.worse + 1
            if self.best < scores.JF:
                self.best = scores.JF
                save_weights(self.averaged, self.run / "best.safetensors", half=True)
        self.accelerator.wait_for_everyone()
        worse = self.accelerator.reduce(torch.tensor(self.worse, device=self.device), "sum").item()
        return bool(self.config.patience) and worse >= self.config.patience

    def _show(self, folder: RunFolder, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        frames = batch[0][:1].to(self.device).float() / 255
        clip, masks = split_objects(batch[1][:1].to(self.device))
        with torch.no_grad():
            logits = self.averaged(frames, (masks[:, 0] == 1).float(), clip=clip)
        folder.show(self.step, frames[0], (masks == 1).any(0).byte(), logits.amax(0))

    def _since(self, start: float) -> float:
        """Seconds since then by the clock of the main process, so that all do the same."""
        return float(broadcast(torch.tensor(time.monotonic() - start, device=self.device)))

    def _speed(self, steps_a_second: float) -> str:
        left = min((self.config.steps - self.step) / steps_a_second / 60, self.config.duration - self.seconds / 60)
        return f"{1 / steps_a_second:.2f} s a step, {left:.0f} min left"


def _save(state: dict[str, Any], file: IO[bytes]) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:  # in which torch wraps what went wrong
        raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def split_objects(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Splits the label maps of clips into their objects.

    Args:
        masks: uint8 (B, T, 1, H, W): 0 background, 1..K the objects of the clip, 255 ignore

    Returns:
        the clip of each object, (N,) ascending, and its masks, uint8 (N, T, 1, H, W): 1 object, 255 ignore
    """
    counts = [int(label_map[label_map != VOID].amax()) for label_map in masks]
    clip = torch.repeat_interleave(torch.arange(len(masks)), torch.tensor(counts)).to(masks.device)
    numbers = torch.cat([torch.arange(1, count + 1) for count in counts]).to(masks.device).view(-1, 1, 1, 1, 1)
    own = masks[clip]
    return clip, torch.where(own == VOID, own, (own == numbers).to(own.dtype))


def _build(config: TrainingConfig, fresh: bool) -> HS2S:
    start = None
    if config.init:  # also to go on: it says of what form the network is, which presets may have left behind
        start = load_network(config.model, None if config.init == "shipped" else config.init)
    settings = (start.config if start else HS2SConfig.preset(config.model)).to_dict()
    network = build_network(HS2SConfig.from_dict({**settings, **config.network}))
    if start:
        # What the weights lack (others' masks, say) starts anew.
        network.load_state_dict({**network.state_dict(), **start.state_dict()})
    elif fresh:
        load_imagenet(network)
    return network.train()


def _precision(name: str) -> str:
    """Accelerate's name of a precision; ``auto`` is what tracking would take."""
    names = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}
    return names[choose_precision("auto", choose_device())] if name == "auto" else name


def _freeze(network: HS2S, stages: int) -> None:
    """Freezes the first stages of a shared trunk."""
    for stage in list(network.trunk.stages)[:stages] if network.trunk is not None else ():
        stage.requires_grad_(False)


def _freeze_norm(network: HS2S, frozen: bool) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train(not frozen)


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
    groups = [{"params": p, "base_lr": rate, "lr": rate} for p, rate in zip((pretrained, new), rates, strict=True)]
    return kinds[config.optimizer](groups, weight_decay=config.weight_decay)


def _jaccard(logits: torch.Tensor, masks: torch.Tensor) -> float:
    prediction, truth, valid = logits > 0, masks == 1, masks != 255
    both = (prediction & truth).sum((2, 3, 4)).float()
    either = ((prediction | truth) & valid).sum((2, 3, 4)).float()
    return ((both + 1) / (either + 1)).mean().item()
