from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import fiftyone as fo
import pytest
import torch
from fiftyone_kit import detection, prompted_sample, prompts

from fiftyone_hs2s import HS2SError, finetune, list_models, load_model
from fiftyone_hs2s.dataset.train import material
from fiftyone_hs2s.dataset.train.finetune import presets
from fiftyone_hs2s.dataset.train.training_checks import check_training_field
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.registry import models_folder
from fiftyone_hs2s.training import packages
from fiftyone_hs2s.training.run_config import TrainingConfig

module = sys.modules["fiftyone_hs2s.dataset.train.finetune"]


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """An empty folder of registered models."""
    monkeypatch.setenv("HS2S_MODELS", str(tmp_path / "models"))


@pytest.fixture
def config(tmp_path):
    """A run of seconds."""
    path = tmp_path / "seconds.yaml"
    path.write_text(
        "{model: hs2s-lite, init: shipped, warmup: 1, stages: [{steps: 2, size: [64, 96], length: 2, batch:"
        " 1}]}"
    )
    return path


@pytest.fixture
def labeled(dataset, video):
    """A dataset with one sample with masks on all frames."""
    dataset.add_sample(prompted_sample(video, "gt"))
    return dataset


def test_a_short_run_registers_a_model_by_name(labeled, config):
    events = []
    result = finetune(labeled, "frames.gt", "squares", config, progress=events.append)
    assert list_models() == {"squares": result.path}
    assert result.steps == 2 and result.minutes > 0 and result.before is None
    assert [event[:3] for event in events] == [(1, 2, "step"), (2, 2, "step")]
    assert result.loss == (events[0].values["loss"], events[1].values["loss"])
    assert str(result).startswith("squares: 2 steps in ")
    for name in ("squares", "squares-video-torch"):
        tuned = load_model(name, device="cpu").tracker.network
    shipped = load_network("hs2s-lite")
    assert tuned.config == shipped.config
    changed = {k for k, v in tuned.state_dict().items() if not v.equal(shipped.state_dict()[k])}
    assert {key for key, _ in shipped.decoder.named_parameters(prefix="decoder")} <= changed
    assert not any(key.startswith(("trunk.stages.0.", "trunk.stages.1.")) for key in changed)


def test_the_preset_tiny_takes_steps_or_minutes(labeled):
    assert finetune(labeled, "gt", "by-steps", "tiny", steps=1).steps == 1
    assert finetune(labeled, "gt", "by-minutes", "tiny", minutes=0.001).steps == 1
    assert sorted(list_models()) == ["by-minutes", "by-steps"]


def test_settings_of_a_length():
    tiny = TrainingConfig.load("tiny")
    assert module._settings("tiny", None, None) == tiny
    assert module._settings("tiny", None, 7).steps == 7
    timed = module._settings("tiny", 1.5, None)
    assert timed.duration == 1.5 and timed.steps > 10**5
    paper = module._settings("hs2s-resnet50", None, 750)
    assert [stage.steps for stage in paper.stages] == [10] * 5 + [700]


def test_validation_is_scored_before_and_after_and_not_trained_on(
    labeled, config, video, tmp_path, monkeypatch
):
    other = tmp_path / "other.mp4"
    other.write_bytes(video.read_bytes())
    sample = prompted_sample(other, "gt")
    labeled.add_sample(sample)
    seen = []

    def scores(network, sequences):
        seen.append((network.state_dict()["decoder.segmentation_branch.weight"].clone(), sequences))
        return SimpleNamespace(JF=0.5 + len(seen) / 10)

    monkeypatch.setattr("fiftyone_hs2s.training.validation.validate", scores)

    trained = []
    original = material.read_material
    monkeypatch.setattr(
        material, "read_material", lambda samples, f: trained.append(samples) or original(samples, f)
    )
    result = finetune(labeled, "gt", "squares", config, validation=labeled.select(sample.id))
    assert (result.before.JF, result.after.JF) == (0.6, 0.7)
    assert str(result).endswith("validation J&F 60.0 to 70.0")
    (start, (sequence,)), (end, _) = seen
    assert sample.id in sequence.name and not start.equal(end)
    assert trained[0].values("filepath") == [str(video)]
    with pytest.raises(HS2SError, match="all samples are in the validation"):
        finetune(labeled, "gt", "more", config, validation=labeled)


