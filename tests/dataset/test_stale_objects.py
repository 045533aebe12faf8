"""A dataset's object that does not know the fields which another process has added since it was loaded."""

from __future__ import annotations

import fiftyone as fo
import pytest
from fiftyone_kit import T, assert_right, color_model, found

from fiftyone_hs2s import (
    analyze,
    evaluate_propagation,
    export_tracks,
    find_failures,
    propagate,
    to_segmentations,
)


@pytest.fixture
def stale(scored_dataset, monkeypatch) -> fo.Dataset:
    monkeypatch.setattr(fo.config, "singleton_cache", False)  # as in the App's server
    stale = fo.load_dataset(scored_dataset.name)
    scored_dataset.set_values("of_sample", [1.0])
    scored_dataset.set_values("frames.of_frame", [[2.0] * T])
    evaluate_propagation(scored_dataset, "pred", "gt", "theirs")
    return stale


def test_all_that_writes_works_and_keeps_what_the_other_one_wrote(stale, tmp_path):
    propagate(stale, color_model(), prompt_field="gt", label_field="mine", skip_failures=False)
    evaluate_propagation(stale, "mine", "gt", "own")
    find_failures(stale, "mine", eval_key="own")
    analyze(stale, eval_key="own")
    to_segmentations(stale, "mine", "semantic")
    export_tracks(stale, "mine", tmp_path / "out", "davis")
    fresh = fo.load_dataset(stale.name)
    assert {"theirs", "own"} == set(fresh.list_evaluations())
    assert fresh.values("of_sample") == [1.0] and fresh.values("frames.of_frame") == [[2.0] * T]
    assert None not in [*fresh.values("theirs_J"), *fresh.values("own_J"), *fresh.values("mine_events")]
    (sample,) = fresh
    assert_right(found(sample, "mine"), range(1, T + 1))
    assert sample.frames[T].semantic is not None
