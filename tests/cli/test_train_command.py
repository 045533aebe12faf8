"""``hs2s train``, its synonyms, and what it refuses. Whole trainings: tests/training, tests/install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import fiftyone as fo
import pytest
from fiftyone_kit import picture, prompted_sample, prompts

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.training import packages

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Instead of a training: what it was given."""
    given = []

    def train(config, run, **arguments):
        given.append({"config": config, "run": run, **arguments})
        return tmp_path / "weights.safetensors"

    monkeypatch.setattr("fiftyone_hs2s.training.api.train", train)
    return given


def test_a_dataset_is_read_and_handed_in(calls, dataset, video, tmp_path, capsys):
    dataset.add_sample(prompted_sample(video, "gt"))
    options = ["--dataset", dataset.name, "--val", dataset.name, "--gt-field", "frames.gt", "--set", "lr=0.5"]
    assert (
        main(["train", "--config", "tiny", "--run", str(tmp_path / "run"), *options, "--minutes", "3"]) == 0
    )
    (given,) = calls
    sample_id = dataset.first().id
    assert [sample_id in video.name for video in given["videos"]] == [True] and given["pictures"] == []
    assert [sample_id in sequence.name for sequence in given["validation"]] == [True]
    assert (given["config"].lr, given["minutes"], given["data"]) == (0.5, 3, None)
    assert capsys.readouterr().out == f"weights: {tmp_path / 'weights.safetensors'}\n"


def test_images_are_handed_in(calls, dataset, video, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture(1))
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "a.png"), gt=prompts(1)))
    options = [
        "--dataset",
        dataset.name,
        "--gt-field",
        "gt",
        "--run",
        str(tmp_path / "run"),
        "--config",
        "tiny",
    ]
    assert main(["train", *options]) == 0
    assert [path for path, _ in calls[0]["pictures"]] == [tmp_path / "a.png"] and calls[0]["videos"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "There is nothing to train on: give a data folder (--data) or a dataset (--dataset)"),
        (["--dataset", "no-such"], "There is no dataset 'no-such': "),
        (["--data", "no-such"], "There is no usable clip"),
        (["--config", "no-such"], "No training config"),
        (["--set", "lr=fast"], "training setting 'lr' cannot be 'fast'"),
        (["--resume"], "There is not a checkpoint in "),
    ],
)
def test_refusals_are_a_sentence(options, message, tmp_path, capsys):
    assert main(["train", "--config", "tiny", "--run", str(tmp_path / "run"), *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("hs2s train: ") and message in said and said.count("\n") == 1
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_dataset_takes_its_field(dataset, video, tmp_path, capsys):
    dataset.add_sample(prompted_sample(video, "gt"))
    options = ["--config", "tiny", "--run", str(tmp_path / "run"), "--dataset", dataset.name]
    assert main(["train", *options]) == 2
    assert "Name the field with the masks of the dataset (--gt-field)" in capsys.readouterr().err
    assert main(["train", *options, "--gt-field", "frames.other"]) == 2
    assert "has no Detections field 'frames.other': choose one of gt" in capsys.readouterr().err


def test_missing_packages_are_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    assert main(["train", "--config", "tiny", "--run", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "run `pip install accelerate tensorboard`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "usage"),
    [
        ("training", "usage: hs2s train "),
        ("training.synthetic", "usage: python -m fiftyone_hs2s.training.synthetic "),
    ],
)
def test_synonyms_in_a_clone(module, usage):
    for name in (module, f"fiftyone_hs2s.{module}"):
        command = [sys.executable, "-m", name, "--help"]
        done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(usage)
