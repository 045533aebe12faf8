from __future__ import annotations

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from evaluation_kit import SIDE
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionContext
from fiftyone_kit import color_model

from fiftyone_hs2s import HS2SError, evaluate_propagation
from fiftyone_hs2s.metrics import PROTOCOLS

NONE = "(none)"

FIELDS = {"pred_field": "frames.pred", "gt_field": "frames.gt"}


pytestmark = pytest.mark.usefixtures("plugin")


def uri(name: str) -> str:
    return f"@hs2s/hs2s/{name}"


def form(name, dataset, **params):
    operator = foo.get_operator(uri(name))
    context = {"params": params, **({"dataset_name": dataset.name} if dataset is not None else {})}
    return operator.resolve_input(ExecutionContext(context, operator_uri=operator.uri)).type.properties


def refusal(properties) -> str:
    assert properties["refusal"].invalid
    return properties["refusal"].view.to_json()["label"]


def requested(result) -> list[str]:
    return [request.operator_uri.rpartition("/")[2] for request in result.executor._requests]


@pytest.mark.parametrize("name", ["evaluate", "find_failures", "analyze"])
def test_forms_refuse_what_cannot_work(name, dataset, tmp_path):
    assert "Open a dataset" in refusal(form(name, None))
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "image.png")))
    assert "holds image samples" in refusal(form(name, dataset))


def test_failures_of_image_groups_have_a_form(dataset, tmp_path):
    labels = fo.Detections(detections=[fo.Detection(label="a")])
    dataset.add_samples(
        [fo.Sample(filepath=str(tmp_path / f"{n}.png"), scene="s", pred=labels) for n in range(2)]
    )
    operator, view = foo.get_operator(uri("find_failures")), dataset.group_by("scene")
    context = {"params": {}, "dataset_name": dataset.name, "view": view._serialize()}
    properties = operator.resolve_input(ExecutionContext(context, operator_uri=operator.uri)).type.properties
    assert properties["pred_field"].default == "pred" and "refusal" not in properties


def test_forms_without_masks(dataset, video):
    dataset.add_sample(fo.Sample(filepath=str(video)))
    assert "There are no masks" in refusal(form("evaluate", dataset))


def test_evaluate_form(scored_dataset):
    properties = form("evaluate", scored_dataset)
    assert (properties["pred_field"].default, properties["gt_field"].default) == ("frames.pred", "frames.gt")
    assert set(properties["protocol"].type.values) == PROTOCOLS.keys()
    same = {"pred_field": "frames.gt", "gt_field": "frames.gt"}
    assert "own ground truth" in refusal(form("evaluate", scored_dataset, **same))
    assert "cannot name an evaluation" in refusal(form("evaluate", scored_dataset, **FIELDS, eval_key="a b"))


def test_evaluate_needs_the_fields_alone(scored_dataset):
    assert foo.execute_operator(uri("evaluate"), {"dataset": scored_dataset}, params={**FIELDS}).error is None
    scored_dataset.reload()
    config = scored_dataset.get_evaluation_info("pred_eval").config
    assert (config.protocol, config.match) == ("davis2017", "identity")


