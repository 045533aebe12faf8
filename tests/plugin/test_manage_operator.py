from __future__ import annotations

import fiftyone.operators as foo
import pytest
from fiftyone.operators.executor import ExecutionContext

from fiftyone_hs2s import HS2SError, evaluate_propagation, find_failures

pytestmark = pytest.mark.usefixtures("plugin")

URI = "@hs2s/hs2s/manage_runs"


def form(dataset, **params):
    context = {"params": params, "dataset_name": dataset.name}
    return foo.get_operator(URI).resolve_input(ExecutionContext(context, operator_uri=URI)).type.properties


def test_form(scored_dataset):
    assert "there is no run yet" in form(scored_dataset)["refusal"].view.label.lower()
    evaluate_propagation(scored_dataset, "pred", "gt", "ev")
    find_failures(scored_dataset, "pred", eval_key="ev")
    properties = form(scored_dataset)
    assert properties["run"].type.values == ["pred"]
    assert "frames.pred, pred_events, evaluation ev" in properties["runs"].default
    assert "new_name" in properties and "warning" not in properties
    properties = form(scored_dataset, run="pred", action="delete")
    assert "cannot be undone" in properties["warning"].view.label
    assert "new_name" not in properties and "view_target" not in properties


def test_rename_and_delete(scored_dataset):
    evaluate_propagation(scored_dataset, "pred", "gt", "pred_eval")
    operator = foo.get_operator(URI)
    operator(scored_dataset, "frames.pred", "wide")
    scored_dataset.reload()
    assert scored_dataset.list_evaluations() == ["wide_eval"]
    assert scored_dataset.has_frame_field("wide")
    operator(scored_dataset, "wide")
    scored_dataset.reload()
    assert scored_dataset.list_evaluations() == []
    with pytest.raises(HS2SError, match="'nothing' is not a run"):
        operator(scored_dataset, "nothing")
