"""A tiny run learns a made scene, stops, resumes and gives weights that load."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import nn
from training_kit import make_trainer

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import HS2SConfig, build_network, load_network, read_config, save_weights
from fiftyone_hs2s.progress import Report
from fiftyone_hs2s.training import loop


def test_a_killed_run_resumes_exactly(data: Path, tmp_path: Path) -> None:
    """The losses after a stop are those of a run that never stopped, and so are the weights that come out."""
    losses: dict[str, list[float]] = {"whole": [], "stopped": []}

    def note(name: str) -> Report:
        return lambda event: losses[name].append(event.values["loss"])

    whole = make_trainer(data, tmp_path / "whole")
    whole.train(report=note("whole"))
    first = make_trainer(data, tmp_path / "stopped")
    first.train(minutes=0, report=note("stopped"))  # at least one step
    assert first.step == 1
    second = make_trainer(data, tmp_path / "stopped")
    assert second.step == 1
    second.train(report=note("stopped"))
    assert second.step == 4 and len(losses["whole"]) == 4
    assert losses["stopped"] == pytest.approx(losses["whole"], rel=1e-5)
    for ours, theirs in zip(
        second.learner.average.parameters(), whole.learner.average.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


def test_a_run_of_some_minutes_goes_through_its_schedule(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rate and stages go by the time; what is done survives a stop."""
    clock = iter(range(0, 10_000, 12))  # seconds: a step takes 12, a minute five of them
    monkeypatch.setattr(loop.Trainer, "_since", lambda trainer, start: float(next(clock) + 12))
    stage = {"steps": 500, "size": [64, 96], "length": 2, "batch": 1}
    settings = {"stages": [stage, {**stage, "length": 3}], "decay_share": 1.0, "duration": 1.0, "lr": 1e-3}
    trainer = make_trainer(data, tmp_path / "run", **settings)
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
    again = make_trainer(data, tmp_path / "run", **settings)
    assert again.done == 1 and again.step == 5


def test_the_weights_of_a_run_load(data: Path, tmp_path: Path) -> None:
    trainer = make_trainer(data, tmp_path / "run")
    trainer.train(minutes=0)
    network = load_network("hs2s-lite", tmp_path / "run/weights.safetensors")
    name = "memory.conv.weight"
    torch.testing.assert_close(
        network.state_dict()[name], trainer.learner.average.module.state_dict()[name], atol=1e-3, rtol=1e-3
    )


def test_a_resumed_run_keeps_the_form_of_the_weights_that_it_started_from(data: Path, tmp_path: Path) -> None:
    network = build_network(dataclasses.replace(HS2SConfig.preset("hs2s-lite"), reset_period=7))
    save_weights(network, tmp_path / "start.safetensors")
    for steps in (1, 2):
        trainer = make_trainer(data, tmp_path / "run", init=str(tmp_path / "start.safetensors"))
        trainer.train(minutes=0)
        assert trainer.step == steps
        assert read_config(tmp_path / "run/weights.safetensors").reset_period == 7


def test_a_run_of_another_network_is_not_gone_on_with(data: Path, tmp_path: Path) -> None:
    make_trainer(data, tmp_path / "run").train(minutes=0)
    with pytest.raises(HS2SError, match="another network than 's2s-lite': choose another run folder"):
        make_trainer(data, tmp_path / "run", model="s2s-lite")


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_damaged_checkpoint_is_named(data: Path, tmp_path: Path, keep: int) -> None:
    run = tmp_path / "run"
    make_trainer(data, run).save()
    checkpoint = run / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(HS2SError, match=r"checkpoint\.pt is damaged"):
        make_trainer(data, run)


def test_a_loss_that_is_not_finite_stops_and_the_last_checkpoint_stays(data: Path, tmp_path: Path) -> None:
    trainer = make_trainer(data, tmp_path / "r")
    trainer.save()
    before = trainer.checkpoint.read_bytes()
    with torch.no_grad():
        trainer.learner.network.decoder.segmentation_branch.bias.fill_(float("nan"))
    with pytest.raises(HS2SError, match=r"not finite at step 0; the last good state is .*checkpoint.pt"):
        trainer.train()
    assert trainer.checkpoint.read_bytes() == before


def test_the_settings_of_a_resumed_run_are_its_own(data: Path, tmp_path: Path) -> None:
    first = {"lr": 1e-3, "weight_decay": 0.1, "pretrained_lr": 0.5, "decay_share": 0.0}
    make_trainer(data, tmp_path / "run", **first).train(minutes=0)
    again = make_trainer(data, tmp_path / "run", **{**first, "lr": 1e-5, "weight_decay": 0.2})
    assert [group["base_lr"] for group in again.learner.optimizer.param_groups] == [5e-6, 1e-5]
    assert [group["weight_decay"] for group in again.learner.optimizer.param_groups] == [0.2, 0.2]
    before = torch.load(again.checkpoint, weights_only=True)["optimizer"]["state"]
    # The moments are those of before.
    torch.testing.assert_close(again.learner.optimizer.state_dict()["state"], before)
    with pytest.raises(HS2SError, match="other trained parts than frozen_stages 2: keep that setting"):
        make_trainer(data, tmp_path / "run", frozen_stages=2)


def test_steps_with_frames_that_carry_the_state_learn_from_as_many_as_others(
    data: Path, tmp_path: Path
) -> None:
    stage = {"steps": 12, "size": [64, 96], "length": 3, "batch": 2, "carried": 4}
    trainer = make_trainer(data, tmp_path / "run", stages=[stage])
    lengths, learned = [], []

    def note(module: nn.Module, args: tuple, result: tuple) -> None:
        lengths.append(args[0].shape[1])
        learned.append(result[0].shape[1])

    trainer.learner.model.register_forward_hook(note)
    trainer.train()
    assert set(learned) == {2}
    assert set(lengths) == {3, 4, 5, 6, 7}


def test_the_log_has_a_line_every_ten_steps(data: Path, tmp_path: Path) -> None:
    stages = [{"steps": 10, "size": [64, 96], "length": 2, "batch": 1}]
    make_trainer(data, tmp_path / "run", stages=stages).train()
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [10]
