from __future__ import annotations

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone.operators.executor import ExecutionContext

pytestmark = pytest.mark.usefixtures("plugin")

URI = "@hs2s/hs2s/propagate_object"


def form(sample, params=None, **context):
    operator = foo.get_operator(URI)
    request = {"params": params or {}, "dataset_name": sample.dataset.name, **context}
    return operator.resolve_input(ExecutionContext(request, operator_uri=URI)).type.properties


def run(sample, **params):
    params = {"label_field": "frames.gt", "frame_number": 4, **params}
    result = foo.execute_operator(
        URI, {"dataset": sample.dataset, "current_sample": sample.id}, params=params
    )
    assert result.error is None
    sample.reload()
    return {n: {d.index for d in frame.gt.detections} for n, frame in sample.frames.items() if frame.gt}


def choices(prop):
    return {choice.value: choice.label for choice in prop.view.choices}


def test_the_form_is_refused_outside_of_a_sample(sample):
    assert "open a sample first" in form(sample)["refusal"].error_message


def test_the_form_knows_the_label_that_is_selected(sample):
    label = sample.frames[4].gt.detections[1]
    selected = {"label_id": label.id, "sample_id": sample.id, "field": "frames.gt", "frame_number": 4}
    shown = form(sample, current_sample=sample.id, selected_labels=[selected])
    assert (shown["label_field"].default, shown["frame_number"].default) == ("frames.gt", 4)
    assert shown["object"].default == "track-1"
    assert list(choices(shown["object"]).values()) == ["All objects of the frame", "square 0 0", "square 1 1"]


def test_the_form_knows_what_the_app_calls_an_object(sample):
    instance = fo.Instance()
    sample.frames[4].gt.detections[0].instance = instance
    sample.save()
    shown = form(sample, {"label_field": "frames.gt", "frame_number": 4}, current_sample=sample.id)
    assert choices(shown["object"])[instance.id] == "square 0 0"
    assert "last" not in shown
    shown = form(sample, {"until": "range"}, current_sample=sample.id)
    assert shown["last"].required


def test_one_object_within_a_range(sample):
    there = run(sample, object="track-1", until="range", first=2, last=6, direction="both")
    assert there == {2: {1}, 3: {1}, 4: {0, 1}, 5: {1}, 6: {1}}


def test_all_objects_to_the_end(sample):
    assert run(sample, object="(all)") == {number: {0, 1} for number in range(4, 13)}
