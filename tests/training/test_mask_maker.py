"""Training of the mask maker: it resumes exactly, and is held to the split of the other training."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.training.data.pictures import list_pictures
from fiftyone_hs2s.training.mask_maker import learning
from fiftyone_hs2s.training.mask_maker.__main__ import main
from fiftyone_hs2s.training.mask_maker.examples import Stored, box_of, store
from fiftyone_hs2s.training.mask_maker.learning import Settings, Training, draw_batch, rate, train
from fiftyone_hs2s.training.mask_maker.sets import read_sets

SMALL = Settings(steps=4, batch=2, side=64, seed=3)


@pytest.fixture(autouse=True)
def _no_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "load_lite0", lambda stages: None)


@pytest.fixture
def sets(data: Path) -> list[list[Stored]]:
    return read_sets(data, np.random.default_rng(0))


def test_a_killed_training_resumes_exactly(
    sets: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed after the third step; the checkpoint is that of the second."""
    whole = train(sets, tmp_path / "whole.safetensors", SMALL)
    learn = Training.learn

    def killed(training: Training, batch: learning.Batch) -> tuple[float, float]:
        if training.step == 3:
            raise KeyboardInterrupt
        return learn(training, batch)

    stopped = tmp_path / "stopped.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(Training, "learn", killed)
        with pytest.raises(KeyboardInterrupt):
            train(sets, stopped, SMALL, save_every=2)
    assert torch.load(stopped.with_suffix(".pt"), weights_only=True)["step"] == 2
    resumed = train(sets, stopped, SMALL, save_every=2)
    assert resumed.step == whole.step == 4
    for ours, theirs in zip(resumed.network.parameters(), whole.network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    expected, found = load_file(tmp_path / "whole.safetensors"), load_file(stopped)
    assert expected.keys() == found.keys() == Training(SMALL).network.state_dict().keys()
    for key, value in expected.items():
        assert value.dtype == torch.float16
        torch.testing.assert_close(found[key], value)


def test_a_resumed_training_says_that_its_settings_are_others(
    sets: list, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = tmp_path / "weights.safetensors"
    train(sets, weights, Settings(steps=1, batch=2, side=64))
    with caplog.at_level(logging.WARNING):
        train(sets, weights, Settings(steps=2, batch=2, side=64))
    assert "steps=2" in caplog.text and "before: Settings(steps=1" in caplog.text
    weights.with_suffix(".pt").write_bytes(b"damaged")
    with pytest.raises(HS2SError, match=r"weights\.pt is damaged"):
        train(sets, weights, SMALL)


def test_steps_lower_the_loss_on_one_batch(sets: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "WARMUP", 1)
    training = Training(Settings(steps=100, rate=2e-3, batch=2, side=64))
    batch = draw_batch(sets, training.settings, 0)
    losses = [training.learn(batch)[0] for _ in range(20)]
    assert losses[-1] < 0.8 * losses[0]


def test_the_rate_rises_and_falls() -> None:
    rates = [rate(Settings(steps=1000, rate=1.0), step) for step in range(1000)]
    assert all(type(value) is float for value in rates)  # what a checkpoint may hold
    assert rates[0] == pytest.approx(1 / 300) and np.argmax(rates) == 299
    assert rates[500] == pytest.approx(0.5) and rates[-1] < 1e-4


def test_averaged_weights_follow_their_definition(sets: list) -> None:
    training = Training(SMALL)
    name, seen = "head.weight", []
    for step in range(3):
        training.learn(draw_batch(sets, SMALL, step))
        seen.append(training.network.state_dict()[name].clone())
    expected = seen[0]
    for count, value in enumerate(seen[1:], 1):
        decay = count / (count + 20)
        expected = decay * expected + (1 - decay) * value
    torch.testing.assert_close(training.average.module.state_dict()[name], expected)


def test_held_out_sequences_and_sets_without_objects_are_left_out(data: Path) -> None:
    kept = [len(stored) for stored in read_sets(data, np.random.default_rng(0))]
    assert kept == [8, 2]  # pictures, and frames 0 and 5 of the video
    for part in ("JPEGImages", "Annotations"):
        shutil.move(data / "video/made" / part / "square", data / "video/made" / part / "bus")
    shutil.copytree(data / "images/made", data / "images/Caltech101")
    assert [len(stored) for stored in read_sets(data, np.random.default_rng(0))] == [8]


def test_stored_objects_are_those_of_the_masks(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures = list_pictures(data / "images/made")
    pictures[0][0].write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        stored = store(pictures, np.random.default_rng(0), 5)
    assert len(stored) == 5
    for each in stored:
        image, mask = each.read()
        red, _, blue = np.median(image[mask == 1], axis=0)
        assert red > 200 and blue < 80 and box_of(mask) is not None
    store(pictures, np.random.default_rng(0), 100)
    assert "Left out" in caplog.text and pictures[0][0].name in caplog.text


def test_the_command(data: Path, tmp_path: Path) -> None:
    for image in (data / "images/made/Images").glob("[2-7].jpg"):
        image.unlink()
    weights = tmp_path / "out/weights.safetensors"
    for steps in ("1", "2"):
        main(["--data", str(data), "--out", str(weights), "--steps", steps, "--batch", "1", "--side", "64"])
    assert torch.load(weights.with_suffix(".pt"), weights_only=True)["step"] == 2