def test_a_run_folder_is_kept_and_gone_on_with(labeled, config, tmp_path):
    class Stopped(BaseException):
        pass

    def stop(event):
        raise Stopped

    with pytest.raises(Stopped):
        finetune(labeled, "gt", "squares", config, run=tmp_path / "run", progress=stop)
    assert list_models() == {} and not any(models_folder().iterdir())
    checkpoint = tmp_path / "run/checkpoint.pt"
    state = torch.load(checkpoint, weights_only=True)
    torch.save({**state, "seconds": 600.0}, checkpoint)
    events = []
    result = finetune(labeled, "gt", "squares", config, run=tmp_path / "run", progress=events.append)
    assert [event.iteration for event in events] == [2]
    assert events[0].values["seconds"] > 600 and result.minutes > 10  # with what came before the stop
    assert result.steps == 2
    assert (tmp_path / "run/log.jsonl").parent.is_dir() and list_models()
    with pytest.raises(
        HS2SError, match=r"run is finished already: register its weights .*/run/weights.safetensors with"
    ):
        finetune(labeled, "gt", "others", config, run=tmp_path / "run")
    assert list(list_models()) == ["squares"]


@pytest.mark.parametrize("run", [None, "run"])
def test_a_model_that_cannot_be_registered_is_kept(labeled, config, tmp_path, monkeypatch, run):
    """The name is taken, or the disk full, by the time that the training is over."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = run and tmp_path / run

    def take(event):
        (models_folder() / "squares.safetensors").write_bytes(b"")

    with pytest.raises(HS2SError, match=r"already: .*; the trained weights are kept in ") as info:
        finetune(labeled, "gt", "squares", config, run=run, progress=take)
    weights = Path(str(info.value).rpartition(" kept in ")[2])
    assert load_network("hs2s-lite", weights)
    assert (weights.parent == run) == (run is not None)


def test_images_are_trained_on(dataset, tmp_path, config):
    import cv2
    import numpy as np

    image, mask = np.full((120, 160, 3), 90, np.uint8), np.zeros((120, 160), bool)
    mask[30:80, 40:100] = True
    image[mask] = (200, 30, 30)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    found = fo.Detections(detections=[detection(mask, label="box")])
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "a.png"), instances=found))
    assert finetune(dataset, "instances", "boxes", config, steps=1).steps == 1


def test_what_cannot_work_is_refused_before_any_training(labeled, config, monkeypatch):
    monkeypatch.setattr("fiftyone_hs2s.training.api.train", lambda *a, **k: pytest.fail("trained"))
    given = {"samples": labeled, "gt_field": "gt", "name": "a", "config": config}
    for options, message in (
        ({"name": "hs2s-lite"}, "is a built-in model"),
        ({"name": "a b"}, "cannot name a model"),
        ({"gt_field": "nothing"}, "has no Detections field 'nothing': choose one of gt"),
        ({"minutes": 1, "steps": 1}, "give one of them"),
        ({"steps": 0}, "above 0"),
        ({"minutes": -1}, "above 0"),
        ({"config": "fintune"}, "give a YAML file or one of .*finetune"),
        ({"samples": fo.Dataset()}, "is empty: add videos to it"),
        ({"validation": labeled}, "all samples are in the validation"),
    ):
        with pytest.raises(HS2SError, match=message):
            finetune(**{**given, **options})
    assert list_models() == {}
    models_folder().rmdir()
    models_folder().write_bytes(b"no folder")
    with pytest.raises(HS2SError, match="set HS2S_MODELS to another folder"):
        finetune(**given)


@pytest.fixture
def images(dataset, tmp_path):
    """Two sequences, a and b, of four images each; the files hold nothing."""
    for number in range(8):
        sample = fo.Sample(filepath=str(tmp_path / f"{number}.png"), name="ab"[number // 4], at=number)
        dataset.add_sample(sample)
    return dataset


def test_what_is_validated_on_is_not_trained_on(images, tmp_path):
    """Not the images of a group but for its first, nor the video that a clip is of."""
    held = images.match(fo.ViewField("at") >= 4).group_by("name", order_by="at")
    assert module._without(images, held).values("at") == [0, 1, 2, 3]
    rest = module._without(images.group_by("name", order_by="at"), held)
    assert [group.values("at") for group in rest.iter_dynamic_groups()] == [[0, 1, 2, 3]]
    part = images.match(fo.ViewField("at") == 6).group_by("name", order_by="at")
    assert module._without(images.group_by("name", order_by="at"), part).values("name") == ["a"]
    videos = fo.Dataset()
    videos.add_samples([fo.Sample(filepath=str(tmp_path / f"{n}.mp4")) for n in (0, 1)])
    for sample in videos:
        for number in range(1, 13):
            sample.frames[number] = fo.Frame()
        sample.save()
    clips = videos.to_clips([[(1, 4), (5, 8), (9, 12)]] * 2)
    first, second = videos.values("filepath")
    assert module._without(videos, clips[:1]).values("filepath") == [second]
    assert module._without(clips, videos[:1]).values("filepath") == [second] * 3
    held = videos[:1].to_clips([[(4, 6)]])
    rest = module._without(clips, held)  # of one video, but for shared frames
    assert list(zip(*rest.values(["filepath", "support"]), strict=True)) == [
        (first, [9, 12]),
        *((second, support) for support in ([1, 4], [5, 8], [9, 12])),
    ]
    videos.delete()


def test_a_validation_that_gives_no_score_is_refused(labeled, config, video, tmp_path, monkeypatch):
    monkeypatch.setattr("fiftyone_hs2s.training.api.train", lambda *a, **k: pytest.fail("trained"))
    other = tmp_path / "other.mp4"
    other.write_bytes(video.read_bytes())
    sparse = fo.Sample(filepath=str(other))
    for number in (3, 9):
        sparse.frames[number] = fo.Frame(gt=prompts(number))
    labeled.add_sample(sparse)
    with pytest.raises(HS2SError, match=f"nothing to score in sample {sparse.id}"):
        finetune(labeled, "gt", "a", config, validation=labeled.select(sparse.id))
    images = fo.Dataset()
    images.add_sample(fo.Sample(filepath=str(tmp_path / "a.png")))
    with pytest.raises(HS2SError, match=r"is of image samples: .*group_by\("):
        finetune(labeled, "gt", "a", config, validation=images)
    images.delete()


def test_a_taken_name_is_refused_unless_it_may_be_overwritten(labeled, config):
    first = finetune(labeled, "gt", "squares", config, steps=1).path.read_bytes()
    with pytest.raises(HS2SError, match="there is a model 'squares' already"):
        finetune(labeled, "gt", "squares", config)
    assert finetune(labeled, "gt", "squares", config, steps=2, overwrite=True).path.read_bytes() != first


def test_missing_packages_are_named(labeled, config, monkeypatch):
    find = packages.find_spec
    absent = ("accelerate", "tensorboard")
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name in absent else find(name))
    with pytest.raises(
        HS2SError, match="needs accelerate and tensorboard: run `pip install accelerate tensorboard`"
    ):
        finetune(labeled, "gt", "squares", config)
    with pytest.raises(HS2SError, match="needs accelerate and tensorboard"):
        presets()


def test_presets_are_those_that_start_from_the_shipped_weights():
    found = presets()
    assert list(found) == ["finetune", "tiny"]
    assert found["tiny"].startswith("A try that takes less than two minutes")


def test_fields_that_can_be_trained_on(labeled):
    check_training_field(labeled, "gt")
    check_training_field(labeled.limit(1), "frames.gt")
    grouped = fo.Dataset()
    grouped.add_group_field("group", default="left")
    sample = prompted_sample(labeled.first().filepath, "gt")
    sample["group"] = fo.Group().element("left")
    grouped.add_sample(sample)
    with pytest.raises(HS2SError, match="is grouped: choose one slice"):
        check_training_field(grouped, "gt")
    check_training_field(grouped.select_group_slices("left"), "gt")
    grouped.delete()
