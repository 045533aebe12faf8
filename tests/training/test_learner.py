"""Single optimizer steps: what they learn from, in which precision, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from training_kit import make_trainer, some_clips

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.runtime import device
from fiftyone_hs2s.training.losses import border_classes


def test_steps_lower_the_loss_on_one_batch(data: Path, tmp_path: Path) -> None:
    stages = [{"steps": 100, "size": [64, 96]}]
    trainer = make_trainer(data, tmp_path / "r", lr=3e-3, stages=stages, own_mask=0.0)
    batch = some_clips(trainer, 2)
    losses = [trainer.train_step([batch])["loss"] for _ in range(40)]
    assert losses[-1] < 0.7 * losses[0]


def test_steps_in_bfloat16_follow_those_in_float32(data: Path, tmp_path: Path) -> None:
    losses = {}
    for precision in ("no", "bf16"):
        trainer = make_trainer(data, tmp_path / precision, precision=precision, own_mask=0.0)
        batch = some_clips(trainer, 2)
        losses[precision] = [trainer.train_step([batch])["loss"] for _ in range(4)]
    assert losses["bf16"] == pytest.approx(losses["no"], rel=0.03)
    assert losses["bf16"] != losses["no"]


@pytest.mark.parametrize(("computes", "expected"), [(True, "bf16"), (False, "no")])
def test_precision_auto_is_what_the_hardware_computes_in(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computes: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(device, "_cpu_computes_bfloat16", lambda: computes)
    assert make_trainer(data, tmp_path, precision="auto").learner.accelerator.mixed_precision == expected


def test_accumulated_batches_are_one_large_batch(data: Path, tmp_path: Path) -> None:
    frames, masks = some_clips(make_trainer(data, tmp_path / "r"), 2)
    one = make_trainer(data, tmp_path / "one", own_mask=0.0, losses={"bce": 1.0})
    two = make_trainer(data, tmp_path / "two", own_mask=0.0, losses={"bce": 1.0}, accumulate=2)
    two.learner.network.load_state_dict(one.learner.network.state_dict())
    whole = one.train_step([(frames, masks)])
    parts = two.train_step([(frames[:1], masks[:1]), (frames[1:], masks[1:])])
    assert parts["loss"] == pytest.approx(whole["loss"], rel=0.02)  # void pixels are counted a batch
    assert parts["norm"] == pytest.approx(whole["norm"], rel=0.1)


def test_averaged_weights_follow_their_definition(data: Path, tmp_path: Path) -> None:
    trainer = make_trainer(data, tmp_path / "r", ema=0.9, lr=1e-2)
    name, batch = "memory.conv.weight", some_clips(trainer, 1)
    trainer.train_step([batch])
    first = trainer.learner.network.state_dict()[name].clone()
    torch.testing.assert_close(trainer.learner.average.module.state_dict()[name], first)
    trainer.train_step([batch])
    expected = 0.9 * first + 0.1 * trainer.learner.network.state_dict()[name]
    torch.testing.assert_close(trainer.learner.average.module.state_dict()[name], expected)


def test_frozen_stages_do_not_move(data: Path, tmp_path: Path) -> None:
    trainer = make_trainer(data, tmp_path / "r")
    frozen = [p for stage in trainer.learner.network.trunk.stages[:4] for p in stage.parameters()]
    assert frozen and not any(p.requires_grad for p in frozen)
    assert all(p.requires_grad for p in trainer.learner.network.trunk.stages[4].parameters())


def test_the_loss_of_the_border_asks_for_a_border_head(data: Path, tmp_path: Path) -> None:
    with pytest.raises(HS2SError, match="border head"):
        make_trainer(data, tmp_path / "run", losses={"border": 1.0})


def test_border_classes_come_with_the_clips(data: Path, tmp_path: Path) -> None:
    trainer = make_trainer(
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
        trainer = make_trainer(data, tmp_path / f"again-{again}", checkpointing=again)
        batch, kept = some_clips(trainer, 1), []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, kept=kept: kept.append(x.nbytes) or x, lambda x: x
        ):
            trainer.train_step([batch])
        weights[again], memory[again] = trainer.learner.network.state_dict(), sum(kept)
    for name, value in weights[False].items():
        torch.testing.assert_close(weights[True][name], value, atol=1e-5, rtol=1e-4)
    assert memory[True] < memory[False] / 2
