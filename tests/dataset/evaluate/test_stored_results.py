"""What an evaluation holds and stores."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from bson import ObjectId, json_util
from evaluate_kit import evaluate

from fiftyone_hs2s import HS2SError
from fiftyone_hs2s.dataset.evaluate.evaluation_tables import EvaluationTables
from fiftyone_hs2s.dataset.evaluate.stored_series import pack, unpack
from fiftyone_hs2s.metrics import SequenceScorer

EARLIER = Path(__file__).parent / "stored_results.json"
"""Results as they were stored before they were packed."""
LABELS = ("ytrue", "ypred", "confs", "ious", "ytrue_ids", "ypred_ids", "classes")


def stored(dataset) -> dict:
    file = dataset._doc.evaluations["ev"].results
    file.seek(0)
    return json.loads(file.read().decode())


def store(dataset, results: dict) -> None:
    document = dataset._doc.evaluations["ev"]
    document.results.delete()
    document.results.put(json.dumps(results).encode(), content_type="application/json")
    document.save()


def load(dataset):
    return dataset.load_evaluation_results("ev", cache=False)


def check(results, earlier: dict) -> None:
    """Whether results are those of the earlier ones' lists, in all their parts."""
    assert list(results.objects) == earlier["objects"]
    assert results.problems == earlier["problems"]
    for name in LABELS:
        assert list(getattr(results, name)) == earlier[name], name
    found = {(one.sequence, one.object_id): one for one in results.evaluation().results}
    for row in earlier["objects"]:
        one = found[row["key"], row["object"]]
        assert (one.J.mean, one.F.mean, len(one.frames)) == (row["J"], row["F"], row["frames"])
        assert results.names(row["key"])[row["object"]] == row["name"]
    for row in earlier["custom_metrics"].values():
        assert results.metrics()[row["key"]] == pytest.approx(row["value"], rel=1e-12)


def test_earlier_results_are_read_and_stored_anew(scored_dataset):
    evaluate(scored_dataset, protocol="all")
    earlier = json.loads(EARLIER.read_text())
    store(scored_dataset, earlier)
    results = load(scored_dataset)
    check(results, earlier)
    results.save()
    assert "tables" in stored(scored_dataset)
    again = load(scored_dataset)
    check(again, earlier)
    assert again.report() == results.report()
    assert again.series == results.series


def test_earlier_rows_that_lack_something_are_refused(scored_dataset):
    evaluate(scored_dataset, protocol="all")
    earlier = json.loads(EARLIER.read_text())
    del earlier["objects"][1]["JF"]
    store(scored_dataset, earlier)
    with pytest.raises(HS2SError, match="lack JF: run the evaluation again"):
        load(scored_dataset)


def test_labels_are_those_of_the_dataset(scored_dataset):
    results = evaluate(scored_dataset)
    again = load(scored_dataset)
    for name in LABELS:
        assert list(getattr(again, name)) == list(getattr(results, name)), name
    for field, ids in (("gt", results.ytrue_ids), ("pred", results.ypred_ids)):
        known = scored_dataset.values(f"frames.{field}.detections.id", unwind=True)
        assert set(filter(None, ids)) <= set(known)
    values = scored_dataset.values("frames.pred.detections.ev_iou", unwind=True)
    assert sorted(filter(None, results.ious)) == sorted(filter(None, values))


def scores(frames: int):
    rng = np.random.default_rng(0)
    scorer = SequenceScorer()
    for number in range(frames):
        truth, predicted = rng.integers(0, 3, (2, 6, 8)).astype(np.uint8)
        scorer.update(truth, predicted, frame=3 * number + 1, confidence={1: 0.7}, prompted={2})
    return scorer.finish()


@pytest.mark.parametrize("frames", [0, 1, 5])
def test_series_are_packed_exactly(frames):
    before = scores(frames)
    after = unpack(pack(before))
    assert list(after.objects) == list(before.objects)
    np.testing.assert_equal(after.frames, before.frames)
    for old, new in zip(before.objects.values(), after.objects.values(), strict=True):
        np.testing.assert_equal(vars(new), vars(old))
        assert {name: values.dtype for name, values in vars(new).items() if name in ("J", "truth_area")} == {
            "J": np.dtype(float),
            "truth_area": np.dtype("int64"),
        }


def test_rows_come_back_as_they_were():
    tables = EvaluationTables()
    matches = [
        ("cat", "cat", 0.25, None, str(ObjectId()), str(ObjectId())),
        ("dög", None, None, None, str(ObjectId()), None),
        (None, "cat", None, 0.5, None, str(ObjectId())),
    ]
    for match in matches:
        tables.add_match(match)
    row = json.loads(EARLIER.read_text())["objects"][0]
    rows = [row, {**row, "label": None, "matched": None}, {**row, "key": "a:1-2", "matched": "index 0"}]
    for one in rows:
        tables.add_object(one)
    tables.add_series("a:1-2", "a", {3: "näme"}, b"data")
    back = EvaluationTables.from_dict(json_util.loads(json_util.dumps(tables.to_dict())))
    assert list(back.match_rows()) == matches
    assert list(back.objects) == rows
    assert (back.objects[-1], back.objects[:2]) == (rows[-1], rows[:2])
    assert back.series == tables.series


def test_many_samples_take_little_memory_each():
    """Held and stored: samples of four frames with one object."""
    count, frames = 2000, 4
    series = scores(frames)
    row = json.loads(EARLIER.read_text())["objects"][0]
    rng = np.random.default_rng(0)
    tracemalloc.start()
    tables = EvaluationTables()
    for _ in range(count):
        key = str(ObjectId())
        for j in rng.random(frames):
            tables.add_match(("cat", "cat", float(j), 0.5, str(ObjectId()), str(ObjectId())))
        tables.add_object({**row, "sample_id": key, "key": key, "J": float(rng.random())})
        tables.add_series(key, key, {1: "cat 1"}, pack(series))
    held = tracemalloc.get_traced_memory()[0]
    size = len(json_util.dumps(tables.to_dict()).encode())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held / count < 1500
    assert size / count < 1000
    assert (most - held) / count < 4000
