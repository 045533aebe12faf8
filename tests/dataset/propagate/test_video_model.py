from __future__ import annotations

import logging
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
import torch
from fiftyone_kit import (
    T,
    assert_right,
    color_model,
    detection,
    found,
    iou,
    picture,
    prompts,
    truth,
    write_video,
)
from PIL import Image

from fiftyone_hs2s import HS2SError, load_model, propagate
from fiftyone_hs2s.dataset.labels import detection_mask


def apply(samples, model, **options):
    samples.apply_model(model, label_field="pred", **{"skip_failures": False, "progress": False, **options})


@pytest.mark.parametrize(
    ("direction", "numbers"),
    [("forward", range(4, T + 1)), ("backward", range(1, 5)), ("both", range(1, T + 1))],
)
def test_apply_model(dataset, sample, direction, numbers):
    model = color_model(direction=direction)
    apply(dataset, model, prompt_field="frames.gt")
    sample.reload()
    assert_right(found(sample), numbers)
    assert sample.metadata is None
    assert model.needs_fields == {}


def test_same_result_as_propagate(dataset, sample):
    model = color_model(direction="both", prompt_frames="all")
    apply(dataset, model, prompt_field="frames.gt")
    propagate(dataset, model, prompt_field="gt", label_field="streamed")
    sample.reload()
    for frame in sample.frames.values():
        for a, b in zip(frame.pred.detections, frame.streamed.detections, strict=True):
            assert (a.label, a.index, a.confidence, a.bounding_box) == (
                b.label,
                b.index,
                b.confidence,
                b.bounding_box,
            )
            np.testing.assert_array_equal(a.mask, b.mask)


def test_prompt_field_of_the_model_itself(dataset, sample):
    """The App's zoo operator calls ``apply_model()`` without a prompt field."""
    model = color_model(prompt_field="frames.gt")
    apply(dataset, model)
    sample.reload()
    assert_right(found(sample), range(4, T + 1))
    assert model.needs_fields == {"prompt_field": "frames.gt"}


def test_missing_prompt_field_is_named(dataset, sample):
    with pytest.raises(
        HS2SError, match=r'pass prompt_field="frames.<field>" to apply_model\(\) or load_model\(\)'
    ):
        apply(dataset, color_model())


def test_sample_without_masks_is_named(dataset, video):
    sample = fo.Sample(filepath=str(video))
    sample.frames[2]["gt"] = fo.Detections(detections=[fo.Detection(label="box", bounding_box=[0, 0, 1, 1])])
    dataset.add_sample(sample)
    with pytest.raises(
        HS2SError, match=f"sample {sample.id} .*, field 'gt': no frame has a mask, only boxes"
    ):
        apply(dataset, color_model(), prompt_field="frames.gt")


def test_clips(dataset, sample):
    clips = dataset.to_clips([[(3, 6)]])
    apply(clips, color_model(direction="both"), prompt_field="frames.gt")
    sample.reload()
    assert_right(found(sample), range(3, 7))


def test_video_that_breaks_off_is_tagged(dataset, broken_video):
    sample = fo.Sample(filepath=str(broken_video))
    sample.frames[1]["gt"] = prompts(1)
    dataset.add_sample(sample)
    apply(dataset, color_model(), prompt_field="frames.gt")
    sample.reload()
    assert sample.tags == ["incomplete"]
    assert 10 < len(found(sample)) < 50


def test_video_that_breaks_off_beyond_what_is_wanted_is_not_tagged(dataset, broken_video):
    sample = fo.Sample(filepath=str(broken_video))
    sample.frames[6]["gt"] = prompts(6)
    dataset.add_sample(sample)
    apply(dataset.to_clips([[(3, 6)]]), color_model(direction="backward"), prompt_field="frames.gt")
    sample.reload()
    assert sample.tags == []
    assert_right(found(sample), range(3, 7))


def test_output_on_disk(dataset, sample, tmp_path):
    apply(dataset, color_model(), prompt_field="frames.gt", output_dir=str(tmp_path))
    sample.reload()
    assert len(list(tmp_path.iterdir())) == 2 * (T - 3)
    assert_right(found(sample), range(4, T + 1))


def test_every_argument_of_apply_model(dataset, sample, tmp_path, monkeypatch, caplog):
    """One sample that works, in a folder of its own, and one that fails."""
    gone = fo.Sample(filepath=str(tmp_path / "gone.mp4"))
    gone.frames[4]["gt"] = prompts(4)
    dataset.add_sample(gone)
    seen = []
    options = {
        "confidence_thresh": 0.9,
        "classes": ["square 1"],
        "output_dir": str(tmp_path / "masks"),
        "rel_dir": str(Path(sample.filepath).parent.parent),
        "batch_size": 4,
        "num_workers": 2,
        "progress": lambda bar: seen.append(bar.iteration),
        "skip_failures": True,
    }
    with caplog.at_level(logging.WARNING):
        apply(dataset, color_model(), prompt_field="frames.gt", **options)
    sample.reload()
    assert_right(found(sample), range(4, T + 1), indices=[1])
    labels = [
        d for frame in sample.frames.values() for d in (frame["pred"].detections if frame["pred"] else ())
    ]
    assert {Path(d.mask_path).parent for d in labels} == {
        tmp_path / "masks" / Path(sample.filepath).parent.name
    }
    assert seen[-1] == 2
    assert f"Sample: {gone.id}" in caplog.text and "gone.mp4" in caplog.text
    with pytest.raises(Exception, match=r"gone\.mp4"):
        apply(dataset, color_model(), prompt_field="frames.gt", **{**options, "skip_failures": False})


