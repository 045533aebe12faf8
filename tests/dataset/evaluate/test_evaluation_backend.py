from __future__ import annotations

import numpy as np
import pytest
from evaluate_kit import J_LATE, all_paths, evaluate
from evaluation_kit import labeled_sample

from fiftyone_hs2s import HS2SError
from fiftyone_hs2s.dataset.evaluate.evaluation_backend import PropagationEvaluationConfig


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
