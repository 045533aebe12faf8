"""Work in the App: started by an operator, followed, canceled and announced by the panel of the runs."""

from __future__ import annotations

import sys
import threading

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_kit import T, assert_right, color_model, found

PROPAGATE, PANEL = "@hs2s/hs2s/propagate", "@hs2s/hs2s/hs2s_runs"

pytestmark = pytest.mark.usefixtures("plugin")


@pytest.fixture
def gate(monkeypatch) -> threading.Event:
    """The model is loaded once this is set."""
    gate = threading.Event()
    monkeypatch.setattr(
        "fiftyone_hs2s.dataset.propagate.model.load_model", lambda *_, **__: gate.wait() and color_model()
    )
    return gate


def context(dataset, uri, **request) -> ExecutionContext:
    params = {"prompt_field": "frames.gt", "label_field": "pred", "panel_id": "p", "panel_state": {}}
    params |= request.pop("params", {})
    request = {"dataset_name": dataset.name, "params": params, **request}
    return ExecutionContext(request, executor=Executor(), operator_uri=uri)


def start(dataset, **request) -> list:
    """Executes the operator as the App does; returns what the App is to do."""
    operator = foo.get_operator(PROPAGATE)
    return [m.body for m in operator.execute(context(dataset, PROPAGATE, spaces={"child": {}}, **request))]


def look(dataset, method="look", **params):
    """What the panel shows, and what the App is told to do beside."""
    panel, ctx = foo.get_operator(PANEL), context(dataset, PANEL, params=params)
    getattr(panel, method)(ctx)
    told = [r for r in ctx.executor._requests if "panel" not in r.operator_uri]
    return panel.render(ctx).type.properties, told


def texts(properties) -> str:
    return " ".join(p.view.to_json().get("label") or str(p.default) for p in properties.values())


def the_run(dataset):
    runs = sys.modules[type(foo.get_operator(PROPAGATE)).__module__.rpartition(".")[0] + ".runs"]
    return runs.list_runs(dataset.name)[0]


def names(told) -> list[str]:
    return [request.operator_uri.rpartition("/")[2] for request in told]


def test_work_goes_on_beside_the_app(dataset, sample, gate):
    started = start(dataset)
    assert sorted(names(started)) == ["open_panel", "set_color_scheme"]
    (opened,) = (request for request in started if request.operator_uri.endswith("open_panel"))
    assert opened.params["name"] == "hs2s_runs"
    run = the_run(dataset)
    properties, told = look(dataset)
    assert "Loading the model" in texts(properties)
    assert not told
    gate.set()
    run.wait()
    properties, told = look(dataset)
    assert "Propagate masks: finished.** 1 tracked" in texts(properties)
    assert names(told) == ["reload", "notify"]
    (group,) = (group for group in told[0].params["groups"] if group["name"] == "run: pred")
    assert group == {"name": "run: pred", "paths": ["frames.pred", "pred_status"], "expanded": True}
    assert told[1].params == {"message": "Propagate masks: 1 tracked", "variant": "success"}
    assert look(dataset)[1] == [], "said once"
    sample.reload()
    assert_right(found(sample), range(4, T + 1))


def test_run_can_be_canceled(dataset, sample, gate):
    start(dataset)
    run = the_run(dataset)
    look(dataset, "cancel", run=run.id)
    gate.set()
    run.wait()
    properties, told = look(dataset)
    assert "Propagate masks: canceled." in texts(properties)
    assert told[-1].params["message"] == "Propagate masks: canceled"
    dataset.reload()
    assert not dataset.has_frame_field("pred")
    assert not dataset.has_sample_field("pred_status")


def test_failure_of_all_samples_is_shown(dataset, sample, gate):
    sample.frames[4].gt = None
    sample.save()
    gate.set()
    start(dataset)
    the_run(dataset).wait()
    properties, told = look(dataset)
    assert "no frame has a detection with mask pixels" in texts(properties)
    assert names(told) == ["reload", "show_output"]
    assert f"Propagate masks failed:** sample {sample.id} (squares.mp4): field" in str(
        told[1].params["outputs"]
    )
    assert [row["sample"] for row in told[1].params["results"]["problems"]] == [
        f"sample {sample.id} (squares.mp4)"
    ]
    dataset.reload()
    assert not dataset.has_frame_field("pred"), "nothing is left behind but the reason"
    assert dataset.values("pred_status")[0].startswith("failed: field 'gt': no frame has a detection")
    assert dataset.match(fo.ViewField("pred_status").starts_with("failed")).values("id") == [sample.id]


def test_result_names_samples_and_reasons(dataset, sample, gate, tmp_path):
    other = fo.Sample(filepath=str(tmp_path / "gone.mp4"))
    other.frames[1]["gt"] = sample.frames[4].gt.copy()
    dataset.add_sample(other)
    gate.set()
    start(dataset)
    the_run(dataset).wait()
    properties, told = look(dataset)
    (row,) = told[1].params["results"]["problems"]
    assert "gone.mp4" in row["sample"]
    assert "There is no video" in row["reason"]
    assert f"problems_{the_run(dataset).id}" in properties


def test_in_an_open_sample_the_window_comes_at_the_end(dataset, sample, gate):
    gate.set()
    told = start(dataset, current_sample=sample.id)
    assert names(told) == ["set_color_scheme", "reload", "notify", "hs2s_panel"]
    assert told[-1].params["__method__"] == "reload"


def test_unexpected_failures_are_said_too(dataset, sample, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no memory")

    monkeypatch.setattr("fiftyone_hs2s.dataset.propagate.model.load_model", fail)
    start(dataset)
    the_run(dataset).wait()
    assert "RuntimeError: no memory" in str(look(dataset)[1][1].params["outputs"])


def test_interrupt_of_a_wait_cancels(monkeypatch):
    runs = sys.modules[type(foo.get_operator(PROPAGATE)).__module__.rpartition(".")[0] + ".runs"]
    entered, go_on = threading.Event(), threading.Event()

    def work(report):
        entered.set()
        go_on.wait()
        report("still there")

    run = runs.Run("Work", "dataset", work)
    run.start()
    entered.wait()
    join, calls = run._thread.join, []

    def interrupted():
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        go_on.set()
        join()

    monkeypatch.setattr(run._thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.wait()
    assert run.state == "canceled"
