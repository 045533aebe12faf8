from __future__ import annotations

from pathlib import Path

import cv2
import fiftyone as fo
import fiftyone.operators as foo
import numpy as np
import pytest
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionContext, ExecutionError
from fiftyone_kit import T, detection, prompted_sample

from fiftyone_hs2s import HS2SError, list_models, load_model
from fiftyone_hs2s.dataset.train.finetune import FineTuned
from fiftyone_hs2s.progress import Progress
from fiftyone_hs2s.training import packages

URI, PROPAGATE = "@hs2s/hs2s/train", "@hs2s/hs2s/propagate"


pytestmark = pytest.mark.usefixtures("plugin")


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch) -> Path:
    """An empty folder of registered models."""
    monkeypatch.setenv("HS2S_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def operator():
    return foo.get_operator(URI)


@pytest.fixture
def labeled(dataset, video):
    """A dataset with one sample with masks on all frames."""
    dataset.add_sample(prompted_sample(video, "ground_truth"))
    return dataset


@pytest.fixture
def calls(monkeypatch):
    """Instead of a training: what it was asked for."""
    asked = []

    def finetune(samples, *args, progress, **options):
        asked.append((samples, args, options))
        progress(Progress(1, 2, "step"))
        return FineTuned(args[1], Path("m.safetensors"), 2, 1.5, (0.3, 0.2))

    monkeypatch.setattr("fiftyone_hs2s.dataset.train.finetune.finetune", finetune)
    return asked


def form(uri, dataset, selected=(), **params):
    operator = foo.get_operator(uri)
    context = {"params": params, "selected": list(selected)}
    if dataset is not None:
        context["dataset_name"] = dataset.name
    return operator.resolve_input(ExecutionContext(context, operator_uri=operator.uri)).type.properties


def refusal(properties) -> str:
    assert properties["refusal"].invalid
    return properties["refusal"].view.to_json()["label"]


def test_it_is_delegated_unless_one_chooses_otherwise(operator, labeled):
    options = operator.resolve_execution_options(
        ExecutionContext({"dataset_name": labeled.name}, operator_uri=URI)
    )
    assert options.allow_immediate_execution and options.allow_delegated_execution
    assert options.default_choice_to_delegated
    evaluate = foo.get_operator("@hs2s/hs2s/evaluate")
    assert not evaluate.config.default_choice_to_delegated


def test_form(labeled, video):
    properties = form(URI, labeled)
    assert "refusal" not in properties
    assert properties["gt_field"].type.values == ["frames.ground_truth"]
    assert properties["gt_field"].default == "frames.ground_truth"
    assert properties["config"].type.values == ["finetune", "tiny"]
    assert properties["length"].type.values == ["minutes", "steps", "config"]
    assert properties["minutes"].default == 10 and "steps" not in properties
    assert properties["name"].required and "validation" not in properties
    assert "steps" in form(URI, labeled, length="steps") and "minutes" not in form(
        URI, labeled, length="steps"
    )
    labeled.save_view("held out", labeled.limit(1))
    assert form(URI, labeled)["validation"].type.values == ["held out"]
    assert not form(URI, labeled)["validation"].required
    labeled.add_sample(fo.Sample(filepath=str(video)))
    targets = form(URI, labeled, [labeled.first().id])["view_target"].type.values
    assert set(targets) == {"DATASET", "SELECTED_SAMPLES"}


def test_form_says_how_work_is_scheduled(labeled, monkeypatch):
    for allowed, way in (
        (True, "choose"),
        (False, "start the App with FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS=true and choose"),
    ):
        monkeypatch.setattr(fo.config, "allow_legacy_orchestrators", allowed)
        about = form(URI, labeled)["minutes"].view.description
        assert about == f"What runs in the App ends with its server; for long work, {way} Schedule"


def test_form_takes_images_with_instance_masks(dataset, tmp_path):
    image, mask = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), bool)
    mask[10:20, 10:30] = True
    cv2.imwrite(str(tmp_path / "a.png"), image)
    found = fo.Detections(detections=[detection(mask, label="a")])
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "a.png"), instances=found))
    properties = form(URI, dataset, name="a")
    assert "refusal" not in properties
    assert properties["gt_field"].type.values == ["instances"]


