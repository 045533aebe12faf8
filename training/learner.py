"""What learns in a run: the network, its averaged weights, and the optimizer, one step after the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network.hs2s import HS2S
from fiftyone_hs2s.training.building import accelerate_precision, build, build_optimizer, check_batches
from fiftyone_hs2s.training.checkpoint import restore_network, restore_optimizer
from fiftyone_hs2s.training.data.mix import Batch
from fiftyone_hs2s.training.freezing import freeze_norm, freeze_stages
from fiftyone_hs2s.training.losses import split_objects, weighted_loss
from fiftyone_hs2s.training.run_config import TrainingConfig
from fiftyone_hs2s.training.schedules import hardest_share, norm_is_frozen, own_mask_probability, rate_factor


class LossNotFiniteError(HS2SError):
    """The loss is not finite: the network may be corrupted, and must not be saved."""


class Learner:
    """A network that learns from batches of clips.

    Accelerate chooses the device and joins processes that ``accelerate launch`` started.

    Args:
        config: the run
        checkpoint: the run's file of it; where there is none, the network gets its first weights

    Raises:
        HS2SError: if the processes cannot share a batch evenly; if the loss ``border`` has no border head
    """

    def __init__(self, config: TrainingConfig, checkpoint: Path) -> None:
        self.config, self.checkpoint = config, checkpoint
        # Some parameters have no part in some losses; only several processes must be told.
        several = DistributedDataParallelKwargs(find_unused_parameters=True)
        AcceleratorState._reset_state()  # an earlier run of this process may have had another precision
        self.accelerator = Accelerator(
            mixed_precision=accelerate_precision(config.precision), kwargs_handlers=[several]
        )
        self.device = self.accelerator.device
        check_batches(config, self.accelerator.num_processes)
        torch.manual_seed(config.seed)
        network = build(config, fresh=not checkpoint.exists())
        network = network.to(self.device).to(memory_format=torch.channels_last)
        if self.accelerator.num_processes > 1 and self.device.type == "cuda":
            network = cast("HS2S", nn.SyncBatchNorm.convert_sync_batchnorm(network))
        freeze_stages(network, config.frozen_stages)
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        optimizer = build_optimizer(network, config)
        self.network = network
        self.averaged = cast("HS2S", self.average.module)
        self.model, self.optimizer = self.accelerator.prepare(network, optimizer)

    def learn(
        self, batches: Sequence[Batch], step: int, done: float, learn_last: int | None = None
    ) -> dict[str, float]:
        """One optimizer step on one or several batches: uint8 (B, T, 3, H, W) and (B, T, 1, H, W), see
        ``MixedClips``.

        Args:
            batches: what is learned from, together
            step: how many steps there were before
            done: the part of the run that is done, 0..1
            learn_last: as for :meth:`HS2S.forward`

        Returns:
            losses, J, norm of the gradient, learning rate

        Raises:
            LossNotFiniteError: if the loss is not finite
        """
        factor = rate_factor(self.config, step, done)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        freeze_norm(self.network, norm_is_frozen(self.config, done))
        self.optimizer.zero_grad(set_to_none=True)
        values: dict[str, float] = {}
        for part, batch in enumerate(batches):
            last = part == len(batches) - 1
            # Drawn from the step's number, so that a resumed run draws the same.
            chance = torch.Generator().manual_seed(self._number(step, part))
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                for key, value in self._backward(batch, chance, step, done, learn_last).items():
                    values[key] = values.get(key, 0.0) + value / len(batches)
        bound = self.config.clip_norm or float("inf")
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), bound)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return {**values, "norm": float(norm), "rate": self.optimizer.param_groups[-1]["lr"]}

    def _backward(
        self, batch: Batch, chance: torch.Generator, step: int, done: float, learn_last: int | None
    ) -> dict[str, float]:
        frames, masks, *border_classes = (tensor.to(self.device) for tensor in batch)
        frames = frames.float() / 255
        clip, number, masks = split_objects(masks)
        truth = (masks == 1).float()
        forcing = torch.rand(frames.shape[:2], generator=chance) >= own_mask_probability(self.config, done)
        forcing = forcing.to(self.device)[clip]  # the objects of a clip alike: they see each other
        with self.accelerator.autocast():
            logits, border = self.model(
                frames,
                truth,
                teacher_forcing=forcing,
                clip=clip,
                return_border=True,
                memory_every=self.config.memory_every,
                checkpointing=self.config.checkpointing,
                learn_last=learn_last,
            )
        logits, border = logits.float(), border.float() if border is not None else None
        learned = masks[:, -logits.shape[1] :]
        hardest = hardest_share(self.config, done)
        classes = border_classes[0][clip, -logits.shape[1] :, number - 1] if border_classes else None
        loss, values = weighted_loss(self.config.losses, logits, border, learned, clip, hardest, classes)
        if not torch.isfinite(loss):
            raise LossNotFiniteError(
                f"The loss is not finite at step {step}; {self._last_good()}: try a lower lr"
            )
        self.accelerator.backward(loss / self.config.accumulate)
        return {"loss": loss.item(), **values, "j": _jaccard(logits, learned)}

    def _last_good(self) -> str:
        there = self.checkpoint.exists()
        return f"the last good state is {self.checkpoint}" if there else "nothing is saved yet"

    def _number(self, step: int, part: int) -> int:
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        return hash((self.config.seed, (step * self.config.accumulate + part) * processes + rank)) % 2**63

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes."""
        scaler = self.accelerator.scaler
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over a state; the settings of the optimizer stay those of the run.

        Raises:
            HS2SError: if it is of another network, or has other trained parts
        """
        restore_network(self.checkpoint, state, self.network, self.config)
        self.average.load_state_dict(state["average"])
        restore_optimizer(self.checkpoint, state, self.optimizer, self.config)
        if self.accelerator.scaler is not None and state.get("scaler"):
            self.accelerator.scaler.load_state_dict(state["scaler"])


def _jaccard(logits: torch.Tensor, masks: torch.Tensor) -> float:
    prediction, truth, valid = logits > 0, masks == 1, masks != 255
    both = (prediction & truth).sum((2, 3, 4)).float()
    either = ((prediction | truth) & valid).sum((2, 3, 4)).float()
    return ((both + 1) / (either + 1)).mean().item()
