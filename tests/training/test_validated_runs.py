"""Runs that validate: the best weights are kept, patience ends, errors lose nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from training_kit import small_config

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.training import loop
from fiftyone_hs2s.training.api import train
from fiftyone_hs2s.training.clip_sources import folder_sources
from fiftyone_hs2s.training.data.video_folders import read_video
from fiftyone_hs2s.training.run_config import TrainingConfig
from fiftyone_hs2s.training.validation import validate


def test_an_error_of_the_data_saves_the_steps_so_far(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise HS2SError("unreadable")

    monkeypatch.setattr(loop, "score_videos", fail)
    config = small_config(validate_every=2)
    sources, sequence = folder_sources(config, data), read_video(data / "video/made", "square")
    with pytest.raises(HS2SError, match="unreadable"):
        loop.Trainer(config, sources, tmp_path / "run", [sequence], num_workers=0).train()
    assert torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["step"] == 2


def _validate_with(monkeypatch: pytest.MonkeyPatch, figures: list[float]) -> None:
    """Makes validations give these J&F, one after the other."""
    scores = iter([SimpleNamespace(J=figure, F=figure, JF=figure) for figure in figures])
    monkeypatch.setattr(loop, "score_videos", lambda *_: {})
    monkeypatch.setattr(loop, "summarize", lambda *_: next(scores))


def test_the_best_weights_are_those_of_this_validation(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(trainer: loop.Trainer, _: object) -> dict[str, float]:
        trainer.step += 1
        return {"loss": 0.0}

    monkeypatch.setattr(loop.Trainer, "train_step", step)
    _validate_with(monkeypatch, [0.8, 0.2])
    held = read_video(data / "video/made", "square")
    other = read_video(data / "video/made", "square")
    other.name = "another"

    def go_on(sequences: list, **changes: object) -> tuple[str, float]:
        stages = [{"steps": 9, "size": [64, 96], "length": 2, "batch": 1}]
        config = small_config(**{"validate_every": 1, "stages": stages, **changes})
        weights = train(config, tmp_path / "run", data=data, validation=sequences, minutes=0, num_workers=0)
        return weights.name, torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["best"]

    assert go_on([held]) == ("best.safetensors", 0.8)
    assert go_on([other]) == ("best.safetensors", 0.2)  # though less than 0.8
    assert go_on([other], validate_every=0) == ("weights.safetensors", 0.0)


def test_validation_keeps_the_best_and_patience_ends_the_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _validate_with(monkeypatch, [0.5, 0.7, 0.6, 0.65, 0.9])
    stages = [{"steps": 9, "size": [64, 96], "length": 2, "batch": 1}]
    config = small_config(stages=stages, validate_every=1, patience=2)
    run = tmp_path / "run"
    trainer = loop.Trainer(
        config, folder_sources(config, data), run, [SimpleNamespace(name="a")], num_workers=0
    )
    kept = []
    trainer.train(
        report=lambda _: kept.append((run / "best.safetensors").stat().st_mtime_ns if trainer.best else 0)
    )
    assert trainer.step == 4 and trainer.best == 0.7
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["val_JF"] for line in lines] == [0.5, 0.7, 0.6, 0.65]
    assert {"config.yaml", "run.json", "tensorboard", "best.safetensors"} <= {
        path.name for path in run.iterdir()
    }
    assert TrainingConfig.load(run / "config.yaml") == config


def test_validation_scores_a_sequence_as_the_metrics_do(data: Path) -> None:
    network = load_network("hs2s-lite")
    scores = validate(network, [read_video(data / "video/made", "square")], (96, 128))
    assert 0.5 < scores.JF <= 1  # a red square on noise
    assert scores.sequences.keys() == {"square"}