def test_evaluate_then_find_then_analyze(scored_dataset):
    params = {**FIELDS, "eval_key": "ev", "protocol": "all"}
    result = foo.execute_operator(uri("evaluate"), {"dataset": scored_dataset}, params=params)
    assert result.error is None
    assert requested(result) == ["reload", "notify"]
    scored_dataset.reload()
    assert scored_dataset.get_evaluation_info("ev").config.protocol == "all"
    assert "replaced" in form("evaluate", scored_dataset, **params)

    assert form("find_failures", scored_dataset)["eval_key"].type.values == [NONE, "ev"]
    assert not form("find_failures", scored_dataset)["gt_field"].required
    assert "gt_field" not in form("find_failures", scored_dataset, eval_key="ev")
    params = {"pred_field": "frames.pred", "eval_key": "ev", "save_views": True}
    assert (
        foo.execute_operator(uri("find_failures"), {"dataset": scored_dataset}, params=params).error is None
    )
    scored_dataset.reload()
    assert scored_dataset.distinct("pred_events.detections.kind") == ["drift"]
    assert scored_dataset.list_saved_views() == ["HS2S: drift (pred)", "HS2S: worst first (pred)"]

    result = foo.execute_operator(uri("analyze"), {"dataset": scored_dataset}, params={"eval_key": "ev"})
    assert result.error is None
    request = result.executor._requests[-1]
    assert request.operator_uri.endswith("show_output")
    rows = request.params["results"]["rows"]
    assert [row["objects"] for row in rows] == ["0", "0", "2", "0", "0", "0"]
    assert all(value for row in rows for value in row.values()), "no cell is blank"
    assert rows[2]["JF"] == f"{scored_dataset.load_evaluation_results('ev').JF:.3f}"
    assert "no object is in view for more than 20 steps (3.3 s)" in str(request.params["outputs"])
    assert "the HS2S paper on YouTube-VOS" in str(request.params["outputs"])


def test_evaluation_can_be_left_out_of_the_forms(scored_dataset, monkeypatch):
    evaluate_propagation(scored_dataset, "pred", "gt", "ev")
    monkeypatch.setattr("fiftyone_hs2s.dataset.propagate.model.load_model", color_model)
    assert form("find_failures", scored_dataset)["eval_key"].default == "ev"
    assert "track_back" not in form("find_failures", scored_dataset, eval_key="ev")
    without = {"pred_field": "frames.pred", "eval_key": NONE}
    properties = form("find_failures", scored_dataset, **without)
    assert properties["gt_field"].type.values == [NONE, "frames.gt", "frames.pred"]
    assert "track_back" not in form("find_failures", scored_dataset, **without, gt_field="frames.gt")
    assert "track_back" in form("find_failures", scored_dataset, **without, gt_field=NONE)
    params = {**without, "gt_field": NONE, "track_back": True}
    assert (
        foo.execute_operator(uri("find_failures"), {"dataset": scored_dataset}, params=params).error is None
    )
    scored_dataset.reload()
    assert scored_dataset.values("pred_track_back_J")[0] > 0.9

    properties = form("analyze", scored_dataset, eval_key=NONE)
    assert properties["eval_key"].type.values == [NONE, "ev"]
    assert {"pred_field", "gt_field"} <= set(properties)
    assert "pred_field" not in form("analyze", scored_dataset, eval_key="ev")
    params = {**FIELDS, "eval_key": NONE}
    assert foo.execute_operator(uri("analyze"), {"dataset": scored_dataset}, params=params).error is None


def test_failures_form_offers_evaluations_of_the_field_alone(scored_dataset):
    for field, key in [("pred", "ev"), ("other", "later")]:
        if field == "other":
            scored_dataset.clone_frame_field("pred", "other")
        evaluate_propagation(scored_dataset, field, "gt", key)
    scored_dataset.clone_frame_field("pred", "new")
    properties = form("find_failures", scored_dataset)
    assert (properties["pred_field"].default, properties["eval_key"].default) == ("frames.pred", "ev")
    assert form("find_failures", scored_dataset, pred_field="frames.other")["eval_key"].type.values == [
        NONE,
        "later",
    ]
    # The field was changed after the evaluation was chosen.
    left = {
        "pred_field": "frames.new",
        "eval_key": "ev",
    }
    properties = form("find_failures", scored_dataset, **left)
    assert "eval_key" not in properties
    assert {"gt_field", "track_back"} <= set(properties)
    assert foo.execute_operator(uri("find_failures"), {"dataset": scored_dataset}, params=left).error is None
    with pytest.raises(HS2SError, match="'ev' is not an evaluation of 'new'"):
        foo.get_operator(uri("find_failures"))(scored_dataset, "new", eval_key="ev")


