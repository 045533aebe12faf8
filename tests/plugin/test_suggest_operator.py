from __future__ import annotations

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone.operators.executor import ExecutionContext

pytestmark = pytest.mark.usefixtures("plugin")

URI = "@hs2s/hs2s/suggest_frames"


@pytest.fixture
def doubtful(sample):
    """Two frames, of which the later one is in doubt."""
    for number, confidence in ((4, 1.0), (8, 0.4)):
        sample.frames[number]["pred"] = sample.frames[4].gt.copy()
        for label in sample.frames[number].pred.detections:
            label.confidence = confidence
    sample.save()
    return sample


def test_form(doubtful):
    operator = foo.get_operator(URI)
    context = {"params": {}, "dataset_name": doubtful.dataset.name, "current_sample": doubtful.id}
    shown = operator.resolve_input(ExecutionContext(context, operator_uri=URI)).type.properties
    assert shown["pred_field"].default == "frames.pred"
    assert operator.resolve_placement(None).view.label == "Which frame next?"


def test_the_open_sample_s_player_goes_to_the_frame(doubtful):
    context = {"dataset": doubtful.dataset, "current_sample": doubtful.id, "spaces": {}}
    result = foo.execute_operator(URI, context, params={"pred_field": "frames.pred"})
    assert result.error is None
    asked = [request for request in result.executor._requests if request.operator_uri.endswith("go_to_frame")]
    assert [request.params for request in asked] == [{"sample_id": doubtful.id, "frame_number": 8}]
    doubtful = fo.load_dataset(doubtful.dataset.name)[doubtful.id]
    assert doubtful.pred_next_frame.detections[0].support == [8, 8]


def test_the_newest_run_is_the_default_where_there_are_several(doubtful):
    for field in ("one", "two", "drawn"):
        doubtful.dataset.set_values(f"frames.{field}", doubtful.dataset.values("frames.pred"))
    for run in ("one", "two"):
        doubtful.dataset.set_values(f"{run}_status", ["complete"])
    doubtful.dataset.delete_frame_field("pred")
    context = {"params": {}, "dataset_name": doubtful.dataset.name, "current_sample": doubtful.id}
    shown = foo.get_operator(URI).resolve_input(ExecutionContext(context, operator_uri=URI)).type.properties
    assert shown["pred_field"].default == "frames.two"


def test_from_python_all_samples_are_looked_at(doubtful):
    foo.get_operator(URI)(doubtful.dataset, "frames.pred", tag=True)
    doubtful.reload()
    assert "hs2s: next frame" in doubtful.tags
