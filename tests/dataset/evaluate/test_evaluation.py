from __future__ import annotations

import logging
import subprocess

import fiftyone as fo
import numpy as np
import pytest
from evaluation_kit import labeled_sample, labels, predicted_labels, shifted, true_labels
from fiftyone import ViewField as F
from fiftyone_kit import H, T, W, detection, truth

from fiftyone_hs2s import HS2SError, analyze, evaluate_propagation, find_failures
from fiftyone_hs2s.dataset.evaluate.evaluation_backend import PropagationEvaluationConfig
from fiftyone_hs2s.metrics import boundary_f_measure, jaccard

J_LATE = 0.6  # two squares of 16 pixels, 4 apart: 12 columns of 20
F_LATE = boundary_f_measure(truth(9)[1], shifted(truth(9)[1], 4))
LATE, COUNTED = 5, 10  # of the frames 2..11, those from 7 on


def evaluate(samples, key="ev", **options):
    return evaluate_propagation(samples, "frames.pred", "frames.gt", key, **options)


def all_paths(dataset) -> set[str]:
    schemas = dataset.get_field_schema(flat=True), dataset.get_frame_field_schema(flat=True) or {}
    return {path for schema in schemas for path in schema}


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


def test_nothing_is_written_without_a_key(scored_dataset):
    before = all_paths(scored_dataset)
    results = evaluate(scored_dataset, key=None)
    assert pytest.approx((3 + J_LATE) / 4) == results.J
    assert all_paths(scored_dataset) == before
    assert not scored_dataset.list_evaluations()


def test_rename_reload_delete_leave_nothing_behind(scored_dataset):
    before = all_paths(scored_dataset)
    collections = scored_dataset._frame_collection, scored_dataset._sample_collection
    documents = [collection.find_one({}) for collection in collections]
    results = evaluate(scored_dataset)
    evaluated = all_paths(scored_dataset)
    assert scored_dataset.list_evaluations(type="detection", method="hs2s") == ["ev"]
    scored_dataset.rename_evaluation("ev", "renamed")
    assert all_paths(scored_dataset) == {
        path.replace("ev", "renamed", 1) if "ev" in path else path for path in evaluated
    }
    loaded = scored_dataset.load_evaluation_results("renamed", cache=False)
    assert loaded.objects == results.objects
    assert loaded.metrics()["J&F"] == results.JF
    assert loaded.report() == results.report()
    key = scored_dataset.first().id
    for old, new in zip(
        results.scores(key).objects.values(), loaded.scores(key).objects.values(), strict=True
    ):
        np.testing.assert_equal(vars(new), vars(old))
    scored_dataset.delete_evaluation("renamed")
    assert all_paths(scored_dataset) == before
    for old, collection in zip(documents, collections, strict=True):
        new = collection.find_one({"_id": old["_id"]})
        assert set(new) == set(old)
    new = scored_dataset._frame_collection.find_one({"_id": documents[0]["_id"]})
    assert set(new["pred"]["detections"][0]) == set(documents[0]["pred"]["detections"][0])


def test_evaluation_survives_the_loss_of_its_fields(scored_dataset):
    evaluate(scored_dataset)
    scored_dataset.delete_frame_field("pred")
    assert scored_dataset.load_evaluation_results("ev", cache=False).J < 1
    scored_dataset.delete_evaluation("ev")
    assert not [path for path in all_paths(scored_dataset) if "ev_" in path]


def test_second_run_replaces_the_first(scored_dataset):
    evaluate(scored_dataset)
    assert evaluate(scored_dataset, protocol="all").config.protocol == "all"
    assert scored_dataset.values("frames.ev_J")[0][0] == 1
    assert scored_dataset.get_evaluation_info("ev").config.protocol == "all"


def test_failed_second_run_keeps_the_first(scored_dataset, video):
    evaluate(scored_dataset)
    before = all_paths(scored_dataset)
    scored_dataset.add_sample(labeled_sample(video, pred=lambda number: None))
    with pytest.raises(HS2SError, match="nothing could be scored"):
        evaluate(scored_dataset.skip(1))
    assert scored_dataset.load_evaluation_results("ev", cache=False).J < 1
    assert all_paths(scored_dataset) == before


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


def test_identity_not_overlap_decides(dataset, video):
    def swapped(number: int) -> fo.Detections:
        masks = truth(number)
        return labels({0: masks[1], 1: masks[0]})

    dataset.add_sample(labeled_sample(video, pred=swapped))
    assert evaluate(dataset).J < 0.1


@pytest.mark.parametrize("kind", ["instance", "index", "label"])
def test_each_kind_of_identity(dataset, video, kind):
    instances = {0: fo.Instance(), 1: fo.Instance()}

    def identified(number: int, indices: dict[int, int], reverse: bool = False) -> fo.Detections:
        found = []
        for i, mask in truth(number).items():
            one = detection(mask, label=f"square {i}" if kind == "label" else "square")
            if kind != "label":
                one.index = indices[i]
            if kind == "instance":
                one.instance = instances[i]
            found.append(one)
        return fo.Detections(detections=found[::-1] if reverse else found)

    other = {0: 1, 1: 0} if kind == "instance" else {0: 0, 1: 1}  # the instance counts, whatever the index
    same = {0: 0, 1: 1}
    sample = labeled_sample(
        video, lambda n: identified(n, same), lambda n: identified(n, other, reverse=True)
    )
    dataset.add_sample(sample)
    results = evaluate(dataset)
    assert results.J == 1
    assert not results.problems


