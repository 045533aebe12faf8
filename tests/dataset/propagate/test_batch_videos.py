"""Several videos as one batch: the labels of one at a time, whatever becomes of one of them."""

from __future__ import annotations

import fiftyone as fo
import pytest
from color_network import ColorNetwork
from fiftyone_kit import H, T, W, assert_right, found, picture, prompted_sample, prompts, write_video
from joint_kit import wait_for_all
from propagate_kit import run

from fiftyone_hs2s import HS2SError, load_model
from fiftyone_hs2s.dataset.claims import any_claims
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
from fiftyone_hs2s.distributed import Ray
from fiftyone_hs2s.tracking import Tracker

OPTIONS = {"device": "cpu", "precision": "float32", "runtime": "torch"}


class Flawed(ColorNetwork):
    """Fails where a picture is nearly black; notes how many it is shown at once."""

    def step(self, image, state):
        if (image.joint.mean((1, 2, 3)) < 0.1).any():
            raise RuntimeError("it is dark")
        return super().step(image, state)


@pytest.fixture
def model():
    return HS2SVideoModel(Tracker(Flawed(others=False), size=(H, W), **OPTIONS))


@pytest.fixture
def samples(dataset, video, tmp_path):
    """Videos of two lengths, one without a prompt, one on which the network fails, one prompted late."""
    pictures = [picture(number + 1) for number in range(T)]
    short = write_video(tmp_path / "short.mp4", pictures[:5])
    dark = write_video(tmp_path / "dark.mp4", [*pictures[: T // 2], *(p // 20 for p in pictures[T // 2 :])])
    added = [fo.Sample(filepath=str(path)) for path in (video, short, video, dark, video, video)]
    for sample, number in zip(added, (1, 1, None, 1, 4, 1), strict=True):
        if number:
            sample.frames[number]["gt"] = prompts(number)
    dataset.add_samples(added)
    return dataset


def compare(samples, ours: str, theirs: str, least: float = 1.0):
    """The masks of both fields are alike."""
    for sample in samples:
        mine, its = found(sample, ours), found(sample, theirs)
        assert mine.keys() == its.keys()
        for number, masks in mine.items():
            assert masks.keys() == its[number].keys()
            for index, mask in masks.items():
                assert (mask == its[number][index]).mean() >= least


def test_three_at_once_do_what_one_does(samples, model, monkeypatch):
    wait_for_all(monkeypatch)
    one = run(samples, model, label_field="one", skip_failures=True)
    events = []
    three = run(
        samples, model, label_field="three", skip_failures=True, batch_videos=3, progress=events.append
    )
    assert str(one) == str(three) == "4 tracked, 2 failed"
    assert three.failed == one.failed
    assert "it is dark" in " ".join(three.failed.values())
    compare(samples, "three", "one")
    assert samples.values("three_status") == samples.values("one_status")
    assert 1 <= max(len(event.beside) for event in events) <= 2
    assert events[-1].complete
    shown = {shape[0] for shape in model.tracker.network.seen_sizes}
    assert max(shown) >= 2, "more than one picture went through the network at once"
    assert not any_claims(samples)
    again = run(samples, model, label_field="three", batch_videos=3, skip_failures=True)
    assert len(again.skipped) == 4 and again.failed.keys() == three.failed.keys()


def test_two_processes_of_two_videos_each(samples):
    model = load_model("hs2s-lite-video-torch", size=(64, 96), **OPTIONS)
    options = {"skip_failures": True, "batch_size": 3}
    run(samples, model, label_field="one", **options)
    report = run(samples, model, label_field="four", num_workers=2, batch_videos=2, **options)
    assert str(report) == "5 tracked, 1 failed"
    compare(samples, "four", "one", 0.995)


def test_a_break_ends_all_of_them(dataset, video, model):
    dataset.add_samples([prompted_sample(video, "gt") for _ in range(4)])

    def interrupt(event):
        if event.within and event.within.iteration == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(dataset, model, batch_videos=2, batch_size=2, progress=interrupt)
    assert not any_claims(dataset)
    assert set(dataset.values("pred_status")) <= {"started", "complete", None}
    run(dataset, model, batch_videos=2)
    assert set(dataset.values("pred_status")) == {"complete"}
    for sample in dataset:
        assert_right(found(sample), range(1, T + 1))


def test_without_skipping_the_first_failure_ends_the_run(samples, model):
    with pytest.raises(Exception, match=r"it is dark|no frame has a detection"):
        run(samples, model, batch_videos=4)
    assert not any_claims(samples)


def test_what_cannot_be_one_batch_is_refused(samples, model):
    with pytest.raises(HS2SError, match="at least one video must be tracked at a time, not batch_videos=0"):
        run(samples, model, batch_videos=0)
    with pytest.raises(HS2SError, match="leave it at 1 on a cluster"):
        run(samples, model, batch_videos=2, num_workers=Ray())
    pytest.importorskip("openvino", reason="needs the extra 'fast'")
    graphs = load_model("hs2s-lite-video-torch", **OPTIONS | {"runtime": "openvino"})
    with pytest.raises(HS2SError, match='load the model with runtime="torch", or leave batch_videos at 1'):
        run(samples, graphs, batch_videos=2)
    assert not samples.has_frame_field("pred")
