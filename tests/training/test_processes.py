"""Worker processes, several training processes, and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from training_kit import make_trainer, small_config

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.training import loop
from fiftyone_hs2s.training.building import check_batches
from fiftyone_hs2s.training.clip_sources import folder_sources
from fiftyone_hs2s.training.run_config import CONFIGS


@pytest.mark.timeout(120)
def test_workers_start_beside_the_threads_of_opencv(data: Path, tmp_path: Path) -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        cv2.warpAffine(np.zeros((2000, 2000, 3), np.uint8), np.eye(2, 3), (2000, 2000))  # starts the threads
        time.sleep(1)  # until they wait: a fork then has their locks, but not them
        config = small_config()
        trainer = loop.Trainer(config, folder_sources(config, data), tmp_path / "run", num_workers=1)
        assert len(list(islice(trainer._steps(), 2))) == 2
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(threads)


def _arguments(data: Path, run: Path, steps: int) -> list[str]:
    """Python's arguments for a run on the video from the shell."""
    stages = json.dumps([{"steps": steps, "size": [64, 96], "length": 2, "batch": 1}])
    settings = [f"stages={stages}", "videos=[video/*]", "precision='no'"]
    arguments = [
        "-m",
        "fiftyone_hs2s.training",
        "--config",
        "finetune",
        "--data",
        str(data),
        "--run",
        str(run),
    ]
    return arguments + [part for setting in settings for part in ("--set", setting)]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def test_two_processes_train_one_network(data: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    command += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command += [*_arguments(data, tmp_path / "run", steps=2), "--workers", "0"]
    result = subprocess.run(
        command, cwd=CONFIGS.parents[1], env=_environment(), capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stderr[-2000:]
    state = torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)
    assert state["step"] == 2
    load_network("hs2s-lite", tmp_path / "run/weights.safetensors")


def test_processes_share_the_clips_of_a_step(data: Path, tmp_path: Path) -> None:
    """A batch is the whole run's: two processes draw the clips that one draws, each its half."""
    stage = {"steps": 2, "size": [64, 96], "length": 2, "batch": 4}
    alone = make_trainer(data, tmp_path / "alone", stages=[stage], accumulate=2)
    whole = list(alone._batches(alone.config.stages[0], 2))
    halves = []
    for rank in (0, 1):
        alone.accelerator = SimpleNamespace(process_index=rank, num_processes=2)
        halves.append(list(alone._batches(alone.config.stages[0], 2)))
    assert len(whole) == len(halves[0]) == len(halves[1]) == 4  # two steps of two batches
    for (frames, _), (even, _), (odd, _) in zip(whole, *halves, strict=True):
        assert torch.equal(frames, torch.stack([even, odd], 1).flatten(0, 1))


def test_a_batch_that_processes_cannot_share_evenly_is_refused() -> None:
    with pytest.raises(HS2SError, match="4 processes cannot share a batch of 2"):
        check_batches(small_config(), 4)


def test_a_run_that_is_told_to_end_saves_the_step_it_was_at(data: Path, tmp_path: Path) -> None:
    """A plain ``kill``, which would lose all since the last checkpoint; the same command then goes on.

    The second one goes to all its processes, as schedulers send it: the workers must outlive the step.
    """
    command = [sys.executable, *_arguments(data, tmp_path / "run", steps=1000)]
    steps = [0]
    for kill in (os.kill, os.killpg):
        with subprocess.Popen(
            command,
            cwd=CONFIGS.parents[1],
            env=_environment(),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as run:
            said = []
            for line in run.stderr:
                said.append(line)
                if "{'step'" in line:  # it logs every tenth step
                    kill(run.pid, signal.SIGTERM)
        assert run.returncode == 128 + signal.SIGTERM
        assert "the same command resumes" in said[-1] and not any("Traceback" in line for line in said)
        resumed = [int(line.split("resumed at step ")[1]) for line in said if "resumed at step" in line]
        assert resumed == steps[1:]
        steps.append(torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["step"])
    assert 10 <= steps[1] < steps[2] < 1000
