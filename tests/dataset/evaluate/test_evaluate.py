from __future__ import annotations

import logging
import subprocess

import fiftyone as fo
import numpy as np
import pytest
from evaluate_kit import COUNTED, F_LATE, J_LATE, LATE, all_paths, evaluate
from evaluation_kit import labeled_sample, labels, predicted_labels, shifted, true_labels
from fiftyone import ViewField as F
from fiftyone_kit import H, T, W, truth

from fiftyone_hs2s import HS2SError, analyze, evaluate_propagation, find_failures
from fiftyone_hs2s.metrics import jaccard


def test_known_scores_are_found_and_written(scored_dataset):
    results = evaluate(scored_dataset)
    j, f = (1 + J_LATE) / 2, (1 + F_LATE) / 2
    first, second = results.objects
    assert (first["J"], first["F"], first["name"]) == (1, 1, "square 0")
    assert (second["J"], second["F"]) == (pytest.approx(j), pytest.approx(f))
    assert second["J_decay"] == pytest.approx(1 - J_LATE)
    assert (second["frames"], second["length"], second["occlusions"]) == (COUNTED, T, 0)
    assert pytest.approx((2 + j + f) / 4) == results.JF
    paths = ["ev_J", "ev_F", "ev_JF", "ev_tp", "ev_fp", "ev_fn"]
    values = scored_dataset.first()
    assert [values[path] for path in paths] == pytest.approx([(1 + j) / 2, (1 + f) / 2, results.JF, 20, 0, 0])
    frames = scored_dataset.values("frames.ev_J")[0]
    assert frames == [None, *[1] * 5, *[pytest.approx((1 + J_LATE) / 2)] * 5, None]


def test_labels_carry_the_values_of_their_object(scored_dataset):
    evaluate(scored_dataset, iou=0.7)
    frame = scored_dataset.first().frames[8]
    first, second = frame.pred.detections
    assert (first.ev, first.ev_iou, first.ev_JF, first.ev_id) == ("tp", 1, 1, frame.gt.detections[0].id)
    assert (second.ev, second.ev_iou, second.ev_id) == ("fp", pytest.approx(J_LATE), "")
    assert second.ev_F == pytest.approx(F_LATE)
    assert frame.gt.detections[1].ev == "fn"
    assert (frame.ev_tp, frame.ev_fp, frame.ev_fn) == (1, 1, 1)
    assert scored_dataset.first().ev_fn == LATE
    assert (
        scored_dataset.filter_labels("frames.pred", F("ev") == "fp").count("frames.pred.detections") == LATE
    )


def test_turned_videos(dataset, video, tmp_path):
    path = tmp_path / "turned.mp4"
    copy = ["-i", str(video), "-c", "copy", "-y"]
    # Since ffmpeg 6, before.
    for turn in (
        ["-display_rotation", "90", *copy],
        [*copy, "-metadata:s:v", "rotate=90"],
    ):
        if subprocess.run(["ffmpeg", "-v", "quiet", *turn, str(path)], check=False).returncode == 0:
            break
    mask = np.zeros((W, H), bool)
    mask[20:60, 8:24] = True
    sample = fo.Sample(filepath=str(path))
    for number in range(1, T + 1):
        sample.frames[number] = fo.Frame(gt=labels({1: mask}), pred=labels({1: mask}))
    dataset.add_sample(sample)
    assert evaluate(dataset).J == 1


def test_frames_without_truth_are_left_out(dataset, video):
    sparse = [1, 6, 11]
    dataset.add_sample(
        labeled_sample(video, gt=lambda number: true_labels(number) if number in sparse else None)
    )
    results = evaluate(dataset, protocol="youtube-vos")
    assert pytest.approx((1 + 1 + 1 + J_LATE) / 4) == results.J
    assert [k + 1 for k, value in enumerate(dataset.values("frames.ev_J")[0]) if value is not None] == [6, 11]


def test_absent_objects(dataset, video):
    def gone(number: int) -> fo.Detections:
        found = true_labels(number).detections
        absent = fo.Detection(label="square 1", index=1, bounding_box=[0, 0, 0, 0])
        return fo.Detections(detections=found if number < 5 else [found[0], absent])

    dataset.add_sample(labeled_sample(video, gt=gone))
    results = evaluate(dataset, protocol="all")
    second = results.objects[1]
    assert second["J"] == pytest.approx(4 / T)  # predicted where it is absent: 0
    assert (second["occlusions"], second["longest_occlusion"], second["length"]) == (1, T - 4, 4)
    assert dataset.first().ev_fp == T - 4


def test_samples_that_cannot_be_scored_are_named(scored_dataset, video, caplog):
    scored_dataset.add_sample(labeled_sample(video, pred=lambda number: None))
    with caplog.at_level(logging.WARNING):
        results = evaluate(scored_dataset)
    ids = scored_dataset.values("id")
    assert "no predictions in 'pred': propagate its masks first" in caplog.text
    assert [problem["sample_id"] for problem in results.problems] == ids[1:]
    assert scored_dataset.values("ev_JF") == [pytest.approx(results.JF), None]


