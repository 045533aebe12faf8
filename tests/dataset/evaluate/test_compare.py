from __future__ import annotations

from pathlib import Path

import fiftyone as fo
import pytest
from evaluation_kit import labeled_sample, labels, predicted_labels, shifted, true_labels
from fiftyone_kit import T, truth

from fiftyone_hs2s import HS2SError, compare_evaluations, evaluate_propagation


def test_comparison_is_on_shared_objects(scored_dataset, video, capsys):
    scored_dataset.add_sample(labeled_sample(video))
    evaluate_propagation(scored_dataset, "pred", "gt", "everything")
    evaluate_propagation(scored_dataset.limit(1), "pred", "gt", "first")
    comparison = compare_evaluations(scored_dataset, ["everything", "first"], paper=True)
    everything, first, *paper = comparison.rows
    assert everything["JF"] == first["JF"]
    assert (everything["objects"], everything["of"], first["of"]) == (2, 4, 2)
    assert paper[-1] == {"name": "HS2S (paper)", "J": 0.661, "F": 0.717, "JF": 0.689}
    (note,) = comparison.notes
    assert (
        note
        == "not all evaluations scored the same objects (everything 4, first 2): compared on the 2 that all"
        " scored"
    )
    comparison.print()
    own, printed_paper = capsys.readouterr().out.split("reported in the HS2S paper, on other data")
    assert "everything" in own and note in own and "(paper)" not in own
    assert len({len(line.split()) for line in printed_paper.splitlines()[3:]}) == 1, "no column is blank"
    assert [trace.name for trace in comparison.plot().data] == ["J", "F", "JF"]
    evaluate_propagation(scored_dataset, "pred", "gt", "third", protocol="all")
    with pytest.raises(HS2SError, match="different protocol cannot be compared"):
        compare_evaluations(scored_dataset)


def test_comparison_is_on_shared_frames(scored_dataset):
    """The second run has a correction on frame 9, where the first one is at its worst: it tells nothing of
    either."""
    evaluate_propagation(scored_dataset, "pred", "gt", "before")
    corrected = [predicted_labels(n) if n != 9 else true_labels(n) for n in range(1, T + 1)]
    corrected[8].detections[1]["keyframe"] = True
    scored_dataset.set_values("frames.corrected", [corrected])
    evaluate_propagation(scored_dataset, "corrected", "gt", "after")
    before, after = compare_evaluations(scored_dataset, ["before", "after"]).rows
    results = {key: scored_dataset.load_evaluation_results(key) for key in ("before", "after")}
    assert results["after"].JF > results["before"].JF + 0.01  # what the two say apart
    assert after["change"] == pytest.approx(0)
    assert before["J"] == pytest.approx((1 + (5 + 4 * 0.6) / 9) / 2)
    (note,) = compare_evaluations(scored_dataset, ["before", "after"]).notes
    assert note == "1 frame is left out that not all evaluations scored, such as prompts"


def moved(*pixels: int) -> list[fo.Detections]:
    """The squares on all frames, each so many pixels too far left."""
    return [labels({i: shifted(truth(n)[i], pixels[i]) for i in range(2)}) for n in range(1, T + 1)]


@pytest.fixture
def two_runs(dataset, video, tmp_path) -> fo.Dataset:
    """Three samples and two runs: the second is worse on ``b``, on ``c`` one object gained what the other
    one lost, and on ``a`` it is better."""
    shifts = {"a": ((0, 8), (0, 0)), "b": ((0, 0), (4, 0)), "c": ((4, 0), (0, 4))}
    for name, pixels in shifts.items():
        path = tmp_path / f"{name}.mp4"
        path.symlink_to(video)
        sample = labeled_sample(path)
        for frame, one, two in zip(sample.frames.values(), *(moved(*p) for p in pixels), strict=True):
            frame["one"], frame["two"] = one, two
        dataset.add_sample(sample)
    for field in ("one", "two"):
        evaluate_propagation(dataset, field, "gt", f"{field}_eval")
    return dataset


