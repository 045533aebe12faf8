from __future__ import annotations

import fiftyone.operators as foo
import pytest
from fiftyone.operators.executor import ExecutionContext

from fiftyone_hs2s import load_model

pytestmark = pytest.mark.usefixtures("plugin")
URI = "@hs2s/hs2s/find_similar_tracks"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    model = load_model("hs2s-lite-video-torch", size=(128, 192), device="cpu", precision="float32")
    monkeypatch.setattr("fiftyone_hs2s.load_model", lambda *_, **__: model, raising=False)


def test_like_an_object_of_the_open_sample(dataset, sample):
    params = {"label_field": "frames.gt"}
    request = {"dataset_name": dataset.name, "current_sample": sample.id, "params": params}
    form = foo.get_operator(URI).resolve_input(ExecutionContext(request, operator_uri=URI)).type.properties
    assert form["object"].type.values == ["(none)", "square 0 0", "square 1 1"]
    context = {"dataset": dataset, "current_sample": sample.id}
    result = foo.execute_operator(URI, context, params={**params, "object": "square 1 1"})
    told = {r.operator_uri.rpartition("/")[2]: r.params for r in result.executor._requests}
    assert [*told] == ["reload", "close_sample", "set_view", "notify"]
    assert told["set_view"]["view"][-1]["_cls"].endswith("SortBySimilarity")
    assert "embeddings of 2 tracks in gt; 2 tracks shown" in told["notify"]["message"]
    dataset.reload()
    assert dataset.list_brain_runs() == ["gt_tracks"]


def test_all_tracks_and_nothing_done_twice(dataset, sample):
    operator = foo.get_operator(URI)
    operator(dataset, "gt")
    result = operator(dataset, "gt")
    (notified,) = (r.params for r in result.executor._requests if r.operator_uri.endswith("notify"))
    assert notified["message"] == "Find similar tracks: 2 tracks shown"
