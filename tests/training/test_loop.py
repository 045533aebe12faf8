"""A tiny run learns a made scene, stops, resumes and gives weights that load."""

from __future__ import annotations

import dataclasses
import json
import logging
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
from PIL import Image

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.network import HS2SConfig, build_network, load_network, read_config, save_weights
from fiftyone_hs2s.progress import Report
from fiftyone_hs2s.tracking import device
from fiftyone_hs2s.training import loop
from fiftyone_hs2s.training.api import train
from fiftyone_hs2s.training.clip_sources import folder_sources
from fiftyone_hs2s.training.data.mix import Batch, MixedClips
from fiftyone_hs2s.training.data.pictures import PictureClips, list_pictures
from fiftyone_hs2s.training.data.videos import VideoClips, list_videos
from fiftyone_hs2s.training.losses import border_classes
from fiftyone_hs2s.training.run_config import CONFIGS, Stage, TrainingConfig
from fiftyone_hs2s.training.validation import FolderSequence, validate


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


def _trainer(data: Path, run: Path, **changes: object) -> loop.Trainer:
    config = _config(**changes)
    return loop.Trainer(config, folder_sources(config, data), run, num_workers=0)


def _clips(trainer: loop.Trainer, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    clips = MixedClips(trainer.sources, 3, (64, 96), seed=3)
    frames, masks = zip(*(clips[0, place] for place in range(count)), strict=True)
    return torch.stack(frames), torch.stack(masks)


def _validate_with(monkeypatch: pytest.MonkeyPatch, figures: list[float]) -> None:
    """Makes validations give these J&F, one after the other."""
    scores = iter([SimpleNamespace(J=figure, F=figure, JF=figure) for figure in figures])
    monkeypatch.setattr(loop, "score_sequences", lambda *_: {})
    monkeypatch.setattr(loop, "summarize", lambda *_: next(scores))


@pytest.fixture(autouse=True)
def _no_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "load_imagenet", lambda network: None)


