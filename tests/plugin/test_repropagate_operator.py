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
