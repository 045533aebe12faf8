"""What the open sample's operators do where it is an image of a group."""

from __future__ import annotations

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone.operators.executor import ExecutionContext
from fiftyone_kit import image_groups, prompts

pytestmark = pytest.mark.usefixtures("plugin", "models")


@pytest.fixture
def images(tmp_path, dataset):
    """Two groups of images, of which two each have masks."""

    def masks(scene, number):
        found = prompts(number) if number in (4, 8) else None
        for mask in found.detections if found else ():
            mask.confidence = 1.0 if number == 4 else 0.4
        return found

    return image_groups(dataset, tmp_path, masks)


@pytest.fixture
def opened(images, dataset):
    """The request of the App where the fourth image of the second group is open."""
    image = dataset.match((fo.ViewField("scene") == "two") & (fo.ViewField("place") == 4)).first()
    return {"dataset_name": dataset.name, "view": images._serialize(), "current_sample": image.id}


def form(name, request, **params):
    uri = f"@hs2s/hs2s/{name}"
    context = ExecutionContext({**request, "params": params}, operator_uri=uri)
    return foo.get_operator(uri).resolve_input(context).type.properties


def execute(name, images, opened, **params):
    context = {"view": images, "current_sample": opened["current_sample"], "spaces": {}}
    result = foo.execute_operator(f"@hs2s/hs2s/{name}", context, params=params)
    assert result.error is None
    return result


def test_the_open_image_is_the_frame_to_propagate_from(images, opened, dataset):
    shown = form("propagate_object", opened)
    assert (shown["label_field"].default, shown["frame_number"].default) == ("pred", 4)
    names = [choice.label for choice in shown["object"].view.choices]
    assert names == ["All objects of the frame", "square 0 0", "square 1 1"]
    assert len(form("propagate_object", opened, frame_number=99)["object"].view.choices) == 1
    execute("propagate_object", images, opened, label_field="pred", frame_number=4, until="keyframe")
    dataset.reload()
    labeled = dataset.match(fo.ViewField("pred.detections").length() == 2)
    assert sorted(labeled.match(fo.ViewField("scene") == "two").values("place")) == [4, 5, 6, 7, 8]
    assert sorted(labeled.match(fo.ViewField("scene") == "one").values("place")) == [4, 8]


def test_corrections_of_the_open_group_alone_are_propagated(images, opened, dataset):
    assert form("repropagate", opened)["label_field"].default == "pred"
    execute("repropagate", images, opened, label_field="pred")
    dataset.reload()
    done = dataset.match(fo.ViewField("pred.detections").length() == 2)
    assert set(done.match(fo.ViewField("place") == 6).values("scene")) == {"two"}


def test_the_image_to_correct_next_is_shown(images, opened, dataset):
    assert form("suggest_frames", opened)["pred_field"].default == "pred"
    result = execute("suggest_frames", images, opened, pred_field="pred", tag=True)
    asked = [request for request in result.executor._requests if request.operator_uri.endswith("go_to_frame")]
    expected = {"sample_id": opened["current_sample"], "frame_number": 8}
    assert [request.params for request in asked] == [expected]
    dataset.reload()
    (image,) = dataset.match_tags("hs2s: next frame")
    assert (image.scene, image.place) == ("two", 8)