def test_failures_without_truth_can_be_tracked_back(scored_dataset, monkeypatch):
    assert form("find_failures", scored_dataset, pred_field="frames.pred")["track_back"].default is False
    properties = form("find_failures", scored_dataset, pred_field="frames.pred", gt_field="frames.gt")
    assert "track_back" not in properties
    assert properties["occlusion_area"].default == 0
    monkeypatch.setattr("fiftyone_hs2s.dataset.propagate.model.load_model", color_model)
    find = foo.get_operator(uri("find_failures"))
    assert find(scored_dataset, "pred", track_back=True).error is None
    scored_dataset.reload()
    scored_dataset.reload()
    assert scored_dataset.values("pred_track_back_J")[0] > 0.9
    area = SIDE * SIDE  # that of the squares: none of them counts as visible
    assert find(scored_dataset, "pred", gt_field="gt", track_back=True, occlusion_area=area).error is None
    assert scored_dataset.distinct("pred_events.detections.kind") == []
    assert scored_dataset.values("pred_track_back_J") == [None]


def test_operators_from_python(scored_dataset):
    operator = foo.get_operator(uri("evaluate"))
    assert operator(scored_dataset.limit(1), "pred", "gt", "ev").error is None
    scored_dataset.reload()
    assert scored_dataset.list_evaluations() == ["ev"]
    assert foo.get_operator(uri("find_failures"))(scored_dataset, "pred", gt_field="gt").error is None
    assert foo.get_operator(uri("analyze"))(scored_dataset, eval_key="ev").error is None
    with pytest.raises(HS2SError, match="not a Detections field"):
        operator(scored_dataset, "nothing", "gt", "ev")


def test_delegated(scored_dataset):
    result = foo.get_operator(uri("evaluate"))(scored_dataset, "pred", "gt", "ev", delegate=True)
    service = DelegatedOperationService()
    service.execute_queued_operations(limit=1, log=False)
    operation = service.get(result.result["id"])
    assert operation.run_state == "completed"
    assert operation.status.label.startswith("Finished: ev: J&F 0.8")
    scored_dataset.reload()
    assert scored_dataset.list_evaluations() == ["ev"]
    evaluate_propagation(scored_dataset, "pred", "gt", "ev")


def test_each_field_has_an_evaluation_of_its_own(scored_dataset):
    scored_dataset.clone_frame_field("pred", "other")
    for field in ("pred", "other"):
        params = {"pred_field": f"frames.{field}", "gt_field": "frames.gt", "protocol": "all"}
        description = form("evaluate", scored_dataset, **params)["eval_key"].view.to_json()["description"]
        assert f"empty for {field}_eval" in description
        assert foo.execute_operator(uri("evaluate"), {"dataset": scored_dataset}, params=params).error is None
    scored_dataset.reload()
    assert scored_dataset.list_evaluations() == ["other_eval", "pred_eval"]


def test_without_truth_find_failures_is_named(scored_dataset):
    scored_dataset.delete_frame_field("gt")
    scored_dataset.add_sample_field("pred_status", fo.StringField)
    message = refusal(form("evaluate", scored_dataset))
    assert "There is no ground truth" in message
    assert "find failures" in message


def test_prompts_are_no_ground_truth(scored_dataset):
    scored_dataset.delete_frame_field("gt")
    sample = scored_dataset.first()
    for label in sample.frames[1].pred.detections:
        label["keyframe"] = True
    sample.frames[1]["prompts"] = sample.frames[1].pred.copy()
    sample.save()
    assert "find failures" in refusal(form("evaluate", scored_dataset))
    sample.frames[5]["prompts"] = sample.frames[5].pred.copy()
    sample.save()
    assert "refusal" not in form("evaluate", scored_dataset)


def test_what_has_a_default_is_not_marked_as_required(scored_dataset):
    properties = form("evaluate", scored_dataset)
    assert not any(properties[name].required for name in ("pred_field", "gt_field", "eval_key", "protocol"))
