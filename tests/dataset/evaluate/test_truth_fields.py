from __future__ import annotations

import fiftyone as fo
from fiftyone_kit import color_model, prompts

from fiftyone_hs2s import propagate
from fiftyone_hs2s.dataset.evaluate.truth import truth_fields


def test_prompts_are_no_truth_but_further_masks_are(dataset, sample, video):
    assert truth_fields(dataset, None) == ["gt"]
    later = fo.Sample(filepath=str(video))
    later.frames[2] = fo.Frame(gt=prompts(2))
    dataset.add_sample(later)
    propagate(dataset.select(sample.id), color_model(), prompt_field="gt", label_field="out")
    assert truth_fields(dataset, "frames.out") == [], "what was not propagated cannot be scored"
    assert truth_fields(dataset.to_clips([[[1, 6]], [[1, 6]]]), "out") == []
    sample.frames[9]["gt"] = prompts(9)
    sample.save()
    assert truth_fields(dataset, "frames.out") == ["gt"]
    assert truth_fields(dataset.select(later.id), "frames.out") == []


def test_images_in_groups(dataset, tmp_path):
    for number in range(3):
        image = fo.Sample(filepath=str(tmp_path / f"{number}.png"), scene="one", number=number)
        image["out"] = prompts(1)
        if number == 0:
            image["gt"] = prompts(1)
            for label in image.out.detections:
                label["keyframe"] = True
        dataset.add_sample(image)
    groups = dataset.group_by("scene", order_by="number")
    assert truth_fields(groups, "out") == []
    second = dataset.skip(1).first()
    second["gt"] = prompts(1)
    second.save()
    assert truth_fields(groups, "out") == ["gt"]