def test_form_refuses_what_cannot_work(dataset, labeled, video):
    assert "Open a dataset" in refusal(form(URI, None))
    for name, words in (("hs2s-lite", "is a built-in model"), ("a b", "cannot name a model: use letters")):
        assert words in refusal(form(URI, labeled, name=name))
    empty, unlabeled, clouds = fo.Dataset(), fo.Dataset(), fo.Dataset()
    unlabeled.add_sample(fo.Sample(filepath=str(video)))
    clouds.add_sample(fo.Sample(filepath="a.pcd"))
    try:
        assert "is empty: add videos to it" in refusal(form(URI, empty))
        assert "There are no masks" in refusal(form(URI, unlabeled))
        assert "holds point-cloud samples: choose another" in refusal(form(URI, clouds))
    finally:
        for made in (empty, unlabeled, clouds):
            made.delete()


def test_form_refuses_a_validation_on_single_images(dataset, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 60, 3), np.uint8))
    found = fo.Detections(detections=[detection(np.eye(40, 60, dtype=bool), label="a")])
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "a.png"), instances=found, at=1))
    dataset.save_view("images", dataset.limit(1))
    dataset.save_view("sequences", dataset.group_by("at", order_by="at"))
    assert "put in order with group_by(" in refusal(form(URI, dataset, validation="images"))
    assert "refusal" not in form(URI, dataset, validation="sequences")


def test_form_names_missing_packages(labeled, monkeypatch):
    find = packages.find_spec
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "accelerate" else find(name))
    assert "needs accelerate: run `pip install accelerate`" in refusal(form(URI, labeled))


def test_form_asks_before_a_model_is_replaced(labeled, models):
    models.mkdir()
    (models / "squares.safetensors").write_bytes(b"")
    properties = form(URI, labeled, name="squares")
    assert "There is a model 'squares' already" in refusal(properties)
    assert properties["overwrite"].default is False
    assert "refusal" not in form(URI, labeled, name="squares", overwrite=True)
    assert "overwrite" not in form(URI, labeled, name="circles")


def test_what_the_form_says_is_done(labeled, calls):
    labeled.save_view("held out", labeled.limit(1))
    params = {
        "gt_field": "frames.ground_truth",
        "name": "squares",
        "config": "tiny",
        "length": "steps",
        "steps": 3,
    }
    params |= {"validation": "held out", "overwrite": True, "minutes": 10}  # from before "steps" was chosen
    result = foo.execute_operator(URI, {"dataset": labeled}, params=params)
    assert result.error is None
    ((samples, args, options),) = calls
    assert samples == labeled and args == ("frames.ground_truth", "squares", "tiny")
    validation = options.pop("validation")
    assert options == {"minutes": None, "steps": 3, "overwrite": True}
    assert validation.values("id") == labeled.values("id")
    request = result.executor._requests[-1]
    assert request.operator_uri.endswith("notify")
    assert request.params["message"] == "Train: squares: 2 steps in 1.5 minutes, loss 0.300 to 0.200"


def test_delegated(labeled, operator, calls):
    labeled.persistent = True
    result = operator(labeled.limit(1), "ground_truth", "squares", minutes=5)
    service = DelegatedOperationService()
    assert service.get(result.result["id"]).run_state == "queued"
    service.execute_queued_operations(limit=1, log=False)
    operation = service.get(result.result["id"])
    assert operation.run_state == "completed"
    assert operation.status.progress == 1 and operation.status.label.startswith("Finished: squares: 2 steps")
    ((_, args, options),) = calls
    assert args == ("frames.ground_truth", "squares", "finetune") and options["minutes"] == 5


def test_impossible_calls_are_errors(labeled, operator):
    for args, message in (
        (("nothing", "squares"), "no Detections field 'nothing'"),
        (("ground_truth", "hs2s-lite"), "built-in model"),
    ):
        with pytest.raises(HS2SError, match=message):
            operator(labeled, *args)
    with pytest.raises(ExecutionError, match="Path: config"):
        operator(labeled, "ground_truth", "squares", config="none", delegate=False).raise_exceptions()


def test_the_model_is_offered_by_name(labeled, operator):
    """The whole way: trained, registered, offered by the form, loaded, tracking."""
    result = operator(labeled, "ground_truth", "squares", "tiny", steps=1, delegate=False)
    assert result.error is None
    assert list(list_models()) == ["squares"]
    assert load_model("squares", device="cpu").tracker.network.config.name == "hs2s-lite"
    assert "squares" in form(PROPAGATE, labeled)["model"].type.values
    params = {
        "prompt_field": "frames.ground_truth",
        "label_field": "pred",
        "model": "squares",
        "weights": "left",
    }
    assert foo.execute_operator(PROPAGATE, {"dataset": labeled}, params=params).error is None
    labeled.reload()
    assert labeled.count("frames.pred") == T
