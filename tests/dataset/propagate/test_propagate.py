from __future__ import annotations

import logging
import re

import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from fiftyone_kit import (
    H,
    T,
    W,
    assert_right,
    color_model,
    detection,
    found,
    iou,
    is_step,
    picture,
    prompted_sample,
    prompts,
    truth,
)
from PIL import Image

from fiftyone_hs2s import HS2SError, analyze, evaluate_propagation, find_failures, propagate
from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.progress import Progress


@pytest.fixture(scope="module")
def model():
    return color_model()


def run(samples, model, **options):
    options = {"prompt_field": "frames.gt", "label_field": "pred", "skip_failures": False, **options}
    return propagate(samples, model, **options)


@pytest.mark.parametrize(
    ("direction", "numbers"),
    [("forward", range(4, T + 1)), ("backward", range(1, 5)), ("both", range(1, T + 1))],
)
def test_masks_reach_all_frames_of_the_direction(dataset, sample, model, direction, numbers):
    report = run(dataset, model, direction=direction)
    sample.reload()
    results = found(sample)
    assert_right(results, numbers)
    for index, mask in truth(4).items():
        np.testing.assert_array_equal(results[4][index], mask)
    assert sample.pred_status == "complete"
    assert report.frames == len(numbers)
    assert str(report) == "1 tracked"
    assert sample.metadata is None


def test_identity_is_kept(dataset, sample, model):
    instance = fo.Instance()
    sample.frames[4].gt.detections[1].instance = instance
    sample.save()
    ids = {d.id for d in sample.frames[4].gt.detections}
    run(dataset, model)
    sample.reload()
    for number in range(4, T + 1):
        first, second = sample.frames[number].pred.detections
        assert (first.label, first.index, first.instance_id) == ("square 0", 0, None)
        assert (second.label, second.index, second.instance_id) == ("square 1", 1, instance.id)
        assert not ids & {first.id, second.id}
        assert 0 < first.confidence <= 1
    assert sample.frames[4].pred.detections[0].confidence == 1


@pytest.mark.parametrize(
    ("mode", "given"), [("first", {2: [0], 5: [1]}), ("all", {2: [0], 5: [0, 1], 9: [1]})]
)
@pytest.mark.parametrize("direction", ["forward", "both"])
def test_masks_that_were_given_say_so(dataset, video, model, mode, given, direction):
    sample = fo.Sample(filepath=str(video))
    for number, indices in {2: [0], 5: [0, 1], 9: [1]}.items():
        sample.frames[number]["gt"] = prompts(number, indices)
    dataset.add_sample(sample)
    run(dataset, model, prompt_frames=mode, direction=direction)
    marked = dataset.filter_labels("frames.pred", F("keyframe") == True)  # noqa: E712
    frames = {number: frame.pred for number, frame in marked.first().frames.items() if frame.pred}
    assert {
        number: [d.index for d in labels.detections] for number, labels in frames.items() if labels.detections
    } == given


def test_corrections_are_left_out_of_the_scores(dataset, video, model):
    """With ``all`` frame 6 is a correction of both squares; with ``first`` its masks are not used."""
    sample = prompted_sample(video, "gt")
    for number in (1, 6):
        sample.frames[number]["start"] = prompts(number)
    dataset.add_sample(sample)
    for mode, counted in (("first", range(2, T)), ("all", [n for n in range(2, T) if n != 6])):
        run(dataset, model, prompt_field="start", label_field=mode, prompt_frames=mode)
        results = evaluate_propagation(dataset, mode, "gt", f"{mode}_eval")
        assert [row["frames"] for row in results.objects] == [len(counted)] * 2
        assert [row["prompts"] for row in results.objects] == [int(mode == "all")] * 2
        scored = [
            n for n, value in enumerate(dataset.values(f"frames.{mode}_eval_JF")[0], 1) if value is not None
        ]
        assert scored == list(counted)
    assert results.prompts_note == "2 masks that were prompts left out of the scores"
    everything = evaluate_propagation(dataset, "all", "gt", protocol="all")
    assert [row["frames"] for row in everything.objects] == [T, T]
    assert "4 masks that were prompts counted as if tracked" in everything.prompts_note
    run(dataset, model, label_field="copied", prompt_frames="all")
    with pytest.raises(
        HS2SError, match="nothing could be scored: objects 1, 2 with no frame that counts but those whose"
    ):
        evaluate_propagation(dataset, "copied", "gt")


