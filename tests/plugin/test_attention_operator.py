from __future__ import annotations

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone.operators.executor import ExecutionContext

pytestmark = pytest.mark.usefixtures("plugin")

URI = "@hs2s/hs2s/show_attention"


def form(dataset, **params):
    operator = foo.get_operator(URI)
    context = {"params": params, "dataset_name": dataset.name}
    return operator.resolve_input(ExecutionContext(context, operator_uri=operator.uri)).type.properties


def test_form(sample):
    properties = form(sample.dataset, prompt_field="frames.gt")
    assert properties["object"].type.values == ["(none)", "square 0 0", "square 1 1"]
    assert properties["frame"].required and properties["label_field"].default == "frames.attention"


def test_form_offers_fields_with_masks_alone(sample):
    sample.dataset.add_frame_field("clicks", fo.EmbeddedDocumentField, embedded_doc_type=fo.Keypoints)
    assert form(sample.dataset)["prompt_field"].type.values == ["frames.gt"]


def test_form_without_masks(dataset, video):
    dataset.add_sample(fo.Sample(filepath=str(video)))
    assert form(dataset)["refusal"].invalid


def test_heatmap_of_the_open_sample(sample, video):
    dataset = sample.dataset
    other = fo.Sample(filepath=str(video), tags=["other"])
    other.frames[4]["gt"] = sample.frames[4]["gt"].copy()
    dataset.add_sample(other)
    params = {"prompt_field": "frames.gt", "frame": 9, "object": "square 1 1"}
    context = {"dataset": dataset, "current_sample": sample.id}
    result = foo.execute_operator(URI, {**context, "active_fields": ["frames.gt"]}, params=params)
    assert result.error is None
    shown = [r.params for r in result.executor._requests if r.operator_uri.endswith("set_active_fields")]
    assert shown == [{"fields": ["frames.gt", "frames.attention"]}]
    sample.reload()
    assert (sample.frames[4]["attention"].of_frame, sample.frames[4]["attention"].objects) == (
        9,
        "square 1 1",
    )
    other.reload()
    assert not any(frame["attention"] for frame in other.frames.values())
    foo.execute_operator(URI, {"dataset": dataset}, params={**params, "label_field": "all"})
    other.reload()
    assert other.frames[4]["all"].of_frame == 9
