from __future__ import annotations

import re
import sys
from pathlib import Path

import fiftyone as fo
import fiftyone.operators as foo
import pytest
import yaml
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionContext, ExecutionError, Executor
from fiftyone.plugins.context import build_plugin_contexts
from fiftyone_kit import T, assert_right, found, prompted_sample, prompts
from propagate_operator_kit import LOADED, URI, execute

import fiftyone_hs2s
from fiftyone_hs2s import HS2SError
from fiftyone_hs2s.dataset.propagate import propagation_run

REPO = Path(__file__).resolve().parents[2]


pytestmark = pytest.mark.usefixtures("plugin", "models")


def test_plugin_registers_without_errors():
    (context,) = (c for c in build_plugin_contexts() if c.name == "@hs2s/hs2s")
    assert not context.errors
    listed = yaml.safe_load((REPO / "fiftyone.yml").read_text())
    registered = [instance.name for instance in context.instances]
    assert sorted([*listed["operators"], *listed["panels"]]) == sorted(registered)
    assert listed["version"] == fiftyone_hs2s.__version__
    buttons = [instance for instance in context.instances if getattr(instance, "button", None)]
    icons = [instance.resolve_placement(None).view.to_json()["icon"] for instance in buttons]
    icons += re.findall(r"/assets/[\w-]+\.svg", (REPO / "assets" / "open_sample.js").read_text())
    assert len({icon for icon in icons if "icon-" not in icon}) == 3, "buttons side by side look different"
    for icon in ("/assets/icon-light.svg", "/assets/icon-dark.svg", *icons):
        assert (REPO / icon.lstrip("/")).is_file()


def test_placement_and_config(operator, dataset, sample):
    placement = operator.resolve_placement(ExecutionContext({"dataset_name": dataset.name}, operator_uri=URI))
    button = placement.view.to_json()
    assert button["prompt"]
    assert (REPO / button["icon"].lstrip("/")).is_file()
    assert "icon-" not in button["icon"], "a button has one icon, for dark and light"
    assert operator.config.allow_immediate_execution
    assert operator.config.allow_delegated_execution


def test_requirements_are_those_of_the_package(operator):
    forms = sys.modules[type(operator).__module__].forms
    lines = [
        line for line in (REPO / "requirements.txt").read_text().splitlines() if not line.startswith("#")
    ]
    project = (REPO / "pyproject.toml").read_text()
    assert all(f'"{line}"' in project for line in lines)
    assert [re.split("[<>=]", line)[0] for line in lines] == list(forms.REQUIREMENTS)


def test_immediate(operator, dataset, sample, models):
    result = execute(
        dataset, direction="both", model="hs2s-resnet50", weights="w.safetensors", reset_period=20
    )
    assert result.error is None
    sample.reload()
    assert_right(found(sample), range(1, T + 1))
    options = {**LOADED, "weights": "w.safetensors", "reset_period": 20}
    assert models == [(("hs2s-resnet50",), options)]


def test_called_from_python(operator, dataset, sample):
    context = execution_context(dataset)
    coloring, reload, notice = operator.execute(context)
    assert coloring.body.operator_uri.endswith("set_color_scheme")
    assert reload.body.operator_uri.endswith("reload")
    assert notice.body.params == {"message": "Propagate masks: 1 tracked", "variant": "success"}
    *_, notice = operator.execute(context)
    assert notice.body.params["message"].endswith("1 finished before; tick Overwrite to do them again")
    assert notice.body.params["variant"] == "warning"


def execution_context(dataset, **request) -> ExecutionContext:
    params = {"prompt_field": "frames.gt", "label_field": "pred", "direction": "both"}
    return ExecutionContext(
        {"dataset_name": dataset.name, "params": params, **request}, executor=Executor(), operator_uri=URI
    )


def test_selected_samples_only(dataset, sample, video):
    other = fo.Sample(filepath=str(video))
    other.frames[4]["gt"] = prompts(4)
    dataset.add_sample(other)
    execute(dataset, context={"selected": [other.id]}, view_target="SELECTED_SAMPLES")
    sample.reload()
    other.reload()
    assert not found(sample)
    assert_right(found(other), range(4, T + 1))


def test_overwrite(dataset, sample):
    execute(dataset)
    execute(dataset, direction="backward")
    sample.reload()
    assert_right(found(sample), range(4, T + 1))
    execute(dataset, direction="backward", overwrite=True)
    sample.reload()
    assert_right(found(sample), range(1, 5))


def test_delegated(dataset, sample):
    dataset.persistent = True
    operator = foo.get_operator(URI)
    result = operator(dataset, "gt", "frames.pred", delegate=True, direction="both")
    service = DelegatedOperationService()
    service.execute_queued_operations(limit=1, log=False)
    operation = service.get(result.result["id"])
    assert operation.run_state == "completed"
    assert 0 < operation.status.progress <= 1
    sample.reload()
    assert_right(found(sample), range(1, T + 1))


def test_call_on_a_view(operator, dataset, sample):
    operator(dataset.select(sample.id), "frames.gt", "pred")
    sample.reload()
    assert_right(found(sample), range(4, T + 1))


def test_failures_are_errors(dataset, sample):
    sample.frames[4].gt = None
    sample.save()
    with pytest.raises(ExecutionError, match="no frame has a detection"):
        execute(dataset).raise_exceptions()


def test_impossible_fields_are_errors(operator, dataset, sample):
    with pytest.raises(ExecutionError, match="cannot be a field name"):
        execute(dataset, label_field="a b")
    with pytest.raises(HS2SError, match="cannot be a field name"):
        operator(dataset, "frames.gt", "a b")


def test_videos_at_once(dataset, sample, video, monkeypatch):
    asked = []
    get_engine = propagation_run.get_engine
    monkeypatch.setattr(
        propagation_run, "get_engine", lambda *given: [asked.append(given), get_engine(*given)][1]
    )
    dataset.add_sample(prompted_sample(video, "gt"))
    execute(dataset, batch_videos=2, num_workers=1)
    assert [(workers, at_once) for workers, _, _, at_once in asked] == [(1, 2)]
    for each in dataset:
        assert found(each)
