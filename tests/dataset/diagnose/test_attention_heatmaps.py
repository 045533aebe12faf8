"""Heatmaps of where objects look in their first frame, on two squares that move towards each other."""

from __future__ import annotations

import cv2
import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import H, W, color_model, picture, prompts, truth

from fiftyone_hs2s import HS2SError, attention_heatmaps, load_model
from fiftyone_hs2s.dataset.census import list_names


@pytest.fixture(scope="module")
def model():
    return load_model("hs2s-lite-video-torch", size=(256, 384), device="cpu", precision="float32")


def heatmaps(sample: fo.Sample, field: str = "attention") -> dict[int, fo.Heatmap]:
    sample.reload()
    return {
        number: frame[field]
        for number, frame in sample.frames.items()
        if frame.has_field(field) and frame[field]
    }


def share_inside(heatmap: fo.Heatmap, mask: np.ndarray) -> float:
    large = cv2.resize(heatmap.map.astype(np.float32), (W, H))
    return float(large[cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))) > 0].sum() / large.sum())


@pytest.mark.parametrize(
    ("frame", "chosen", "index"), [(9, 1, 1), (9, "square 0", 0), (9, "square 1 1", 1), (1, 0, 0)]
)
def test_an_object_looks_at_itself_on_the_frame_of_its_mask(sample, model, frame, chosen, index):
    dataset = sample.dataset
    assert list_names(dataset, "frames.gt") == ["square 0 0", "square 1 1"]
    report = attention_heatmaps(dataset, "frames.gt", frame=frame, object=chosen, model=model)
    assert list(report.written.values()) == [[4]] and not report.failed
    assert dataset.get_field("frames.attention").document_type is fo.Heatmap
    ((number, heatmap),) = heatmaps(sample).items()
    assert (number, heatmap.of_frame, heatmap.objects) == (4, frame, f"square {index} {index}")
    assert heatmap.map.dtype == np.uint8 and heatmap.map.max() == 255 and heatmap.range == [0, 255]
    assert heatmap.map.shape == (H, W)
    assert share_inside(heatmap, truth(4)[index]) > 0.5 > share_inside(heatmap, truth(4)[1 - index])


def test_objects_of_several_first_frames_and_an_earlier_heatmap(dataset, video, model):
    sample = fo.Sample(filepath=str(video))
    sample.frames[2]["gt"], sample.frames[5]["gt"] = prompts(2, (0,)), prompts(5, (1,))
    dataset.add_sample(sample)
    attention_heatmaps(dataset, "gt", frame=8, model=model)
    assert {number: found.objects for number, found in heatmaps(sample).items()} == {
        2: "square 0 0",
        5: "square 1 1",
    }
    attention_heatmaps(dataset, "gt", "frames.attention", frame=3, model=model)
    assert {number: found.of_frame for number, found in heatmaps(sample).items()} == {2: 3}
    clips = dataset.to_clips([[(5, 10)]])
    attention_heatmaps(clips, "gt", "clip", frame=7, model=model)
    assert list(heatmaps(sample, "clip")) == [5]


def test_groups_of_images(dataset, tmp_path, model):
    for number in range(1, 4):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), cv2.cvtColor(picture(number), cv2.COLOR_RGB2BGR))
        dataset.add_sample(
            fo.Sample(filepath=str(path), scene="a", number=number, gt=prompts(1) if number == 1 else None)
        )
    view = dataset.group_by("scene", order_by="number")
    attention_heatmaps(view, "gt", frame=3, object=0, model=model)
    first, *others = dataset.sort_by("number").values("attention")
    assert share_inside(first, truth(1)[0]) > 0.5 and others == [None, None]


def test_what_cannot_be_shown(dataset, sample, video, broken_video, model, tmp_path):
    for path in (broken_video, tmp_path / "none.mp4"):
        other = fo.Sample(filepath=str(path))
        other.frames[1]["gt"] = prompts(1)
        dataset.add_sample(other)
    report = attention_heatmaps(dataset, "gt", frame=12, object=0, model=model)
    # The break comes later.
    assert len(report.written) == 2 and "none.mp4" in next(iter(report.failed.values()))
    for options, says in (
        ({"frame": 13}, "there is no frame 13: choose one from 1 to 12"),
        ({"frame": 9, "object": "dog"}, "no object 'dog': choose one of square 0 0, square 1 1"),
        ({"frame": 0}, "a number from 1"),
        ({"frame": 9, "label_field": "gt"}, "holds something other than a Heatmap"),
        ({"frame": 9, "label_field": "a b"}, "cannot be a field name"),
        ({"frame": 9, "prompt_field": "pred"}, "no Detections field"),
    ):
        arguments = {"prompt_field": "gt", "model": model, "skip_failures": False, **options}
        with pytest.raises(HS2SError, match=says):
            attention_heatmaps(dataset.select(sample.id), **arguments)
    with pytest.raises(HS2SError, match="does not read the first frame"):
        attention_heatmaps(dataset.select(sample.id), "gt", frame=9, model=color_model(), skip_failures=False)
