"""Labels that cannot be used cost their sample, with a sentence; the run goes on, and no traceback is
logged."""

from __future__ import annotations

import logging

import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import color_model, prompted_sample

from fiftyone_hs2s import evaluate_propagation, find_failures, propagate
from fiftyone_hs2s.dataset.train.training_data import read_videos
from fiftyone_hs2s.training.data.annotated_video import open_video
from fiftyone_hs2s.training.data.videos import VideoClips

ODD = {
    "huge box": ({"bounding_box": [1e9, 0, 0.5, 0.5]}, "is not relative"),
    "box of pixels": ({"bounding_box": [12, 8, 16, 16]}, "is not relative"),
    "NaN box": ({"bounding_box": [float("nan")] * 4}, "is not finite"),
    "short box": ({"bounding_box": [0.1, 0.1]}, "has 2 numbers"),
    "long box": ({"bounding_box": [0.1, 0.1, 0.2, 0.2, 0.9]}, "has 5 numbers"),
    "structured mask": ({"mask": np.ones((16, 16), [("a", "u1"), ("b", "f4")])}, "values of the type"),
    "datetime mask": ({"mask": np.ones((16, 16), "datetime64[s]")}, "values of the type datetime64"),
    "text mask": ({"mask": np.full((16, 16), "a")}, "values of the type <U1"),
    "missing mask file": ({"mask": None, "mask_path": "/nowhere/mask.png"}, "/nowhere/mask.png"),
}


@pytest.fixture
def odd(dataset, video):
    """A good sample, and one of each kind of odd labels on frame 2."""
    samples = [prompted_sample(video, "gt") for _ in range(len(ODD) + 1)]
    for sample, (values, _) in zip(samples, ODD.values(), strict=False):
        for name, value in values.items():
            sample.frames[2].gt.detections[0][name] = value
    for sample in samples:
        for frame in sample.frames.values():
            frame["pred"] = frame.gt.copy()
    dataset.add_samples(samples)
    return dataset


@pytest.fixture(autouse=True)
def no_traceback(caplog):
    with caplog.at_level(logging.DEBUG):
        yield
    assert not [record for record in caplog.records if record.exc_info]


def check(messages: dict[str, str], dataset: fo.Dataset) -> None:
    """Asserts that each odd sample has its own sentence, by its id."""
    ids = dataset.values("id")
    assert messages.keys() == set(ids[: len(ODD)])
    for sample_id, (_, expected) in zip(ids, ODD.values(), strict=False):
        message = messages[sample_id]
        assert expected in message and "frame 2" in message and "\n" not in message
        assert ": " in message, "what to do about it"


def test_propagation(odd):
    report = propagate(odd, color_model(), prompt_field="gt", label_field="out")
    assert len(report.complete) == 1
    check({name.split()[1]: message for name, message in report.failed.items()}, odd)


def test_apply_model(odd, caplog):
    odd.apply_model(color_model(), label_field="out", prompt_field="frames.gt", progress=False)
    assert odd.exists("frames.out").values("id") == odd.values("id")[-1:]
    failures = [r.getMessage() for r in caplog.records if r.name == "fiftyone.core.models"]
    check({m.split("\n")[0].removeprefix("Sample: "): m.split("\n")[1] for m in failures}, odd)


def test_evaluation(odd):
    results = evaluate_propagation(odd, "pred", "gt")
    assert {row["sample_id"] for row in results.objects} == {odd.last().id}
    check({problem["sample_id"]: problem["message"] for problem in results.problems}, odd)


def test_failures(odd):
    report = find_failures(odd, "pred", "gt")
    check({problem["sample_id"]: problem["message"] for problem in report.problems}, odd)


def test_training(odd, caplog):
    """Found when a clip is drawn: the video is left out then."""
    *bad, good = read_videos(odd, "gt")
    assert odd.last().id in good.name
    clips, rng = VideoClips([*bad, good]), np.random.default_rng(0)
    while np.count_nonzero(clips.weights) > 1:
        clips.sample(rng, 4, (64, 96))
    assert all(label_map.any() for _, label_map in open_video(good).truth())
    left_out = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Left out")]
    check({message.split()[3]: message for message in left_out}, odd)
