from __future__ import annotations

import fiftyone as fo
import pytest
from fiftyone_kit import T, color_model

from fiftyone_hs2s import propagate
from fiftyone_hs2s.dataset.coloring import SCHEME


def luminance(color: str) -> float:
    """Relative luminance by WCAG 2."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("color", SCHEME["color_pool"])
def test_black_and_white_can_be_read_on_each_color(color):
    assert 1.05 / (luminance(color) + 0.05) > 4
    assert (luminance(color) + 0.05) / 0.05 > 4


def run(dataset: fo.Dataset) -> None:
    propagate(dataset, color_model(), prompt_field="gt", label_field="out", direction="both", overwrite=True)


def test_objects_are_told_apart_unless_somebody_has_chosen_colors(dataset, sample, monkeypatch):
    monkeypatch.setattr(fo.app_config, "color_by", "value")
    run(dataset)
    assert dataset.app_config.color_scheme is None
    monkeypatch.setattr(fo.app_config, "color_by", "field")
    run(dataset)
    assert dataset.app_config.color_scheme.color_by == "instance"
    dataset.app_config.color_scheme = fo.ColorScheme(color_by="value")
    dataset.save()
    run(dataset)
    assert dataset.app_config.color_scheme.color_by == "value"


def test_a_failure_leaves_the_colors_alone(dataset, video):
    unmasked = fo.Sample(filepath=str(video))
    unmasked.frames[1] = fo.Frame(gt=fo.Detections())
    dataset.add_sample(unmasked)
    run(dataset)
    assert dataset.app_config.color_scheme is None


def test_an_object_with_no_more_than_a_label_keeps_one_color(dataset, sample):
    """The App colors by index and instance, or else each frame's label by its own id."""
    drawn = fo.Instance()
    first, second = sample.frames[4].gt.detections
    first.index = second.index = None
    second.instance = drawn
    sample.save()
    run(dataset)
    labels = [frame.out.detections for frame in dataset.first().frames.values()]
    assert len(labels) == T
    assert {label.index for frame in labels for label in frame} == {None}
    (bare,) = {label.instance_id for frame in labels for label in frame if label.label == first.label}
    assert bare not in (None, drawn.id)
    assert {label.instance_id for frame in labels for label in frame if label.label == second.label} == {
        drawn.id
    }
