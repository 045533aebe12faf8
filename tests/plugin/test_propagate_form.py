from __future__ import annotations

import sys

import fiftyone as fo
import pytest
from fiftyone.operators.executor import ExecutionContext
from fiftyone_kit import T, assert_right, found, prompts
from propagate_operator_kit import LOADED, URI, execute

from fiftyone_hs2s.tracking.views import AVERAGES

pytestmark = pytest.mark.usefixtures("plugin", "models")


def form(operator, dataset, selected=(), view=None, **params):
    context = {"dataset_name": dataset.name, "params": params, "selected": list(selected)}
    if view is not None:
        context["view"] = view._serialize()
    return operator.resolve_input(ExecutionContext(context, operator_uri=operator.uri)).type.properties


def refusal(properties) -> str:
    assert properties["refusal"].invalid
    return properties["refusal"].view.to_json()["label"]


def test_form(operator, dataset, sample, video):
    dataset.add_frame_field("note", fo.StringField)
    dataset.add_sample_field("boxes", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    properties = form(operator, dataset)
    assert properties["prompt_field"].type.values == ["frames.gt"]
    assert properties["prompt_field"].default == "frames.gt"
    assert properties["label_field"].default == "frames.hs2s"
    assert properties["model"].type.values == ["hs2s-lite", "hs2s-lite-open", "hs2s-resnet50"]
    assert properties["direction"].type.values == ["forward", "backward", "both"]
    assert properties["prompt_frames"].type.values == ["first", "all"]
    assert "refusal" not in properties
    assert properties["batch_videos"].default == 1 and properties["num_workers"].default is None
    assert not {"weights", "reset_period"} & properties.keys()


def test_form_asks_for_weights_that_are_not_shipped(operator, dataset, sample):
    properties = form(operator, dataset, model="hs2s-resnet50")
    assert properties["weights"].required
    assert not properties["reset_period"].required


def test_further_prompt_fields(operator, dataset, sample):
    assert "further_fields" not in form(operator, dataset, prompt_field="frames.gt")
    red, blue = sample.frames[4].gt.detections
    sample.frames[4]["more"] = fo.Detections(detections=[blue.copy()])
    sample.frames[5]["boxes"] = fo.Detections(
        detections=[fo.Detection(label="third", index=2, bounding_box=blue.bounding_box)]
    )
    sample.frames[4].gt.detections = [red]
    sample.save()
    offered = form(operator, dataset, prompt_field="frames.gt")["further_fields"]
    assert [choice.value for choice in offered.view.choices] == ["frames.more", "frames.boxes"]
    execute(dataset, further_fields=["frames.more"])
    operator(dataset, ["gt", "more", "boxes"], "again", mask_maker="none")
    sample.reload()
    for field in ("pred", "again"):
        assert_right(found(sample, field), range(4, T + 1))


def test_form_offers_registered_models(operator, dataset, sample, tmp_path, monkeypatch, models):
    monkeypatch.setenv("HS2S_MODELS", str(tmp_path))
    (tmp_path / "cells.safetensors").write_bytes(b"")
    offered = form(operator, dataset)["model"]
    assert offered.type.values == ["hs2s-lite", "hs2s-lite-open", "cells", "hs2s-resnet50"]
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
    monkeypatch.setenv("HS2S_DEFAULT_MODEL", "huge")
    assert "choose one of hs2s-lite, hs2s-lite-open" in refusal(form(operator, dataset))


def test_form_offers_adapting_and_averaging(operator, dataset, sample, models):
    properties = form(operator, dataset)
    assert properties["average"].type.values == list(AVERAGES) and properties["average"].default == "none"
    assert properties["adapt"].default == 0 and properties["adapt"].type.min == 0
    assert properties["mask_maker"].type.values == ["auto", "hs2s-mask", "hs2s-mask-open", "grabcut", "none"]
    assert execute(dataset, adapt=30, average="flip", mask_maker="none").error is None
    chosen = {"weights": None, "reset_period": None, "adapt": 30, "average": "flip", "mask_maker": None}
    assert models == [((None,), {**LOADED, **chosen})]


def test_form_offers_device_precision_size_and_runtime(operator, dataset, sample, models):
    properties = form(operator, dataset)
    assert properties["device"].type.values == ["auto", "cpu", "cuda"]
    assert properties["precision"].type.values == ["auto", "float32", "bfloat16", "float16"]
    assert properties["runtime"].type.values == ["auto", "torch", "openvino", "onnxruntime"]
    assert properties["size"].default == "256x448"
    chosen = {"device": "cpu", "precision": "float32", "runtime": "torch"}
    assert execute(dataset, **chosen, size="128x224").error is None
    assert models[0][1].items() >= {**chosen, "size": (128, 224)}.items()
    assert "'wide' is not height x width" in refusal(form(operator, dataset, size="wide"))


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