def test_object_that_appears_later(dataset, sample, model):
    sample.frames[4]["gt"] = prompts(4, [0])
    sample.frames[7]["gt"] = prompts(7)
    sample.save()
    run(dataset, model, direction="forward")
    sample.reload()
    assert {n: sorted(masks) for n, masks in found(sample).items()} == {
        n: [0, 1] if n >= 7 else [0] for n in range(4, T + 1)
    }
    run(dataset, model, label_field="back", direction="backward")
    sample.reload()
    assert_right(found(sample, "back"), range(1, 8))


@pytest.mark.parametrize(("mode", "anchored"), [("first", False), ("all", True)])
def test_all_prompts_anchor_again(dataset, sample, model, mode, anchored):
    other = np.zeros((H, W), bool)
    other[50:60, 2:30] = True
    sample.frames[9]["gt"] = fo.Detections(detections=[detection(other, label="square 0", index=0)])
    sample.save()
    run(dataset, model, prompt_frames=mode)
    sample.reload()
    assert bool(iou(found(sample)[9][0], other) == 1) is anchored


def test_prefix_makes_no_difference(dataset, sample, model):
    run(dataset, model, prompt_field="gt", label_field="frames.pred")
    sample.reload()
    assert_right(found(sample), range(4, T + 1))
    assert "pred" in dataset.get_frame_field_schema()
    assert not any(name.startswith("frames") and name != "frames" for name in dataset.get_field_schema())


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
    assert "breaks off" in next(iter(report.incomplete.values()))
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


def test_clips(dataset, sample, model):
    sample.frames[9]["gt"] = prompts(9)
    sample.save()
    clips = dataset.to_clips([[(3, 6), (8, 10)]])
    report = run(clips, model, direction="both")
    sample.reload()
    assert_right(found(sample), [3, 4, 5, 6, 8, 9, 10])
    assert sample.pred_status == "complete 3-6, complete 8-10"
    assert len(report.complete) == 2
    assert len(run(clips, model).skipped) == 2
    assert str(run(dataset, model, overwrite=True)) == "1 tracked"
    assert len(run(clips, model).skipped) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whole_video_is_unfinished_once_a_clip_lost_its_labels(dataset, sample, model, error):
    def interrupt(event: Progress) -> None:
        if event.within:
            raise error

    run(dataset, model, direction="both")
    clips = dataset.to_clips([[(3, 6)]])
    with pytest.raises(error):
        run(clips, model, overwrite=True, progress=interrupt)
    assert len(run(dataset.to_clips([[(8, 10)]]), model).skipped) == 1
    assert str(run(dataset, model, direction="both")) == "1 tracked"
    sample.reload()
    assert_right(found(sample), range(1, T + 1))


@pytest.mark.parametrize("then", [lambda d: d, lambda d: d.to_clips([[(4, 9)]])])
def test_labels_of_a_clip_do_not_come_from_elsewhere(dataset, sample, model, then):
    run(dataset.to_clips([[(1, 6)]]), model)
    assert str(run(then(dataset), model)) == "1 tracked"


def test_results_that_are_gone_are_made_again(dataset, sample, model):
    run(dataset, model)
    dataset.delete_frame_field("pred")
    assert str(run(dataset, model)) == "1 tracked"
    sample.reload()
    assert_right(found(sample), range(4, T + 1))


def test_slices_of_grouped_datasets(dataset, video, model):
    dataset.add_group_field("group", default="left")
    group = fo.Group()
    samples = [fo.Sample(filepath=str(video), group=group.element(name)) for name in ("left", "right")]
    for sample in samples:
        sample.frames[4] = fo.Frame(gt=prompts(4))
    dataset.add_samples(samples)
    right = dataset.select_group_slices("right")
    assert str(run(right, model)) == "1 tracked"
    assert len(run(dataset.select_group_slices(["left", "right"]), model).skipped) == 1
    evaluate_propagation(right, "pred", "gt", "ev", protocol="all")
    assert right.values("ev_J") == [1]
    find_failures(right, "pred", "gt", save_views=True)
    assert [len(events.detections) for events in right.values("pred_events")] == [0]
    assert analyze(right, "pred", "gt", protocol="all").analysis.num_objects == 2


