from __future__ import annotations

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone.operators.executor import ExecutionContext

pytestmark = pytest.mark.usefixtures("plugin")

URI = "@hs2s/hs2s/repropagate"


def test_form(sample):
    operator = foo.get_operator(URI)
    sample.frames[4]["hs2s"] = sample.frames[4]["gt"].copy()
    sample.save()
    context = {"params": {}, "dataset_name": sample.dataset.name}
    properties = operator.resolve_input(ExecutionContext(context, operator_uri=URI)).type.properties
    assert properties["label_field"].default == "frames.hs2s"


def test_the_open_sample_alone_is_done(sample, video):
    from fiftyone_kit import T, detection, truth

    dataset = sample.dataset
    other = fo.Sample(filepath=str(video))
    dataset.add_sample(other)
    for one in (sample, other):
        one.frames[8]["hs2s"] = fo.Detections(
            detections=[detection(truth(8)[0], label="x", index=0, keyframe=True)]
        )
        one.save()
    context = {"dataset": dataset, "current_sample": sample.id}
    result = foo.execute_operator(URI, context, params={"label_field": "frames.hs2s"})
    assert result.error is None
    for one, numbers in ((sample, list(range(8, T + 1))), (other, [8])):
        one.reload()
        assert [n for n, frame in one.frames.items() if frame["hs2s"]] == numbers


def test_from_the_panel_the_result_is_compared_and_the_panel_looks_again(dataset, video):
    from fiftyone_kit import T, color_model, detection, prompted_sample, truth

    from fiftyone_hs2s import evaluate_propagation, propagate

    dataset.add_sample(prompted_sample(video, "gt"))
    propagate(dataset, color_model(), prompt_field="gt", label_field="pred", progress=False)
    sample = dataset.first()
    for number in range(6, T + 1):
        sample.frames[number].pred.detections = []
    mask = detection(truth(6)[0], label="square 0", index=0, keyframe=True)
    sample.save()
    evaluate_propagation(dataset, "pred", "gt", "ev")
    sample.frames[6].pred.detections.append(mask)
    sample.save()

    state = {"state": {"eval_keys": ["ev"], "eval_key": "ev"}}
    params = {"label_field": "frames.pred", "eval_key": "ev", "panel_id": "p", "panel_state": state}
    result = foo.execute_operator(URI, {"dataset": dataset, "current_sample": sample.id}, params=params)
    assert result.error is None
    requests = {r.operator_uri.rpartition("/")[2]: r.params for r in result.executor._requests}
    assert requests["hs2s_panel"] == {"panel_id": "p", "panel_state": state, "__method__": "reload"}
    assert "before" in requests["notify"]["message"] and "on 2 objects" in requests["notify"]["message"]
    dataset.reload()
    assert dataset.list_evaluations() == ["ev", "ev_corrected"]


def test_form_offers_the_evaluations_of_the_field(scored_dataset):
    from fiftyone_hs2s import evaluate_propagation

    evaluate_propagation(scored_dataset, "pred", "gt", "ev")
    for field, offered in (("frames.pred", True), ("frames.gt", False)):
        context = {"params": {"label_field": field}, "dataset_name": scored_dataset.name}
        operator = foo.get_operator(URI)
        properties = operator.resolve_input(ExecutionContext(context, operator_uri=URI)).type.properties
        assert ("eval_key" in properties) == offered
