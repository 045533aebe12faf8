"""Configurations: the shipped ones, overrides, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from training_kit import small_config

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.training.clip_sources import folder_sources
from fiftyone_hs2s.training.run_config import CONFIGS, Stage, TrainingConfig


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
        folder_sources(small_config(), tmp_path)