def test_indistinguishable_objects_are_refused(dataset, video):
    def bare(number: int) -> fo.Detections:
        return fo.Detections(detections=[detection(mask, label="square") for mask in truth(number).values()])

    dataset.add_sample(labeled_sample(video, bare, bare))
    with pytest.raises(HS2SError, match="frame 1 have only the label 'square': set their `index`"):
        evaluate(dataset)
    assert not dataset.list_evaluations()
    assert not [path for path in all_paths(dataset) if "ev" in path]


def test_samples_that_cannot_be_scored_are_named(scored_dataset, video, caplog):
    scored_dataset.add_sample(labeled_sample(video, pred=lambda number: None))
    with caplog.at_level(logging.WARNING):
        results = evaluate(scored_dataset)
    ids = scored_dataset.values("id")
    assert "no predictions in 'pred': propagate its masks first" in caplog.text
    assert [problem["sample_id"] for problem in results.problems] == ids[1:]
    assert scored_dataset.values("ev_JF") == [pytest.approx(results.JF), None]


def test_extra_and_unmatched_objects_are_noted(dataset, video):
    dataset.add_sample(labeled_sample(video, pred=lambda number: labels({7: truth(number)[0]})))
    results = evaluate(dataset)
    assert results.J == 0
    messages = " ".join(problem["message"] for problem in results.problems)
    assert "no predicted object has the instance, index or label of a true one" in messages
    assert "ignored" in messages


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


@pytest.mark.parametrize("clips", [False, True])
def test_worker_processes_find_the_same(scored_dataset, video, clips):
    scored_dataset.add_samples([labeled_sample(video, pred=lambda number: None), labeled_sample(video)])
    samples = scored_dataset.to_clips([[(1, 6), (7, 12)], [], [(2, 9)]]) if clips else scored_dataset
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
    assert len(results.objects) == (6 if clips else 4)
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


def test_labels_seen_in_training_and_others_apart(scored_dataset):
    results = evaluate(scored_dataset)
    good, bad = sorted(results.objects, key=lambda row: -row["J"])
    assert (good["label"], bad["label"]) == ("square 0", "square 1")
    splits = results.evaluation(seen=[bad["label"]]).splits
    found = [splits[name] for name in ("J_seen", "F_seen", "J_unseen", "F_unseen")]
    assert found == pytest.approx([bad["J"], bad["F"], good["J"], good["F"]])
    assert splits["G"] == pytest.approx(sum(found) / 4)
    assert results.evaluation().splits == {}


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


def test_fiftyones_own_entry_gives_the_same(scored_dataset):
    ours = evaluate(scored_dataset)
    theirs = scored_dataset.evaluate_detections(
        "frames.pred",
        "frames.gt",
        eval_key="theirs",
        method=PropagationEvaluationConfig,
        protocol="davis2017",
    )
    assert theirs.objects == ours.objects
    assert scored_dataset.values("theirs_tp") == scored_dataset.values("ev_tp")


def test_reports_and_plots(scored_dataset, capsys):
    results = evaluate(scored_dataset)
    report = results.report()
    assert report["J"] == pytest.approx({"mean": results.J, "recall": 1, "decay": 0.2})
    assert (report["objects"], report["samples"]) == (2, 1)
    assert report["square 0"]["precision"] == 1
    results.print_report()
    assert f"J&F {100 * results.JF:.1f}" in capsys.readouterr().out
    table = pytest.importorskip("pandas").DataFrame(results.objects)
    assert results.to_dataframe().equals(table)
    assert sum(results.plot_histogram().data[0].y) == 1
    curve = results.plot_over_time().data[0]
    assert list(curve.x) == list(range(7))  # ten frames at 10 per second, in steps of 1/6 s
    assert curve.y[0] == 1
    assert list(results.plot_worst_objects(1).data[0].x) == [results.objects[1]["JF"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("frames.nothing", "frames.gt", "ev"),
            "the prediction field 'frames.nothing' is no Detections field",
        ),
        (("frames.pred", "frames.nothing", "ev"), "ground truth field.*choose one of"),
        (("frames.pred", "pred", "ev"), "cannot be its own ground truth"),
        (("frames.pred", "frames.gt", "an evaluation"), "cannot name an evaluation"),
        (("frames.pred", "frames.gt", "ev", "davis"), "no protocol 'davis'; did you mean 'davis20"),
    ],
)
def test_bad_input(scored_dataset, arguments, message):
    with pytest.raises(HS2SError, match=message):
        evaluate_propagation(scored_dataset, *arguments)
    assert not scored_dataset.list_evaluations()


def test_names_have_the_index_once(dataset, video):
    def renamed(number):
        found = true_labels(number)
        for d in found.detections:
            d.label = "square" if d.index else "square 0"
        return found

    dataset.add_sample(labeled_sample(video, gt=renamed, pred=renamed))
    assert [row["name"] for row in evaluate(dataset).objects] == ["square 0", "square 1"]