def test_by_sample_and_by_object(two_runs, capsys):
    found = compare_evaluations(two_runs, ["one_eval", "two_eval"], by="sample")
    scores = {key: two_runs.values(f"{key}_JF") for key in ("one_eval", "two_eval")}
    rows = {row["sample"]: row for row in found.tables["sample"]}
    assert [row["sample"] for row in found.tables["sample"]] == ["b.mp4", "c.mp4", "a.mp4"]
    for k, name in enumerate("abc"):
        row = rows[f"{name}.mp4"]
        assert row["sample_id"] == two_runs.values("id")[k]
        assert row["change"] == pytest.approx(scores["two_eval"][k] - scores["one_eval"][k])
        assert [row["one_eval_JF"], row["two_eval_JF"]] == pytest.approx([v[k] for v in scores.values()])
    assert list(found.to_dataframe()["sample"]) == ["b.mp4", "c.mp4", "a.mp4"]
    found.print()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-3:]] == [
        "b.mp4",
        "c.mp4",
        "a.mp4",
    ]

    by_object = compare_evaluations(two_runs, ["one_eval", "two_eval"], by="object").to_dataframe()
    names = list(zip(by_object["sample"], by_object["object"], strict=True))
    assert sorted(names[:2]) == [("b.mp4", "square 0"), ("c.mp4", "square 1")]
    assert names[-2:] == [("c.mp4", "square 0"), ("a.mp4", "square 1")]
    assert by_object["change"].mean() == pytest.approx(found.rows[1]["change"])


def test_views_of_what_got_worse_and_better(two_runs):
    found = compare_evaluations(two_runs, ["one_eval", "two_eval"])

    def names(view):
        return [Path(path).stem for path in view.values("filepath")]

    assert names(found.worse(margin=0.01)) == ["b"]
    assert names(found.better(margin=0.01)) == ["a"]
    assert names(found.worse(margin=0.5)) == []
    assert names(found.worse())[0] == "b" and names(found.better())[0] == "a"
    assert names(compare_evaluations(two_runs, ["two_eval", "one_eval"]).worse(margin=0.01)) == ["a"]
    part = compare_evaluations(two_runs.limit(1), ["one_eval", "two_eval"])
    assert names(part.worse(margin=0.01)) == ["b"], "evaluations are of the whole dataset"


def test_views_of_image_groups(dataset):
    for group in "xy":
        for number in range(1, 4):
            sample = fo.Sample(filepath=f"/{group}{number}.png", group=group, number=number)
            sample.metadata = fo.ImageMetadata(width=96, height=64)
            sample["gt"] = true_labels(number)
            sample["one"] = true_labels(number)
            sample["two"] = labels({i: shifted(truth(number)[i], 4 * (group == "y")) for i in range(2)})
            dataset.add_sample(sample)
    groups = dataset.group_by("group", order_by="number")
    for field in ("one", "two"):
        evaluate_propagation(groups, field, "gt", f"{field}_eval")
    worse = compare_evaluations(groups, ["one_eval", "two_eval"]).worse()
    assert [group.values("filepath") for group in worse.iter_dynamic_groups()] == [
        ["/y1.png", "/y2.png", "/y3.png"]
    ]


def test_unknown_rows_are_refused(two_runs):
    with pytest.raises(HS2SError, match="by='frame' is unknown: choose one of sample, object"):
        compare_evaluations(two_runs, by="frame")


def test_numbers_of_true_objects_do_not_depend_on_the_prediction(dataset, video):
    """Truth has instances, and objects in another order than by index; not all predictions share the
    instances."""
    instances = {0: fo.Instance(), 1: fo.Instance()}

    def named(number, masks, instance=True):
        found = labels(masks)
        found.detections.reverse()
        for d in found.detections if instance else ():
            d.instance = instances[d.index]
        return found

    sample = labeled_sample(video)
    for number, frame in sample.frames.items():
        frame["gt"], frame["pred"] = (named(number, truth(number)) for _ in range(2))
        frame["bare"] = named(number, {0: truth(number)[0], 1: shifted(truth(number)[1], 4)}, instance=False)
    dataset.add_sample(sample)
    for field in ("pred", "bare"):
        results = evaluate_propagation(dataset, field, "gt", f"{field}_eval")
        assert [row["name"] for row in results.objects] == ["square 0", "square 1"]
    assert compare_evaluations(dataset, ["pred_eval", "bare_eval"]).rows[1]["change"] == pytest.approx(
        results.JF - 1
    )
