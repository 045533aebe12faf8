"""Checkpoints of a run: written at once or not at all, and refused where they are not of this run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import IO, Any

import torch

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import new_file
from fiftyone_hs2s.network.hs2s import HS2S
from fiftyone_hs2s.training.run_config import TrainingConfig


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a state, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path) as part, part.open("wb") as file:
        _save(state, file)


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Reads a state.

    Raises:
        HS2SError: if the file is damaged
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise HS2SError(
            f"{path} is damaged or cannot be read: remove it, or choose another place;"
            " the last averaged weights are beside it"
        ) from error


def restore_network(path: Path, state: dict[str, Any], network: HS2S, config: TrainingConfig) -> None:
    """Gives a network the weights of a state.

    Raises:
        HS2SError: if they are of another network
    """
    try:
        network.load_state_dict(state["network"])
    except RuntimeError as error:
        raise HS2SError(
            f"{path} is of another network than {config.model!r}: choose another run folder"
        ) from error


def restore_optimizer(
    path: Path, state: dict[str, Any], optimizer: torch.optim.Optimizer, config: TrainingConfig
) -> None:
    """Gives an optimizer the moments of a state; its settings stay its own, not those of before.

    Raises:
        HS2SError: if the state has other trained parts
    """
    settings = [{key: group[key] for key in ("base_lr", "weight_decay")} for group in optimizer.param_groups]
    try:
        optimizer.load_state_dict(state["optimizer"])
    except ValueError as error:
        raise HS2SError(
            f"{path} has other trained parts than frozen_stages {config.frozen_stages}: "
            "keep that setting, or choose another run folder"
        ) from error
    for group, own in zip(optimizer.param_groups, settings, strict=True):
        group.update(own)


def _save(state: dict[str, Any], file: IO[bytes]) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:  # in which torch wraps what went wrong
        raise error.__context__ if isinstance(error.__context__, OSError) else error from None