def test_overlapping_clips_are_refused(dataset, sample, model):
    with pytest.raises(HS2SError, match=r"frames 3-6 and 5-9 of .* overlap"):
        run(dataset.to_clips([[(3, 6), (5, 9)]]), model)


def test_filters_of_a_view_hold_for_the_prompts(dataset, sample, model):
    run(dataset.filter_labels("frames.gt", F("label") == "square 1"), model)
    sample.reload()
    assert_right(found(sample), range(4, T + 1), [1])


@pytest.fixture
def image_groups(dataset, tmp_path):
    """The remote zoo dataset voxel51/davis-2017 in its image format."""
    for name in ("cat", "dog"):
        for number in np.random.default_rng(0).permutation(T) + 1:
            path = tmp_path / name / f"{number:05d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(picture(number)).save(path)
            dataset.add_sample(
                fo.Sample(
                    filepath=str(path),
                    sequence_id=name,
                    frame_number=f"{number:05d}",
                    ground_truth=prompts(number) if number == 4 else None,
                )
            )
    return dataset.group_by("sequence_id", order_by="frame_number")


def test_images_in_groups(image_groups, dataset, model):
    report = propagate(image_groups, model, prompt_field="ground_truth", label_field="pred", direction="both")
    assert len(report.complete) == 2
    for group in image_groups.iter_dynamic_groups():
        results = {
            int(s.frame_number): {d.index: detection_mask(d, (H, W)) for d in s.pred.detections}
            for s in group
        }
        assert_right(results, range(1, T + 1))
    assert dataset.distinct("pred_status") == ["complete"]
    assert len(propagate(image_groups, model, prompt_field="ground_truth", label_field="pred").skipped) == 2


def test_groups_with_images_that_were_added_later_are_done_again(image_groups, dataset, model):
    fields = {"prompt_field": "ground_truth", "label_field": "pred"}
    early = dataset.match(F("frame_number") < "00007").group_by("sequence_id", order_by="frame_number")
    propagate(early, model, direction="both", **fields)
    assert len(propagate(image_groups, model, direction="both", **fields).complete) == 2
    assert dataset.count("pred") == 2 * T


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("gone", "pred"), "prompt field 'gone' of the dataset .* does not exist: choose one of gt"),
        (("frames.note", "pred"), "'note' .* holds nothing to start from"),
        (("gt", "note"), "'note' holds other values than Detections"),
        (("gt", "a.b"), "'a.b' cannot be a field name"),
        (("gt", "taken"), "'taken_status' is in use"),
    ],
)
def test_fields_that_cannot_work(dataset, sample, model, fields, message):
    dataset.add_frame_field("note", fo.StringField)
    dataset.add_sample_field("taken_status", fo.IntField)
    with pytest.raises(HS2SError, match=message):
        run(dataset, model, prompt_field=fields[0], label_field=fields[1], skip_failures=True)


def test_no_field_at_all(dataset, video, model):
    dataset.add_sample(fo.Sample(filepath=str(video)))
    with pytest.raises(HS2SError, match="does not exist: add masks of the objects to its frames"):
        run(dataset, model)


def test_datasets_that_cannot_work(dataset, model, tmp_path):
    with pytest.raises(HS2SError, match="is empty: add videos to it"):
        run(dataset, model)
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "image.png")))
    with pytest.raises(HS2SError, match=r"holds image samples: .* dataset.group_by\("):
        run(dataset, model)


def test_views_that_cannot_work(dataset, sample, model):
    with pytest.raises(HS2SError, match=r"use them without group_by\(\)"):
        run(dataset.group_by("filepath"), model)
    with pytest.raises(HS2SError, match=r"shows their frames one by one: use '.*' itself"):
        run(dataset.to_frames(), model)


@pytest.mark.parametrize("option", [{"direction": "sideways"}, {"prompt_frames": "some"}])
def test_options_that_are_unknown(dataset, sample, model, option):
    with pytest.raises(HS2SError, match="is unknown: choose one of"):
        run(dataset, model, **option)
