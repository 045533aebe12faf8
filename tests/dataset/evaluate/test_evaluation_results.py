from __future__ import annotations

import pytest
from evaluate_kit import evaluate


def test_labels_seen_in_training_and_others_apart(scored_dataset):
    results = evaluate(scored_dataset)
    good, bad = sorted(results.objects, key=lambda row: -row["J"])
    assert (good["label"], bad["label"]) == ("square 0", "square 1")
    splits = results.evaluation(seen=[bad["label"]]).splits
    found = [splits[name] for name in ("J_seen", "F_seen", "J_unseen", "F_unseen")]
    assert found == pytest.approx([bad["J"], bad["F"], good["J"], good["F"]])
    assert splits["G"] == pytest.approx(sum(found) / 4)
    assert results.evaluation().splits == {}


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
