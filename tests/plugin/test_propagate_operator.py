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
from fiftyone_kit import T, assert_right, color_model, found, prompts

import fiftyone_hs2s
from fiftyone_hs2s import HS2SError
from fiftyone_hs2s.tracking.views import AVERAGES

REPO = Path(__file__).resolve().parents[2]
URI = "@hs2s/hs2s/propagate"


pytestmark = pytest.mark.usefixtures("plugin")


LOADED = {"adapt": 0, "average": "none", "mask_maker": "hs2s-mask"}
"""What the form leaves as it is."""


@pytest.fixture
def operator():
    return foo.get_operator(URI)


@pytest.fixture(autouse=True)
def models(monkeypatch):
    """Colors instead of the networks; returns how they were asked for."""
    asked = []
    monkeypatch.setattr(
        "fiftyone_hs2s.dataset.propagate.model.load_model",
        lambda *a, **k: asked.append((a, k)) or color_model(),
    )
    return asked


def form(operator, dataset, selected=(), view=None, **params):
    context = {"dataset_name": dataset.name, "params": params, "selected": list(selected)}
    if view is not None:
        context["view"] = view._serialize()
    return operator.resolve_input(ExecutionContext(context, operator_uri=operator.uri)).type.properties


def refusal(properties) -> str:
    assert properties["refusal"].invalid
    return properties["refusal"].view.to_json()["label"]


def test_plugin_registers_without_errors():
    (context,) = (c for c in build_plugin_contexts() if c.name == "@hs2s/hs2s")
    assert not context.errors
    listed = yaml.safe_load((REPO / "fiftyone.yml").read_text())
    registered = [instance.name for instance in context.instances]
    assert sorted([*listed["operators"], *listed["panels"]]) == sorted(registered)
    assert listed["version"] == fiftyone_hs2s.__version__
    for icon in ("icon-light.svg", "icon-dark.svg"):
        assert (REPO / "assets" / icon).is_file()


def test_placement_and_config(operator, dataset, sample):
    placement = operator.resolve_placement(ExecutionContext({"dataset_name": dataset.name}, operator_uri=URI))
    button = placement.view.to_json()
    assert button["prompt"]
    assert (REPO / button["icon"].lstrip("/")).is_file()
    assert operator.config.allow_immediate_execution
    assert operator.config.allow_delegated_execution


def test_form(operator, dataset, sample, video):
    dataset.add_frame_field("note", fo.StringField)
    dataset.add_sample_field("boxes", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    properties = form(operator, dataset)
    assert properties["prompt_field"].type.values == ["frames.gt"]
    assert properties["prompt_field"].default == "frames.gt"
    assert properties["label_field"].default == "frames.hs2s"
    assert properties["model"].type.values == ["hs2s-lite", "hs2s-resnet50"]
    assert properties["direction"].type.values == ["forward", "backward", "both"]
    assert properties["prompt_frames"].type.values == ["first", "all"]
    assert "refusal" not in properties
    assert not {"weights", "reset_period"} & properties.keys()


def test_form_asks_for_weights_that_are_not_shipped(operator, dataset, sample):
    properties = form(operator, dataset, model="hs2s-resnet50")
    assert properties["weights"].required
    assert not properties["reset_period"].required


def test_a_further_prompt_field(operator, dataset, sample):
    assert "further_field" not in form(operator, dataset, prompt_field="frames.gt")
    red, blue = sample.frames[4].gt.detections
    sample.frames[4]["more"] = fo.Detections(detections=[blue.copy()])
    sample.frames[4].gt.detections = [red]
    sample.save()
    offered = form(operator, dataset, prompt_field="frames.gt")["further_field"]
    assert (offered.type.values, offered.default) == (["(none)", "frames.more"], "(none)")
    execute(dataset, further_field="frames.more")
    operator(dataset, ["gt", "more"], "again")
    with pytest.raises(HS2SError, match="one or two prompt fields"):
        operator(dataset, ["gt", "more", "gt"], "third")
    sample.reload()
    for field in ("pred", "again"):
        assert_right(found(sample, field), range(4, T + 1))


def test_form_offers_registered_models(operator, dataset, sample, tmp_path, monkeypatch, models):
    monkeypatch.setenv("HS2S_MODELS", str(tmp_path))
    (tmp_path / "cells.safetensors").write_bytes(b"")
    offered = form(operator, dataset)["model"]
    assert offered.type.values == ["hs2s-lite", "cells", "hs2s-resnet50"]
    assert offered.default == "hs2s-lite"
    execute(dataset, model="cells", weights="left in the form.safetensors")
    assert models == [(("cells",), {**LOADED, "weights": None, "reset_period": None})]


def test_form_offers_every_shipped_model_and_the_default_that_is_set(
    operator, dataset, sample, tmp_path, monkeypatch
):
    for name in ("hs2s-lite", "hs2s-lite-open"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
    monkeypatch.setattr("fiftyone_hs2s.models.WEIGHT_FOLDERS", (tmp_path,))
    monkeypatch.setenv("HS2S_DEFAULT_MODEL", "hs2s-lite-open")
    offered = form(operator, dataset)["model"]
    assert offered.type.values == [f"hs2s-{name}" for name in ("lite", "lite-open", "resnet50")]
    assert offered.default == "hs2s-lite-open"
    monkeypatch.setenv("HS2S_DEFAULT_MODEL", "hs2s-huge")
    assert "take one of hs2s-lite, hs2s-lite-open" in refusal(form(operator, dataset))


def test_form_offers_adapting_and_averaging(operator, dataset, sample, models):
    properties = form(operator, dataset)
    assert properties["average"].type.values == list(AVERAGES) and properties["average"].default == "none"
    assert properties["adapt"].default == 0 and properties["adapt"].type.min == 0
    assert properties["mask_maker"].type.values == ["hs2s-mask", "grabcut", "none"]
    assert execute(dataset, adapt=30, average="flip", mask_maker="none").error is None
    options = {"weights": None, "reset_period": None, "adapt": 30, "average": "flip", "mask_maker": None}
    assert models == [((None,), options)]


def test_form_offers_targets(operator, dataset, sample, video):
    dataset.add_sample(fo.Sample(filepath=str(video)))
    assert set(form(operator, dataset, [sample.id])["view_target"].type.values) == {
        "DATASET",
        "SELECTED_SAMPLES",
    }
    view = dataset.limit(1)
    assert set(form(operator, dataset, view=view)["view_target"].type.values) == {"DATASET", "CURRENT_VIEW"}


def test_form_refuses_images(operator, dataset, tmp_path):
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "image.png")))
    assert "holds image samples" in refusal(form(operator, dataset))


