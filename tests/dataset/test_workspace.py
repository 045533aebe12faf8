"""The workspace that is saved with a dataset."""

from __future__ import annotations

import fiftyone as fo
import pytest

from fiftyone_hs2s import HS2SError, evaluate_propagation, save_workspace


def panels(space: fo.Space) -> dict[str, dict]:
    found = {}
    for child in space.children:
        if isinstance(child, fo.Panel):
            assert space.active_child == child.component_id, "else the App shows nothing there"
        found |= {child.type: child.state} if isinstance(child, fo.Panel) else panels(child)
    return found


def test_the_histogram_shows_the_newest_evaluation_or_the_chosen_one(scored_dataset):
    for key in ("one", "two"):
        evaluate_propagation(scored_dataset, "pred", "gt", key)
    assert panels(save_workspace(scored_dataset)) == {
        "Samples": {},
        "hs2s_panel": {},
        "Histograms": {"path": "two_JF"},
    }
    save_workspace(scored_dataset[:1], "one")
    assert panels(scored_dataset.load_workspace("HS2S"))["Histograms"] == {"path": "one_JF"}
    with pytest.raises(HS2SError, match=r"'three' is not an evaluation .* choose one of one, two"):
        save_workspace(scored_dataset, "three")


def test_without_an_evaluation(scored_dataset):
    assert [*panels(save_workspace(scored_dataset))] == ["Samples", "hs2s_panel"]