def test_a_killed_run_resumes_exactly(data: Path, tmp_path: Path) -> None:
    """The losses after a stop are those of a run that never stopped, and so are the weights that come out."""
    losses: dict[str, list[float]] = {"whole": [], "stopped": []}

    def note(name: str) -> Report:
        return lambda event: losses[name].append(event.values["loss"])

    whole = _trainer(data, tmp_path / "whole")
    whole.train(report=note("whole"))
    first = _trainer(data, tmp_path / "stopped")
    first.train(minutes=0, report=note("stopped"))  # at least one step
    assert first.step == 1
    second = _trainer(data, tmp_path / "stopped")
    assert second.step == 1
    second.train(report=note("stopped"))
    assert second.step == 4 and len(losses["whole"]) == 4
    assert losses["stopped"] == pytest.approx(losses["whole"], rel=1e-5)
    for ours, theirs in zip(second.average.parameters(), whole.average.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


def test_a_run_of_some_minutes_goes_through_its_schedule(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rate and stages go by the time; what is done survives a stop."""
    clock = iter(range(0, 10_000, 12))  # seconds: a step takes 12, a minute five of them
    monkeypatch.setattr(loop.Trainer, "_since", lambda trainer, start: float(next(clock) + 12))
    stage = {"steps": 500, "size": [64, 96], "length": 2, "batch": 1}
    settings = {"stages": [stage, {**stage, "length": 3}], "decay_share": 1.0, "duration": 1.0, "lr": 1e-3}
    trainer = _trainer(data, tmp_path / "run", **settings)
    lengths, notes = [], []
    step = trainer.train_step
    monkeypatch.setattr(
        trainer, "train_step", lambda clips: lengths.append(clips[0][0].shape[1]) or step(clips)
    )
    trainer.train(report=notes.append)
    assert lengths == [2, 2, 2, 3, 3]
    assert [(event.iteration, event.total, event.unit) for event in notes] == [
        (12 * n, 60, "second") for n in range(1, 6)
    ]
    assert str(notes[1]) == f"24 of 60 seconds, loss {notes[1].values['loss']:.3f}, 0.6 minutes left"
    assert [event.values["rate"] for event in notes] == pytest.approx([1e-3, 8e-4, 6e-4, 4e-4, 2e-4])
    again = _trainer(data, tmp_path / "run", **settings)
    assert again.done == 1 and again.step == 5


def test_the_weights_of_a_run_load(data: Path, tmp_path: Path) -> None:
    trainer = _trainer(data, tmp_path / "run")
    trainer.train(minutes=0)
    network = load_network("hs2s-lite", tmp_path / "run/weights.safetensors")
    name = "memory.conv.weight"
    torch.testing.assert_close(
        network.state_dict()[name], trainer.average.module.state_dict()[name], atol=1e-3, rtol=1e-3
    )


def test_a_resumed_run_keeps_the_form_of_the_weights_that_it_started_from(data: Path, tmp_path: Path) -> None:
    network = build_network(dataclasses.replace(HS2SConfig.preset("hs2s-lite"), reset_period=7))
    save_weights(network, tmp_path / "start.safetensors")
    for steps in (1, 2):
        trainer = _trainer(data, tmp_path / "run", init=str(tmp_path / "start.safetensors"))
        trainer.train(minutes=0)
        assert trainer.step == steps
        assert read_config(tmp_path / "run/weights.safetensors").reset_period == 7


def test_a_run_of_another_network_is_not_gone_on_with(data: Path, tmp_path: Path) -> None:
    _trainer(data, tmp_path / "run").train(minutes=0)
    with pytest.raises(HS2SError, match="another network than 's2s-lite': choose another run folder"):
        _trainer(data, tmp_path / "run", model="s2s-lite")


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_damaged_checkpoint_is_named(data: Path, tmp_path: Path, keep: int) -> None:
    run = tmp_path / "run"
    _trainer(data, run).save()
    checkpoint = run / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(HS2SError, match=r"checkpoint\.pt is damaged"):
        _trainer(data, run)


@pytest.mark.timeout(120)
def test_workers_start_beside_the_threads_of_opencv(data: Path, tmp_path: Path) -> None:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        cv2.warpAffine(np.zeros((2000, 2000, 3), np.uint8), np.eye(2, 3), (2000, 2000))  # starts the threads
        time.sleep(1)  # until they wait: a fork then has their locks, but not them
        config = _config()
        trainer = loop.Trainer(config, folder_sources(config, data), tmp_path / "run", num_workers=1)
        assert len(list(islice(trainer._steps(), 2))) == 2
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(threads)


def test_steps_lower_the_loss_on_one_batch(data: Path, tmp_path: Path) -> None:
    stages = [{"steps": 100, "size": [64, 96]}]
    trainer = _trainer(data, tmp_path / "r", lr=3e-3, stages=stages, own_mask=0.0)
    batch = _clips(trainer, 2)
    losses = [trainer.train_step([batch])["loss"] for _ in range(40)]
    assert losses[-1] < 0.7 * losses[0]


def test_steps_in_bfloat16_follow_those_in_float32(data: Path, tmp_path: Path) -> None:
    losses = {}
    for precision in ("no", "bf16"):
        trainer = _trainer(data, tmp_path / precision, precision=precision, own_mask=0.0)
        batch = _clips(trainer, 2)
        losses[precision] = [trainer.train_step([batch])["loss"] for _ in range(4)]
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.03)
    assert losses["bf16"] != losses["no"]


@pytest.mark.parametrize(("computes", "expected"), [(True, "bf16"), (False, "no")])
def test_precision_auto_is_what_the_hardware_computes_in(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computes: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device, "_cpu_computes_bfloat16", lambda: computes)
    assert _trainer(data, tmp_path, precision="auto").accelerator.mixed_precision == expected


def test_accumulated_batches_are_one_large_batch(data: Path, tmp_path: Path) -> None:
    frames, masks = _clips(_trainer(data, tmp_path / "r"), 2)
    one = _trainer(data, tmp_path / "one", own_mask=0.0, losses={"bce": 1.0})
    two = _trainer(data, tmp_path / "two", own_mask=0.0, losses={"bce": 1.0}, accumulate=2)
    two.network.load_state_dict(one.network.state_dict())
    whole = one.train_step([(frames, masks)])
    parts = two.train_step([(frames[:1], masks[:1]), (frames[1:], masks[1:])])
    assert parts["loss"] == pytest.approx(whole["loss"], rel=0.02)  # void pixels are counted a batch
    assert parts["norm"] == pytest.approx(whole["norm"], rel=0.1)


def test_averaged_weights_follow_their_definition(data: Path, tmp_path: Path) -> None:
    trainer = _trainer(data, tmp_path / "r", ema=0.9, lr=1e-2)
    name, batch = "memory.conv.weight", _clips(trainer, 1)
    trainer.train_step([batch])
    first = trainer.network.state_dict()[name].clone()
    torch.testing.assert_close(trainer.average.module.state_dict()[name], first)
    trainer.train_step([batch])
    expected = 0.9 * first + 0.1 * trainer.network.state_dict()[name]
    torch.testing.assert_close(trainer.average.module.state_dict()[name], expected)


def test_a_loss_that_is_not_finite_stops_and_the_last_checkpoint_stays(data: Path, tmp_path: Path) -> None:
    trainer = _trainer(data, tmp_path / "r")
    trainer.save()
    before = trainer.checkpoint.read_bytes()
    with torch.no_grad():
        trainer.network.decoder.segmentation_branch.bias.fill_(float("nan"))
    with pytest.raises(HS2SError, match=r"not finite at step 0; the last good state is .*checkpoint.pt"):
        trainer.train()
    assert trainer.checkpoint.read_bytes() == before


def test_an_error_of_the_data_saves_the_steps_so_far(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise HS2SError("unreadable")

    monkeypatch.setattr(loop, "score_sequences", fail)
    config = _config(validate_every=2)
    sources, sequence = folder_sources(config, data), FolderSequence(data / "video/made", "square")
    with pytest.raises(HS2SError, match="unreadable"):
        loop.Trainer(config, sources, tmp_path / "run", [sequence], num_workers=0).train()
    assert torch.load(tmp_path / "run/checkpoint.pt", weights_only=True)["step"] == 2


def test_the_settings_of_a_resumed_run_are_its_own(data: Path, tmp_path: Path) -> None:
    first = {"lr": 1e-3, "weight_decay": 0.1, "pretrained_lr": 0.5, "decay_share": 0.0}
    _trainer(data, tmp_path / "run", **first).train(minutes=0)
    again = _trainer(data, tmp_path / "run", **{**first, "lr": 1e-5, "weight_decay": 0.2})
    assert [group["base_lr"] for group in again.optimizer.param_groups] == [5e-6, 1e-5]
    assert [group["weight_decay"] for group in again.optimizer.param_groups] == [0.2, 0.2]
    before = torch.load(again.checkpoint, weights_only=True)["optimizer"]["state"]
    # The moments are those of before.
    torch.testing.assert_close(again.optimizer.state_dict()["state"], before)
    with pytest.raises(HS2SError, match="other trained parts than frozen_stages 2: keep that setting"):
        _trainer(data, tmp_path / "run", frozen_stages=2)


def test_the_best_weights_are_those_of_this_validation(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(trainer: loop.Trainer, _: object) -> dict[str, float]:
        trainer.step += 1
        return {"loss": 0.0}

    monkeypatch.setattr(loop.Trainer, "train_step", step)
    _validate_with(monkeypatch, [0.8, 0.2])
    held = FolderSequence(data / "video/made", "square")
    other = FolderSequence(data / "video/made", "square")
    other.name = "another"
    monkeypatch.setattr(other, "truth", held.truth)

    def go_on(sequences: list, **changes: object) -> tuple[str, float]:
        stages = [{"steps": 9, "size": [64, 96], "length": 2, "batch": 1}]
        config = _config(**{"validate_every": 1, "stages": stages, **changes})
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
    config = _config(stages=stages, validate_every=1, patience=2)
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
    scores = validate(network, [FolderSequence(data / "video/made", "square")], (96, 128))
    assert 0.5 < scores.JF <= 1  # a red square on noise
    assert scores.sequences.keys() == {"square"}


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
    alone = _trainer(data, tmp_path / "alone", stages=[stage], accumulate=2)
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
        loop._check_batches(_config(), 4)


def test_the_loss_of_the_border_asks_for_a_border_head(data: Path, tmp_path: Path) -> None:
    with pytest.raises(HS2SError, match="border head"):
        _trainer(data, tmp_path / "run", losses={"border": 1.0})


def test_border_classes_come_with_the_clips(data: Path, tmp_path: Path) -> None:
    trainer = _trainer(
        data, tmp_path / "run", losses={"bce": 0.5, "border": 0.5}, network={"border_head": True}
    )
    batch = next(trainer._batches(trainer.config.stages[0], 1))
    _, masks, classes = batch
    assert classes.shape == (2, 3, 1, 64, 96) and classes.dtype == torch.uint8
    expected = np.stack([[border_classes(mask) for mask in clip] for clip in masks[:, :, 0].numpy()])
    np.testing.assert_array_equal(classes[:, :, 0].numpy(), expected)
    assert trainer.train_step([batch])["border"] > 0


def test_steps_that_are_computed_again_are_the_same_steps(data: Path, tmp_path: Path) -> None:
    weights, memory = {}, {}
    for again in (False, True):
        trainer = _trainer(data, tmp_path / f"again-{again}", checkpointing=again)
        batch, kept = _clips(trainer, 1), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, kept=kept: kept.append(x.nbytes) or x, lambda x: x
        ):
            trainer.train_step([batch])
        weights[again], memory[again] = trainer.network.state_dict(), sum(kept)
    for name, value in weights[False].items():
        torch.testing.assert_close(weights[True][name], value, atol=1e-5, rtol=1e-4)
    assert memory[True] < memory[False] / 2


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


def test_frozen_stages_do_not_move(data: Path, tmp_path: Path) -> None:
    trainer = _trainer(data, tmp_path / "r")
    frozen = [p for stage in trainer.network.trunk.stages[:4] for p in stage.parameters()]
    assert frozen and not any(p.requires_grad for p in frozen)
    assert all(p.requires_grad for p in trainer.network.trunk.stages[4].parameters())


@pytest.mark.parametrize("source", ["video", "pictures"])
def test_clips_show_the_object_where_the_mask_says(data: Path, source: str) -> None:
    clips = (
        VideoClips(list_videos(data / "video/made"))
        if source == "video"
        else PictureClips([list_pictures(data / "images/made")], occluder=0)
    )
    rng = np.random.default_rng(1)
    drawn = [clip for _ in range(12) if (clip := clips.sample(rng, 4, (64, 96))) is not None]
    assert len(drawn) >= 6
    for clip in drawn:
        assert clip.frames.shape == (4, 64, 96, 3) and clip.frames.dtype == np.uint8
        assert clip.masks.shape == (4, 64, 96) and set(np.unique(clip.masks)) <= {0, 1, 255}
        inside = clip.frames[clip.masks == 1].astype(int)
        assert inside[:, 0].mean() > 150 > inside[:, 2].mean() + 50  # red, as RGB


def test_occluders_hide_the_object_but_not_on_the_first_frame(data: Path) -> None:
    pictures = PictureClips([list_pictures(data / "images/made")])
    rng = np.random.default_rng(0)
    hidden = []
    for _ in range(20):
        frames, masks = np.zeros((6, 64, 96, 3), np.uint8), np.ones((6, 64, 96), np.uint8)
        pictures.occlude(rng, frames, masks)
        assert masks[0].all() and not frames[0].any()
        assert frames[masks == 1].mean() < 3  # what is drawn is not the object, but for a soft edge
        hidden.append(1 - masks[1:].mean())
    assert max(hidden) > 0.1


def test_look_alikes_surround_the_object_and_are_not_in_its_mask(data: Path) -> None:
    red = []
    for distractors in (0, 1, 5):
        clips = PictureClips(
            [list_pictures(data / "images/made")], 1.0, 1.0, occluder=0, distractors=distractors
        )
        rng = np.random.default_rng(1)
        drawn = [clip for _ in range(12) if (clip := clips.sample(rng, 2, (64, 96))) is not None]
        colors = np.concatenate([clip.frames[clip.masks == 0] for clip in drawn]).astype(int)
        red.append((colors[:, 0] > colors[:, 2] + 50).mean())
    assert red[0] + 0.02 < red[1] and red[1] + 0.02 < red[2]


def test_excluded_sequences_are_never_read(data: Path) -> None:
    assert [video.name for video in list_videos(data / "video/made")] == ["square"]
    with pytest.raises(HS2SError, match="No usable clip"):
        VideoClips(list_videos(data / "video/made", exclude=["square"]))


def test_a_video_that_cannot_be_read_is_named_and_left_out(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (good,), (bad,) = list_videos(data / "video/made"), list_videos(data / "video/made")
    bad.name, bad.frames = (
        "broken",
        lambda places: (_ for _ in ()).throw(HS2SError("Cannot read the picture x.jpg")),
    )
    clips = VideoClips([good, bad])
    rng = np.random.default_rng(0)
    with caplog.at_level(logging.WARNING):
        drawn = [clips.sample(rng, 2, (64, 96)) for _ in range(20)]
    assert sum(clip is None for clip in drawn) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "Left out broken: Cannot read the picture x.jpg"
    ]
    clips.weights[:] = 0
    with pytest.raises(HS2SError, match="None of the videos can be read"):
        clips.sample(rng, 2, (64, 96))


@pytest.mark.parametrize("broken", ["picture", "mask", "aspect"])
def test_a_picture_that_cannot_be_read_is_named_once_and_left_out(
    data: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = list_pictures(data / "images/made")[:2]
    if broken == "aspect":
        write_label_map(bad[1], np.ones((96, 64), np.uint8))
    else:
        bad[broken == "mask"].write_bytes(b"")
    clips = PictureClips([[good, bad]])
    rng = np.random.default_rng(0)
    drawn = [clips.sample(rng, 3, (64, 96)) for _ in range(12)]
    clips.occlude(rng, drawn[0].frames, drawn[0].masks)
    assert all(clip is not None for clip in drawn)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("Left out: ") and "/1." in message
    good[0].unlink()
    with pytest.raises(HS2SError, match="None of the pictures can be read"):
        PictureClips([[good, bad]]).sample(rng, 3, (64, 96))


@pytest.mark.parametrize("kind", ["white", "1 bit", "colors", "16 bit", "half", "with void"])
@pytest.mark.parametrize("source", ["video", "pictures"])
def test_masks_of_all_kinds_are_understood(data: Path, source: str, kind: str) -> None:
    """As everywhere in the package; 255 beside other ids is void."""
    for path in (*data.glob("video/made/Annotations/square/*"), *data.glob("images/made/Masks/*")):
        mask = np.array(Image.open(path))
        void = np.where(np.arange(128) < 4, 255, mask).astype(np.uint8)
        picture = {
            "white": 255 * mask,
            "1 bit": mask > 0,
            "colors": mask[..., None] * np.array([128, 0, 0], np.uint8),
            "16 bit": mask.astype(np.uint16) * 300,
            "half": np.ascontiguousarray(mask[::2, ::2]),
            "with void": void,
        }[kind]
        Image.fromarray(picture).save(path)
    clips = (
        VideoClips(list_videos(data / "video/made"), shift=0, scale=(1, 1.0001))
        if source == "video"
        else PictureClips([list_pictures(data / "images/made")], occluder=0, paste=0)
    )
    rng = np.random.default_rng(1)
    drawn = [clip for _ in range(8) if (clip := clips.sample(rng, 2, (64, 96))) is not None]
    assert len(drawn) >= 4
    assert any((clip.masks == 255).any() for clip in drawn) == (kind == "with void")
    for clip in drawn:
        red, _, blue = np.median(clip.frames[clip.masks == 1], axis=0)
        assert red > 200 and blue < 80


def test_a_clip_depends_on_the_seed_and_its_number_alone(data: Path) -> None:
    sources = [(VideoClips(list_videos(data / "video/made")), 1.0)]

    def draw(seed: int, *place: int) -> torch.Tensor:
        return MixedClips(sources, 3, (64, 96), seed)[place][0]

    assert torch.equal(draw(1, 5, 0), draw(1, 5, 0))
    assert not torch.equal(draw(1, 5, 0), draw(2, 5, 0))
    assert not torch.equal(draw(1, 5, 0), draw(1, 5, 1))


def test_a_share_of_the_steps_has_upright_clips(data: Path) -> None:
    sources = [(VideoClips(list_videos(data / "video/made")), 1.0)]
    clips = MixedClips(sources, 3, (64, 96), seed=1, portrait=0.4)
    shapes = []
    for step in range(40):
        drawn = [clips[step, place] for place in range(2)]
        assert len({tuple(frames.shape) for frames, _ in drawn}) == 1  # else they are no batch
        for frames, masks in drawn:
            assert frames.shape[2:] == masks.shape[2:]
            inside = frames.permute(0, 2, 3, 1)[masks[:, 0] == 1].float().mean(0)
            assert inside[0] > 1.5 * inside[2]  # still the red square
        shapes.append(tuple(drawn[0][0].shape[2:]))
    assert set(shapes) == {(64, 96), (96, 64)}
    assert 8 <= shapes.count((96, 64)) <= 24


def test_steps_with_frames_that_carry_the_state_learn_from_as_many_as_others(
    data: Path, tmp_path: Path
) -> None:
    stage = {"steps": 12, "size": [64, 96], "length": 3, "batch": 2, "carried": 4}
    trainer = _trainer(data, tmp_path / "run", stages=[stage])
    lengths, learned, backward = [], [], trainer._backward

    def spy(batch: Batch, part: int) -> dict[str, float]:
        lengths.append(batch[0].shape[1])
        return backward(batch, part)

    trainer._backward = spy
    trainer.model.register_forward_hook(lambda module, args, result: learned.append(result[0].shape[1]))
    trainer.train()
    assert set(learned) == {2}
    assert set(lengths) == {3, 4, 5, 6, 7}


def test_the_shipped_configs_load_and_honor_the_split() -> None:
    on_videos = []
    for path in CONFIGS.glob("*.yaml"):
        config = TrainingConfig.load(path.stem, ["lr=1e-4", "losses.bce=2"])
        assert config.lr == 1e-4 and config.losses["bce"] == 2
        assert config.steps == sum(stage.steps for stage in config.stages)
        assert all(isinstance(stage, Stage) for stage in config.stages)
        held_out = {"bus", "dance-jump", "hockey", "lucia", "mallard-fly", "scooter-gray", "schoolgirls"}
        if config.videos:
            assert held_out <= set(config.exclude)
            on_videos.append(path.stem)
    assert "hs2s-resnet50" in on_videos


def test_settings_within_others_start_from_the_default_and_lists_take_one_text() -> None:
    config = TrainingConfig.load("finetune", ["losses.bce=2", "videos=video/*", "precision=no"])
    assert config.losses == {"bce": 2, "soft_jaccard": 0.5}
    assert config.videos == ("video/*",) and config.precision == "no"
    assert TrainingConfig.load("finetune").losses == {"bce": 1.0, "soft_jaccard": 0.5}
    # Or its sequences for validation were for nothing.
    assert TrainingConfig.load("hs2s-lite").validate_every > 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("losses={bec: 1}", "Unknown loss 'bec'; did you mean 'bce'?"),
        ("precision=bf61", "Unknown precision 'bf61'"),
        ("stages=[{steps: 3, lenght: 4}]", "Unknown training stage setting 'lenght'; did you mean 'length'?"),
        ("stages=[{length: 3}]", "training stage settings lack steps"),
        ("stages=[{steps: 0}]", "stage setting 'steps' cannot be 0: .* greater than or equal to 1"),
        (
            "stages=[{steps: 3, length: 1}]",
            "stage setting 'length' cannot be 1: .* greater than or equal to 2",
        ),
        ("stages=[{steps: 3, carried: -1}]", "stage setting 'carried' cannot be -1"),
        ("stages=[]", "at least 1 item"),
        ("network.widht=3", "Unknown network setting 'widht'; did you mean 'width'?"),
        ("affine.angel=3", r"'affine\.angel'"),
        ("lr=fast", "training setting 'lr' cannot be 'fast'"),
        ("lr=true", "training setting 'lr' cannot be True: give a number"),
        ("lr=.nan", "finite"),
        ("seed=1e99", "'seed'"),
        ("lr=[", r"override 'lr=\[' is not valid YAML"),
        ("lr=", "override 'lr=' sets nothing: write lr=VALUE"),
        ("stages=[{steps: 3, size: [100, 100]}]", r"multiples of 32, not \[100, 100\]"),
        ("stages.0.steps=4", "'stages' holds none within it: set it as a whole"),
        ("lr", "write lr=VALUE"),
    ],
)
def test_bad_overrides_are_refused(override: str, message: str) -> None:
    with pytest.raises(HS2SError, match=message):
        TrainingConfig.load("finetune", [override])


def test_bad_configs_are_refused() -> None:
    with pytest.raises(HS2SError, match="did you mean 'losses'"):
        TrainingConfig.from_dict({"loses": {}})
    with pytest.raises(HS2SError, match="hs2s-lite"):
        TrainingConfig.load("nothing")
    with pytest.raises(HS2SError, match="lack model, stages"):
        TrainingConfig.from_dict({})
    with pytest.raises(HS2SError, match="'lr' cannot be -1"):
        dataclasses.replace(TrainingConfig.load("finetune"), lr=-1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: [1", r"mine\.yaml is not valid YAML"),
        ("base: nothing", r"no config \(the base of .*mine\.yaml\) .*nothing\.yaml"),
        ("base: mine", r"mine\.yaml is its own base"),
        ("base: other", r"mine\.yaml is its own base: remove 'base' from .*mine.yaml or .*other.yaml"),
        ("- model", r"mine\.yaml holds no settings"),
        ("\xff", r"mine\.yaml cannot be read"),
    ],
)
def test_config_files_that_cannot_be_read_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="latin-1")
    (tmp_path / "other.yaml").write_text("base: mine")
    with pytest.raises(HS2SError, match=message):
        TrainingConfig.load(tmp_path / "mine.yaml")


def test_no_data_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(HS2SError, match="check --data"):
        folder_sources(_config(), tmp_path)


def test_the_log_has_a_line_every_ten_steps(data: Path, tmp_path: Path) -> None:
    stages = [{"steps": 10, "size": [64, 96], "length": 2, "batch": 1}]
    _trainer(data, tmp_path / "run", stages=stages).train()
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10]
