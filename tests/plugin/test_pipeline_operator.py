"""Propagate, evaluate and find failures as one operator: from Python, in FiftyOne's queue and in the App."""

from __future__ import annotations

import sys

import fiftyone.operators as foo
import pytest
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionContext, Executor, do_execute_pipeline
from fiftyone_kit import T, assert_right, color_model, found

from fiftyone_hs2s.errors import HS2SError

URI = "@hs2s/hs2s/propagate_and_check"

pytestmark = pytest.mark.usefixtures("plugin")


@pytest.fixture(autouse=True)
def model(monkeypatch):
    monkeypatch.setattr("fiftyone_hs2s.dataset.propagate.model.load_model", lambda *_, **__: color_model())


@pytest.fixture
def truth(dataset, sample):
    """The squares of the prompt, on all frames."""
    from fiftyone_kit import prompts

    for number in range(1, T + 1):
        sample.frames[number]["truth"] = prompts(number)
    sample.save()
    dataset.add_dynamic_frame_fields()
    return sample


def stages(dataset, **params):
    ctx = ExecutionContext({"dataset_name": dataset.name, "params": params}, operator_uri=URI)
    pipeline = foo.get_operator(URI).resolve_pipeline(ctx)
    return {stage.operator_uri.rpartition("/")[2]: stage.params for stage in pipeline.stages}


def test_each_stage_gets_what_it_takes(dataset, truth):
    given = {"prompt_field": "frames.gt", "label_field": "frames.pred", "direction": "both", "num_workers": 2}
    assert stages(dataset, **given, gt_field="frames.truth", protocol="all") == {
        "propagate": given,
        "evaluate": {
            "pred_field": "frames.pred",
            "gt_field": "frames.truth",
            "protocol": "all",
            "eval_key": "pred_eval",
        },
        "find_failures": {"pred_field": "frames.pred", "eval_key": "pred_eval", "save_views": True},
    }
    assert [*stages(dataset, **given, gt_field="(none)")] == ["propagate", "find_failures"]


@pytest.mark.parametrize("delegate", [False, True])
def test_all_of_it_is_done(dataset, truth, delegate):
    result = foo.get_operator(URI)(dataset, "gt", "pred", "truth", delegate=delegate)
    if delegate:
        service = DelegatedOperationService()
        service.execute_queued_operations(limit=1, log=False)
        assert service.get(result.result["id"]).run_state == "completed"
    dataset.reload()
    truth = dataset[truth.id]
    assert_right(found(truth), range(4, T + 1))
    assert dataset.list_evaluations() == ["pred_eval"]
    assert truth.pred_eval_J > 0.7 and truth.pred_events is not None
    assert dataset.has_sample_field("pred_eval_worst_event")


def test_without_ground_truth(dataset, sample):
    foo.get_operator(URI)(dataset, "gt", "pred")
    dataset.reload()
    assert not dataset.list_evaluations() and dataset.has_sample_field("pred_worst_event")


def test_a_stage_that_fails_is_the_last(dataset, truth, monkeypatch):
    def fail(*_, **__):
        raise HS2SError("the weights are gone")

    monkeypatch.setattr("fiftyone_hs2s.dataset.propagate.model.load_model", fail)
    with pytest.raises(Exception, match="the weights are gone"):
        foo.get_operator(URI)(dataset, "gt", "pred", "truth")
    assert not dataset.list_evaluations()


def in_app(dataset):
    """Runs the stages as the App's server does; their runs, the newest first, and what the App is to do."""
    import asyncio

    params = {"prompt_field": "frames.gt", "label_field": "frames.pred", "gt_field": "frames.truth"}
    request = {"dataset_name": dataset.name, "params": params, "spaces": {"child": {}}}
    ctx = ExecutionContext(request, executor=Executor(), operator_uri=URI)
    operator = foo.get_operator(URI)
    assert asyncio.run(do_execute_pipeline(operator.resolve_pipeline(ctx), ctx))[0] is None
    runs = sys.modules[type(operator).__module__.rpartition(".")[0] + ".runs"].list_runs(dataset.name)
    return runs, [request.operator_uri.rpartition("/")[2] for request in ctx.executor._requests]


def test_in_the_app_the_stages_wait_for_each_other_in_the_panel(dataset, truth):
    runs, told = in_app(dataset)
    assert told.count("open_panel") == 1
    assert [run.title for run in runs] == ["Find failures", "Evaluate masks", "Propagate masks"]
    for run in runs:
        run.wait()
    assert [run.state for run in runs] == ["finished"] * 3, [run.error for run in runs]
    dataset.reload()
    assert dataset.list_evaluations() == ["pred_eval"] and dataset.has_sample_field("pred_eval_worst_event")


def test_in_the_app_what_waits_for_a_failed_stage_is_canceled(dataset, truth, monkeypatch):
    monkeypatch.setattr("fiftyone_hs2s.dataset.propagate.model.load_model", lambda *_, **__: 1 / 0)
    runs, _ = in_app(dataset)
    for run in runs:
        run.wait()
    assert [run.state for run in runs] == ["canceled", "canceled", "failed"]
    assert runs[1].label == "Propagate masks: failed" and runs[1].announced


def test_form(dataset, truth):
    def form(**params):
        ctx = ExecutionContext({"params": params, "dataset_name": dataset.name}, operator_uri=URI)
        return foo.get_operator(URI).resolve_input(ctx).type.properties

    properties = form()
    assert properties["gt_field"].type.values == ["(none)", "frames.gt", "frames.truth"]
    assert properties["num_workers"].view.to_json()["label"] == "Processes"
    assert "protocol" not in properties and "protocol" in form(gt_field="frames.truth")
    given = {"prompt_field": "frames.gt", "label_field": "frames.truth", "gt_field": "frames.truth"}
    assert form(**given)["refusal"].invalid