@pytest.mark.parametrize(
    ("options", "indices"),
    [({"classes": ["square 0"]}, [0]), ({"classes": []}, []), ({"confidence_thresh": 1.1}, []), ({}, [0, 1])],
)
def test_labels_are_filtered_as_for_any_model(dataset, sample, options, indices):
    apply(dataset, color_model(), prompt_field="frames.gt", **options)
    sample.reload()
    assert {number: sorted(masks) for number, masks in found(sample).items()} == dict.fromkeys(
        range(4, T + 1), indices
    )


@pytest.fixture
def davis(dataset, tmp_path):
    """The remote zoo dataset voxel51/davis-2017 in its video format, small: 102 pixels wide, in a video of
    112.

    Indices start at 0, an object out of view has an empty box and no mask, one that a frame's PNG doesn't
    have isn't there at all.
    """
    wide, stretched = 102, 112
    frames = [picture(n + 1) for n in range(T)]
    frames = [np.pad(frame, ((0, 0), (0, wide - frame.shape[1]), (0, 0)), mode="edge") for frame in frames]
    columns = np.arange(stretched) * wide // stretched
    path = write_video(tmp_path / "squares.mp4", [frame[:, columns] for frame in frames])
    sample = fo.Sample(filepath=str(path), tags=["validation", "squares"])
    for number in range(1, T + 1):
        labels = []
        for index, mask in truth(number).items():
            name = {"label": f"squares {index}", "index": index}
            if number == 1 and index == 1:
                labels.append(fo.Detection(bounding_box=[0, 0, 0, 0], mask=None, **name))
            else:
                labels.append(detection(np.pad(mask, ((0, 0), (0, wide - mask.shape[1]))), **name))
        sample.frames[number]["ground_truth"] = fo.Detections(detections=labels[: 1 if number == 2 else 2])
    dataset.add_sample(sample)
    return dataset


@pytest.mark.parametrize("streaming", [False, True])
def test_davis_from_the_dataset_zoo(davis, streaming):
    if streaming:
        propagate(davis, color_model(), prompt_field="ground_truth", label_field="pred", skip_failures=False)
    else:
        apply(davis, color_model(), prompt_field="frames.ground_truth")
    sample = davis.first()
    for number, frame in sample.frames.items():
        assert [d.index for d in frame.pred.detections] == ([0] if number <= 2 else [0, 1])
        for a in frame.pred.detections:
            (b,) = [b for b in frame.ground_truth.detections if b.index == a.index]
            assert a.label == b.label
            size = (64, 112)
            assert iou(detection_mask(a, size), detection_mask(b, size)) > 0.8


def test_adapting_is_for_each_video_alone(dataset, sample, caplog):
    model = load_model(size=(64, 96), device="cpu", precision="float32", direction="both", adapt=1e-6)
    before = {key: value.clone() for key, value in model.tracker.network.state_dict().items()}
    with caplog.at_level(logging.INFO, "fiftyone_hs2s"):
        apply(dataset, model, prompt_field="frames.gt")
        report = propagate(dataset, model, prompt_field="gt", label_field="streamed")
    assert len(report.complete) == 1
    assert [text for text in caplog.messages if text.startswith("Adapting")] == [
        "Adapting to 2 objects, 1e-06 s"
    ] * 2
    for key, value in model.tracker.network.state_dict().items():
        assert torch.equal(value, before[key])
    sample.reload()
    plain = load_model(size=(64, 96), device="cpu", precision="float32", direction="both")
    propagate(dataset, plain, prompt_field="gt", label_field="plain")
    sample.reload()
    confidence = {
        field: sample.frames[9][field].detections[0].confidence for field in ("pred", "streamed", "plain")
    }
    assert confidence["pred"] == confidence["streamed"] != confidence["plain"]
    with pytest.raises(HS2SError, match="seconds from 0, not -3"):
        load_model(adapt=-3)


def test_adapting_to_a_group_of_images(dataset, tmp_path, caplog):
    for number in range(1, 5):
        path = tmp_path / f"{number}.png"
        Image.fromarray(picture(number)).save(path)
        masks = prompts(number) if number == 2 else None
        dataset.add_sample(fo.Sample(filepath=str(path), scene="a", number=number, gt=masks))
    model = load_model(size=(64, 96), device="cpu", precision="float32", adapt=1e-6)
    with caplog.at_level(logging.INFO, "fiftyone_hs2s"):
        report = propagate(
            dataset.group_by("scene", order_by="number"), model, prompt_field="gt", label_field="pred"
        )
    assert report.frames == 3
    assert "Adapting to 2 objects, 1e-06 s" in caplog.messages