def test_form_refuses_videos_without_masks(operator, dataset, video):
    dataset.add_sample(fo.Sample(filepath=str(video)))
    assert "There is nothing to start from" in refusal(form(operator, dataset))


def test_form_refuses_fields_that_cannot_work(operator, dataset, sample):
    assert "refusal" not in form(operator, dataset, prompt_field="frames.gt", label_field="gt")
    assert "cannot be a field name" in refusal(
        form(operator, dataset, prompt_field="frames.gt", label_field="a b")
    )
    assert "refusal" not in form(operator, dataset, prompt_field="frames.gt", label_field="frames.pred")


def test_form_refuses_an_output_field_in_use(operator, dataset, sample, video):
    fields = {"prompt_field": "frames.gt", "label_field": "pred"}
    dataset.clone_frame_field("gt", "pred")
    assert "'pred' has labels that come from elsewhere" in refusal(form(operator, dataset, **fields))
    assert "refusal" not in form(operator, dataset, **fields, overwrite=True)
    assert operator(dataset, "gt", "pred", overwrite=True).error is None
    assert "refusal" not in form(operator, dataset, **fields)  # finished
    dataset.reload()
    dataset.set_values("pred_status", [None])
    dataset.add_sample(fo.Sample(filepath=str(video)))
    assert "refusal" not in form(operator, dataset, **fields)  # one of two can be done
    dataset.add_sample_field("note_status", fo.IntField)
    assert "'note_status' is in use" in refusal(
        form(operator, dataset, prompt_field="frames.gt", label_field="note")
    )


def test_form_looks_into_image_groups(operator, dataset, tmp_path):
    files = [str(tmp_path / f"{n}.png") for n in range(3)]
    dataset.add_samples([fo.Sample(filepath=f, scene=f[-5], gt=prompts(1), pred=prompts(1)) for f in files])
    properties = form(
        operator, dataset, view=dataset.group_by("scene"), prompt_field="gt", label_field="pred"
    )
    assert "labels that come from elsewhere" in refusal(properties)


def test_form_names_missing_requirements(operator, dataset, sample, monkeypatch):
    forms = sys.modules[type(operator).__module__].forms
    monkeypatch.setattr(forms, "find_spec", lambda name: None if name == "torch" else object())
    assert "needs torch: run `fiftyone plugins requirements" in refusal(form(operator, dataset))


def test_form_without_a_dataset(operator):
    assert "Open a dataset" in refusal(
        operator.resolve_input(ExecutionContext({}, operator_uri=URI)).type.properties
    )


def test_requirements_are_those_of_the_package(operator):
    forms = sys.modules[type(operator).__module__].forms
    lines = [
        line for line in (REPO / "requirements.txt").read_text().splitlines() if not line.startswith("#")
    ]
    project = (REPO / "pyproject.toml").read_text()
    assert all(f'"{line}"' in project for line in lines)
    assert [re.split("[<>=]", line)[0] for line in lines] == list(forms.REQUIREMENTS)


def execute(dataset, *, context=None, **params):
    params = {"prompt_field": "frames.gt", "label_field": "pred", **params}
    return foo.execute_operator(URI, {"dataset": dataset, **(context or {})}, params=params)


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
    assert reload.body.operator_uri.endswith("reload_dataset")
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
