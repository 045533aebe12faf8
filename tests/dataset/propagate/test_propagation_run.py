from __future__ import annotations

import logging
import re

import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import (
    H,
    T,
    W,
    assert_right,
    color_model,
    found,
    is_step,
    prompts,
)
from propagate_kit import run

from fiftyone_hs2s import HS2SError
from fiftyone_hs2s.progress import Progress


@pytest.mark.parametrize("batch_size", [1, 4, 200])
def test_progress_and_batches(dataset, sample, model, batch_size):
    events = []
    run(dataset, model, direction="both", batch_size=batch_size, progress=events.append)
    steps = T - 4 + 1 + 4  # forward from frame 4 and backward from it
    frames = [Progress(step, steps, "frame") for step in range(1, steps + 1)]
    assert [event._replace(elapsed_time=0) for event in events] == [
        Progress(0, 1),
        *(Progress(0, 1, within=frame) for frame in frames),
        Progress(1, 1),
    ]
    assert str(events[5]) == "Sample 1 of 1: 5 of 13 frames"
    sample.reload()
    assert_right(found(sample), range(1, T + 1))


def test_bar(dataset, sample, model, capsys):
    run(dataset, model, progress=True)
    assert re.search(r"100%\|.*\| 1 of 1 sample \[", capsys.readouterr().err)


def test_samples_that_fail_count_as_done(dataset, sample, video, model):
    dataset.add_sample(fo.Sample(filepath=str(video)))  # without a mask
    events = []
    assert str(run(dataset, model, progress=events.append, skip_failures=True)) == "1 tracked, 1 failed"
    assert [event.iteration for event in events if not event.within] == [0, 1, 2]
    assert all(event.total == 2 for event in events) and events[-1].complete


def test_finished_samples_are_passed_over(dataset, sample, model):
    run(dataset, model)
    events = []
    report = run(dataset, model, progress=events.append)
    assert not events
    assert len(report.skipped) == 1
    assert str(report) == "1 finished before"
    assert str(run(dataset, model, overwrite=True, direction="backward")) == "1 tracked"
    sample.reload()
    assert_right(found(sample), range(1, 5))


def test_interrupted_samples_are_done_again(dataset, sample, model):
    def interrupt(event: Progress) -> None:
        if is_step(event, 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(dataset, model, batch_size=2, progress=interrupt, direction="backward")
    sample.reload()
    assert sample.pred_status == "started"
    assert sorted(found(sample)) == [3, 4]
    assert str(run(dataset, model)) == "1 tracked"
    sample.reload()
    assert sample.pred_status == "complete"
    assert_right(found(sample), range(4, T + 1))


def test_labels_from_elsewhere_are_not_overwritten(dataset, sample, model):
    sample.frames[2]["pred"] = prompts(2, [1])
    sample.save()
    with pytest.raises(
        HS2SError, match="'pred' has labels that come from elsewhere: choose another label field"
    ):
        run(dataset, model)
    sample.reload()
    assert list(found(sample)) == [2]
    run(dataset, model, overwrite=True)
    sample.reload()
    assert_right(found(sample), range(4, T + 1))


def test_video_that_breaks_off_keeps_what_was_tracked(dataset, broken_video, model):
    sample = fo.Sample(filepath=str(broken_video))
    sample.frames[1]["gt"] = prompts(1)
    dataset.add_sample(sample)
    report = run(dataset, model, batch_size=7)
    sample.reload()
    assert sample.pred_status == "incomplete"
    assert 10 < len(found(sample)) < 50
    assert "ends early" in next(iter(report.incomplete.values()))
    assert str(run(dataset, model)) == "1 incomplete", "the video may have been mended since"


def test_video_that_breaks_off_beyond_what_is_wanted(dataset, broken_video, model):
    sample = fo.Sample(filepath=str(broken_video))
    sample.frames[4]["gt"] = prompts(4)
    dataset.add_sample(sample)
    assert str(run(dataset, model, direction="backward")) == "1 tracked"


@pytest.fixture
def mixed(dataset, video, tmp_path):
    """One good sample among bad ones."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    names = {
        "gone": tmp_path / "gone.mp4",
        "empty": tmp_path / "empty.mp4",
        "text": tmp_path / "text.mp4",
        "unprompted": video,
        "boxes": video,
        "rgb": video,
        "good": video,
    }
    for name, path in names.items():
        sample = fo.Sample(filepath=str(path), name=name)
        if name != "unprompted":
            sample.frames[4]["gt"] = prompts(4)
        if name == "boxes":
            for label in sample.frames[4].gt.detections:
                label.mask = None
        if name == "rgb":
            sample.frames[4].gt.detections[0].mask = np.ones((16, 16, 3), np.uint8)
        dataset.add_sample(sample)
    return dataset


def test_bad_samples_are_named_and_passed_over(mixed, model, caplog):
    with caplog.at_level(logging.WARNING):
        report = run(mixed, model, skip_failures=True)
    assert str(report) == "1 tracked, 6 failed"
    messages = dict(
        zip(["gone", "empty", "text", "unprompted", "boxes", "rgb"], report.failed.values(), strict=True)
    )
    assert "There is no video" in messages["gone"]
    assert "cannot be opened" in messages["empty"]
    assert "cannot be opened" in messages["text"]
    assert "field 'gt': no frame has a detection with mask pixels: mask each object" in messages["unprompted"]
    assert "field 'gt': no frame has a mask, only boxes or points: choose a mask maker" in messages["boxes"]
    assert "field 'gt': frame 4, its mask has shape (16, 16, 3): masks must be 2D" in messages["rgb"]
    for sample in mixed:
        good = sample["name"] == "good"
        assert sample.pred_status == ("complete" if good else f"failed: {messages[sample['name']]}")
        assert bool(found(sample)) is good
        assert (sample.id in caplog.text) is not good
    assert "Traceback" not in caplog.text


def test_first_failure_is_raised_on_demand(mixed, model):
    with pytest.raises(HS2SError, match="There is no video"):
        run(mixed, model)


def test_failure_leaves_nothing_half_written(dataset, sample, model, monkeypatch, caplog):
    def fail(event: Progress) -> None:
        if is_step(event, 7):
            raise RuntimeError("out of memory")

    report = run(dataset, model, batch_size=2, progress=fail, skip_failures=True)
    sample.reload()
    assert list(report.failed.values()) == ["RuntimeError: out of memory"]
    assert sample.pred_status == "failed: RuntimeError: out of memory"
    assert not found(sample)
    assert not dataset.has_frame_field("pred"), "nobody is offered a field without labels"
    assert "Traceback" in caplog.text


def test_a_reason_that_reads_like_a_state_is_a_reason(dataset, sample, model):
    def fail(event: Progress) -> None:
        if not event.complete:
            raise RuntimeError("3 samples left, complete")

    run(dataset, model, progress=fail, skip_failures=True)
    report = run(dataset, model)
    assert len(report.complete) == 1 and not report.skipped


def test_values_that_are_not_finite_fail_the_sample(dataset, sample, monkeypatch):
    model = color_model()
    monkeypatch.setattr(
        model.tracker.network,
        "step",
        lambda image, state: (image.joint[:, :1].expand(2, 1, H, W) * np.nan, state),
    )
    report = run(dataset, model, skip_failures=True)
    assert "not finite" in next(iter(report.failed.values()))
    sample.reload()
    assert not found(sample)
