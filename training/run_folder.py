"""What a run leaves behind beside its weights: configuration, revision, versions, figures, TensorBoard's
files."""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
from pathlib import Path

import torch
import yaml
from torch.utils.tensorboard import SummaryWriter

from fiftyone_hs2s.files import write_text
from fiftyone_hs2s.training.run_config import TrainingConfig

logger = logging.getLogger(__name__)


class RunFolder:
    """Writes ``config.yaml``, ``run.json`` (git revision, versions), ``log.jsonl`` and TensorBoard's events.

    Args:
        path: the run folder, made if need be
        config: the run's configuration
    """

    def __init__(self, path: Path, config: TrainingConfig) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        values = json.loads(json.dumps(dataclasses.asdict(config)))  # tuples become lists
        write_text(path / "config.yaml", yaml.safe_dump(values, sort_keys=False))
        about = {"revision": _revision(), "torch": torch.__version__, "devices": torch.cuda.device_count()}
        write_text(path / "run.json", json.dumps(about, indent=1) + "\n")
        self._board = SummaryWriter(str(path / "tensorboard"))

    def log(self, step: int, values: dict[str, float], note: str = "") -> None:
        """Writes figures of a step to ``log.jsonl``, TensorBoard and the log."""
        line = {"step": step, **{key: round(value, 5) for key, value in values.items()}}
        logger.info("%s %s", line, note)
        with (self.path / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        for key, value in values.items():
            self._board.add_scalar(key, value, step)
        self._board.flush()

    def show(self, step: int, frames: torch.Tensor, masks: torch.Tensor, logits: torch.Tensor) -> None:
        """Writes a clip's last frame with truth (green) and prediction (red) to TensorBoard.

        Args:
            step: optimizer steps so far
            frames: (T, 3, H, W) in 0..1
            masks: uint8 (T, 1, H, W)
            logits: (T-1, 1, H, W)
        """
        picture = frames[-1].detach().float().cpu() * 0.6
        picture[1] += 0.4 * (masks[-1, 0] == 1).float().cpu()
        picture[0] += 0.4 * (logits[-1, 0] > 0).float().cpu()
        self._board.add_image("truth green, prediction red", picture.clamp(0, 1), step)


def _revision() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None  # not in a clone
