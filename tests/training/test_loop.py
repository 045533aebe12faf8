"""A tiny run learns a made scene, stops, resumes and gives weights that load."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.network import load_network
from training import loop
from training.config import Stage, TrainingConfig
from training.data.mix import MixedClips
from training.data.pictures import PictureClips
from training.data.videos import VideoClips


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A video and pictures of a red square on noise."""
    rng = np.random.default_rng(0)
    for t in range(8):
        frame = rng.integers(60, 120, (96, 128, 3), dtype=np.uint8)
        mask = np.zeros((96, 128), np.uint8)
        mask[30:66, 20 + 6 * t : 56 + 6 * t] = 1
        frame[mask == 1] = (40, 40, 230)
        for folder, kind in (("video/made", "JPEGImages/square"), ("video/made", "Annotations/square")):
            (tmp_path / folder / kind).mkdir(parents=True, exist_ok=True)
        for kind in ("Images", "Masks"):
            (tmp_path / "images/made" / kind).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / f"video/made/JPEGImages/square/{t:05d}.jpg"), frame)
        write_label_map(tmp_path / f"video/made/Annotations/square/{t:05d}.png", mask)
        cv2.imwrite(str(tmp_path / f"images/made/Images/{t}.jpg"), frame)
        write_label_map(tmp_path / f"images/made/Masks/{t}.png", mask)
    return tmp_path


def _config(**changes: object) -> TrainingConfig:
    values = {
        "model": "hs2s-lite",
        "videos": ["video/*"],
        "pictures": ["images/*"],
        "stages": [{"steps": 4, "size": [64, 96], "length": 3, "batch": 2}],
        "warmup": 1,
    }
    return TrainingConfig.from_dict({**values, **changes})


@pytest.fixture(autouse=True)
def _no_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "load_imagenet", lambda network: None)


def test_a_run_stops_resumes_and_gives_weights_that_load(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = loop.Trainer(_config(), data, run, workers=0)
    first.train(minutes=0)  # at least one step
    assert first.step == 1
    second = loop.Trainer(_config(), data, run, workers=0)
    assert second.step == 1
    for ours, theirs in zip(second.network.parameters(), first.network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert second.optimizer.state_dict()["state"].keys() == first.optimizer.state_dict()["state"].keys()
    second.train()
    assert second.step == 4
    network = load_network("hs2s-lite", run / "weights.safetensors")
    average = second.average.module.state_dict()
    name = "memory.conv.weight"
    torch.testing.assert_close(network.state_dict()[name], average[name], atol=1e-3, rtol=1e-3)


def test_steps_lower_the_loss_on_one_batch(data: Path, tmp_path: Path) -> None:
    stages = [{"steps": 100, "size": [64, 96]}]
    trainer = loop.Trainer(_config(lr=3e-3, stages=stages, own_mask=0.0), data, tmp_path / "r", 0)
    clips = iter(MixedClips(trainer.sources, trainer.weights, 3, (64, 96), seed=3))
    frames, masks = (torch.stack(x) for x in zip(next(clips), next(clips), strict=True))
    losses = [trainer.train_step(frames, masks)["loss"] for _ in range(25)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_spoilt(data: Path, tmp_path: Path) -> None:
    trainer = loop.Trainer(_config(), data, tmp_path / "r", 0)
    with torch.no_grad():
        trainer.network.decoder.segmentation_branch.bias.fill_(float("nan"))
    before = trainer.network.memory.conv.weight.clone()
    clips = iter(MixedClips(trainer.sources, trainer.weights, 3, (64, 96), seed=3))
    frames, masks = (x[None] for x in next(clips))
    with pytest.raises(HS2SError, match="not finite at step 0"):
        trainer.train_step(frames, masks)
    assert torch.equal(before, trainer.network.memory.conv.weight)


def test_frozen_stages_do_not_move(data: Path, tmp_path: Path) -> None:
    trainer = loop.Trainer(_config(), data, tmp_path / "r", 0)
    frozen = [p for stage in trainer.network.trunk.stages[:4] for p in stage.parameters()]
    assert frozen and not any(p.requires_grad for p in frozen)
    assert all(p.requires_grad for p in trainer.network.trunk.stages[4].parameters())


@pytest.mark.parametrize("source", ["video", "pictures"])
def test_clips_show_the_object_where_the_mask_says(data: Path, source: str) -> None:
    clips = VideoClips([data / "video/made"]) if source == "video" else PictureClips([data / "images/made"], occluder=0)
    rng = np.random.default_rng(1)
    drawn = [clip for _ in range(12) if (clip := clips.sample(rng, 4, (64, 96))) is not None]
    assert len(drawn) >= 6
    for clip in drawn:
        assert clip.frames.shape == (4, 64, 96, 3) and clip.frames.dtype == np.uint8
        assert clip.masks.shape == (4, 64, 96) and set(np.unique(clip.masks)) <= {0, 1, 255}
        inside = clip.frames[clip.masks == 1].astype(int)
        assert inside[:, 0].mean() > 150 > inside[:, 2].mean() + 50  # red, as RGB


def test_excluded_sequences_are_never_read(data: Path) -> None:
    with pytest.raises(HS2SError, match="No usable clip"):
        VideoClips([data / "video/made"], exclude=["square"])


def test_the_worker_streams_differ_and_repeat(data: Path) -> None:
    sources = [VideoClips([data / "video/made"])]

    def draw(seed: int) -> torch.Tensor:
        return next(iter(MixedClips(sources, [1.0], 3, (64, 96), seed)))[0]

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_the_shipped_config_loads_and_honours_the_split() -> None:
    config = TrainingConfig.load("hs2s-lite", ["lr=1e-4"])
    assert config.lr == 1e-4 and config.steps == sum(stage.steps for stage in config.stages)
    assert {"bus", "dance-jump", "hockey", "lucia", "mallard-fly", "scooter-gray", "schoolgirls"} <= set(config.exclude)
    assert all(isinstance(stage, Stage) for stage in config.stages)


def test_bad_configs_are_refused() -> None:
    with pytest.raises(HS2SError, match="did you mean 'losses'"):
        TrainingConfig.from_dict({"loses": {}})
    with pytest.raises(HS2SError, match="hs2s-lite"):
        TrainingConfig.load("nothing")


def test_no_data_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(HS2SError, match="check --data"):
        loop.Trainer(_config(), tmp_path, tmp_path / "run", 0)


def test_the_log_has_a_line_every_ten_steps(data: Path, tmp_path: Path) -> None:
    config = _config(stages=[{"steps": 10, "size": [64, 96], "length": 2, "batch": 1}])
    loop.Trainer(config, data, tmp_path / "run", 0).train()
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10]
