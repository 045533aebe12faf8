"""The training loop: one optimizer, averaged weights, and checkpoints that a run resumes from."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network.hs2s import HS2S, build_network
from fiftyone_hs2s.network.weights import save_weights
from training.config import Stage, TrainingConfig
from training.data.mix import MixedClips
from training.data.pictures import PictureClips
from training.data.videos import VideoClips
from training.losses import weighted_loss
from training.pretrained import load_imagenet

logger = logging.getLogger(__name__)


class Trainer:
    """Trains a network in a run folder, from its checkpoint if there is one.

    The folder holds ``checkpoint.pt`` (everything to go on from), ``weights.safetensors`` (the averaged weights) and
    ``log.jsonl`` (a line every 10 steps).

    Args:
        config: the run
        data: root of the data folders
        run: the run folder
        workers: worker processes that make clips
    """

    def __init__(self, config: TrainingConfig, data: Path, run: Path, workers: int = 1) -> None:
        self.config, self.run, self.workers = config, run, workers
        torch.manual_seed(config.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = build_network(config.model)
        self.sources, self.weights = _sources(config, data)
        self.checkpoint = run / "checkpoint.pt"
        if not self.checkpoint.exists():
            load_imagenet(self.network)
        self.network = self.network.to(self.device, memory_format=torch.channels_last)
        _freeze(self.network, config.frozen_stages)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        self.optimizer = torch.optim.AdamW(_groups(self.network, config), weight_decay=config.weight_decay)
        self.step = 0
        if self.checkpoint.exists():
            self._resume()

    def train(self, minutes: float = float("inf"), save_every: float = 5.0) -> None:
        """Runs until the stages are done or the time is over; saves every few minutes and at the end."""
        self.run.mkdir(parents=True, exist_ok=True)
        try:
            self._train(minutes, save_every)
        finally:  # also when it is interrupted
            self.save()

    def _train(self, minutes: float, save_every: float) -> None:
        start = saved = time.monotonic()
        for clips in self._batches():
            values = self.train_step(*clips)
            if self.step % 10 == 0:
                self._log({**values, "minutes": (time.monotonic() - start) / 60})
            if time.monotonic() - saved > save_every * 60:
                self.save()
                saved = time.monotonic()
            if time.monotonic() - start > minutes * 60:
                break

    def train_step(self, frames: torch.Tensor, masks: torch.Tensor) -> dict[str, float]:
        """One optimizer step on a batch of clips: uint8 (B, T, 3, H, W) and (B, T, 1, H, W)."""
        frames = frames.to(self.device).float() / 255
        masks = masks.to(self.device)
        truth = (masks == 1).float()
        forcing = torch.rand(masks.shape[:2], device=self.device) > self.config.own_mask
        self._set_rates()
        logits, border = self.network(frames, truth, teacher_forcing=forcing, return_border=True)
        loss, parts = weighted_loss(self.config.losses, logits, border, masks[:, 1:])
        if not torch.isfinite(loss):
            raise HS2SError(f"The loss is not finite at step {self.step}; the last good state is {self.checkpoint}")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        j = _jaccard(logits, masks[:, 1:])
        return {"step": self.step, "loss": loss.item(), **parts, "norm": norm.item(), "j": j}

    def save(self) -> None:
        """Writes the checkpoint and the averaged weights, each at once or not at all."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint)
        save_weights(self.average.module, self.run / "weights.safetensors", half=True)

    def _resume(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())
        self.step = state["step"]
        logger.info("resumed at step %d", self.step)

    def _batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        end = 0
        for stage in self.config.stages:
            end += stage.steps
            if self.step < end:
                logger.info("stage until step %d: %s", end, stage)
                loader = iter(self._loader(stage))
                while self.step < end:
                    yield next(loader)

    def _loader(self, stage: Stage) -> DataLoader:
        clips = MixedClips(self.sources, self.weights, stage.length, stage.size, seed=self.config.seed + self.step)
        ahead = 3 if self.workers else None
        return DataLoader(clips, batch_size=stage.batch, num_workers=self.workers, prefetch_factor=ahead)

    def _set_rates(self) -> None:
        config = self.config
        rise = min(1.0, (self.step + 1) / max(1, config.warmup))
        left = (config.steps - self.step) / max(1.0, config.steps * config.decay_share)
        factor = rise * max(config.final_lr, min(1.0, left))
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor

    def _log(self, values: dict[str, float]) -> None:
        line = {key: round(value, 4) for key, value in values.items()}
        logger.info("%s", line)
        with (self.run / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def _sources(config: TrainingConfig, data: Path) -> tuple[list, list[float]]:
    videos, folders = _folders(data, config.videos), _folders(data, config.pictures)
    if not folders:
        return [VideoClips(videos, config.exclude)], [1.0]
    pictures = PictureClips(folders)
    return [VideoClips(videos, config.exclude, pictures), pictures], [config.video_share, 1 - config.video_share]


def _folders(data: Path, patterns: tuple[str, ...]) -> list[Path]:
    folders = [path for pattern in patterns for path in sorted(data.glob(pattern)) if path.is_dir()]
    if patterns and not folders:
        raise HS2SError(f"No folder {' or '.join(patterns)} below {data}; check --data")
    return folders


def _freeze(network: HS2S, stages: int) -> None:
    """Freezes the first stages of a shared trunk, and every batch norm (ImageNet's statistics stay)."""
    for stage in list(network.trunk.stages)[:stages] if network.trunk is not None else ():
        stage.requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def _groups(network: HS2S, config: TrainingConfig) -> list[dict]:
    pretrained, new = [], []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (pretrained if ".stages." in name else new).append(parameter)
    rates = (config.lr * config.pretrained_lr, config.lr)
    return [{"params": p, "base_lr": rate, "lr": rate} for p, rate in zip((pretrained, new), rates, strict=True)]


def _jaccard(logits: torch.Tensor, masks: torch.Tensor) -> float:
    prediction, truth, valid = logits > 0, masks == 1, masks != 255
    both = (prediction & truth).sum((2, 3, 4)).float()
    either = ((prediction | truth) & valid).sum((2, 3, 4)).float()
    return ((both + 1) / (either + 1)).mean().item()
