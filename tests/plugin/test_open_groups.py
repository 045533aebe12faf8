"""What the open sample's operators do where it is an image of a group."""

from __future__ import annotations

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone.operators.executor import ExecutionContext
from fiftyone_kit import image_groups, prompts
from panel_kit import Panel

from fiftyone_hs2s import evaluate_propagation

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
    dataset.reload()
    image_id = dataset.match((fo.ViewField("scene") == "two") & (fo.ViewField("place") == 8)).first().id
    expected = {"sample_id": opened["current_sample"], "frame_number": 8, "image_id": image_id}
    assert [request.params for request in asked] == [expected]
    (image,) = dataset.match_tags("hs2s: next frame")
    assert (image.scene, image.place) == ("two", 8)


def test_the_panel_shows_the_group_of_the_open_image(images, opened, dataset):
    """Page by page each image is a sample of its own."""
    for image in dataset.iter_samples(autosave=True):
        image["gt"] = prompts(image.place)
    evaluate_propagation(images, "pred", "gt", "ev")
    panel = Panel(dataset, **{name: opened[name] for name in ("view", "current_sample")})
    panel.do("on_load")
    assert "not scored" not in panel.text
    playhead, *curves = panel.data["curves"]
    assert playhead["x"] == [4, 4] and curves
    panel.do("click_curve", x=8, y=0.6)
    place = dataset[panel.requests["go_to_frame"]["image_id"]].place
    assert (panel.requests["go_to_frame"]["frame_number"], place) == (8, 8)