def test_views_clips_and_single_samples(scored_dataset, video):
    scored_dataset.add_sample(labeled_sample(video))
    first, second = scored_dataset.values("id")
    evaluate(scored_dataset.select(second), "one")
    assert scored_dataset.values("one_J") == [None, pytest.approx((3 + J_LATE) / 4)]
    results = evaluate(scored_dataset.select(first).to_clips([[(1, 6), (7, 12)]]), "clips", protocol="all")
    assert [row["key"] for row in results.objects] == [f"{first}:1-6"] * 2 + [f"{first}:7-12"] * 2
    assert [row["J"] for row in results.objects] == pytest.approx([1, 1, 1, J_LATE])
    assert scored_dataset.values("clips_J")[0] == pytest.approx((3 + J_LATE) / 4)
    filtered = scored_dataset.filter_labels("frames.pred", F("index") == 1).filter_labels(
        "frames.gt", F("index") == 1
    )
    assert pytest.approx((1 + J_LATE) / 2) == evaluate(filtered, "filtered").J
    assert scored_dataset.match_frames((F("one_J") >= 0) & (F("one_J") < 0.9)).count("frames") == LATE


def test_one_sample_or_row_of_a_view(scored_dataset, video):
    scored_dataset.add_sample(labeled_sample(video))
    sample = scored_dataset.last()
    evaluate(sample, "one")
    assert scored_dataset.values("one_J") == [None, pytest.approx((3 + J_LATE) / 4)]
    assert scored_dataset.last().one_J == pytest.approx((3 + J_LATE) / 4)
    if fo.config.singleton_cache:
        assert sample.one_J == pytest.approx((3 + J_LATE) / 4)
    find_failures(sample, "pred", eval_key="one")
    assert [events is not None for events in scored_dataset.values("pred_events")] == [False, True]
    assert analyze(sample, eval_key="one").analysis.num_objects == 2
    clip = scored_dataset.to_clips([[(1, 6)], [(7, 12)]]).last()
    assert {row["key"] for row in evaluate(clip, None, protocol="all").objects} == {f"{sample.id}:7-12"}
    with pytest.raises(HS2SError, match="belongs to no dataset"):
        evaluate(fo.Sample(filepath="alone.mp4"), "one")


@pytest.mark.slow
def test_worker_processes_find_the_same(scored_dataset, video):
    scored_dataset.add_samples([labeled_sample(video, pred=lambda number: None), labeled_sample(video)])
    samples = scored_dataset.to_clips([[(1, 6), (7, 12)], [], [(2, 9)]])
    bars: list[int] = []
    alone = evaluate(samples, "alone", protocol="all")
    paths = (
        "alone_J",
        "frames.alone_F",
        "frames.pred.detections.alone_id",
        "frames.gt.detections.alone",
        "alone_fp",
    )
    results = evaluate(
        samples, "both", protocol="all", num_workers=2, progress=lambda bar: bars.append(bar.iteration)
    )
    assert (results.objects, results.problems) == (alone.objects, alone.problems)
    assert len(results.objects) == 6
    assert results.series == alone.series
    assert scored_dataset.values([path.replace("alone", "both") for path in paths]) == scored_dataset.values(
        [*paths]
    )
    assert bars == [0, 1, 2, 3]


def test_davis2016_takes_all_objects_as_one(scored_dataset):
    results = evaluate(scored_dataset, protocol="davis2016")
    (row,) = results.objects
    masks = truth(9)
    joint = jaccard(masks[0] | masks[1], masks[0] | shifted(masks[1], 4))
    assert row["J"] == pytest.approx((1 + joint) / 2)
    assert scored_dataset.first().frames[9].pred.detections[0].ev_iou == pytest.approx(joint)


def test_groups_of_images(dataset, tmp_path):
    samples = []
    for number in range(1, T + 1):
        sample = fo.Sample(filepath=str(tmp_path / f"{number}.png"), sequence="a", number=number)
        sample.metadata = fo.ImageMetadata(width=W, height=H)
        sample["gt"], sample["pred"] = true_labels(number), predicted_labels(number)
        samples.append(sample)
    dataset.add_samples(samples[::-1])
    groups = dataset.group_by("sequence", order_by="number")
    before = all_paths(dataset)
    results = evaluate_propagation(groups, "pred", "gt", "ev")
    assert pytest.approx((3 + J_LATE) / 4) == results.J
    assert dataset.sort_by("number").values("ev_J")[5:8] == [1, *[pytest.approx((1 + J_LATE) / 2)] * 2]
    dataset.delete_evaluation("ev")
    assert all_paths(dataset) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("frames.nothing", "frames.gt", "ev"),
            "the prediction field 'frames.nothing' is not a Detections field",
        ),
        (("frames.pred", "frames.nothing", "ev"), "ground truth field.*choose one of"),
        (("frames.pred", "pred", "ev"), "cannot be its own ground truth"),
        (("frames.pred", "frames.gt", "an evaluation"), "cannot name an evaluation"),
        (("frames.pred", "frames.gt", "ev", "davis"), "protocol='davis' is unknown: did you mean 'davis20"),
    ],
)
def test_bad_input(scored_dataset, arguments, message):
    with pytest.raises(HS2SError, match=message):
        evaluate_propagation(scored_dataset, *arguments)
    assert not scored_dataset.list_evaluations()
