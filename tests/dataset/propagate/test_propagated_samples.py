from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from fiftyone_kit import (
    H,
    T,
    W,
    assert_right,
    found,
    picture,
    prompts,
)
from PIL import Image
from propagate_kit import run

from fiftyone_hs2s import HS2SError, analyze, evaluate_propagation, find_failures, propagate
from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.progress import Progress


def test_clips(dataset, sample, model):
    sample.frames[9]["gt"] = prompts(9)
    sample.save()
    clips = dataset.to_clips([[(3, 6), (8, 10)]])
    report = run(clips, model, direction="both")
    sample.reload()
    assert_right(found(sample), [3, 4, 5, 6, 8, 9, 10])
    assert sample.pred_status == "complete 3-6, complete 8-10"
    assert len(report.complete) == 2
    assert len(run(clips, model).skipped) == 2
    assert str(run(dataset, model, overwrite=True)) == "1 tracked"
    assert len(run(clips, model).skipped) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whole_video_is_unfinished_once_a_clip_lost_its_labels(dataset, sample, model, error):
    def interrupt(event: Progress) -> None:
        if event.within:
            raise error

    run(dataset, model, direction="both")
    clips = dataset.to_clips([[(3, 6)]])
    with pytest.raises(error):
        run(clips, model, overwrite=True, progress=interrupt)
    assert len(run(dataset.to_clips([[(8, 10)]]), model).skipped) == 1
    assert str(run(dataset, model, direction="both")) == "1 tracked"
    sample.reload()
    assert_right(found(sample), range(1, T + 1))


@pytest.mark.parametrize("then", [lambda d: d, lambda d: d.to_clips([[(4, 9)]])])
def test_labels_of_a_clip_do_not_come_from_elsewhere(dataset, sample, model, then):
    run(dataset.to_clips([[(1, 6)]]), model)
    assert str(run(then(dataset), model)) == "1 tracked"


def test_results_that_are_gone_are_made_again(dataset, sample, model):
    run(dataset, model)
    dataset.delete_frame_field("pred")
    assert str(run(dataset, model)) == "1 tracked"
    sample.reload()
    assert_right(found(sample), range(4, T + 1))


def test_slices_of_grouped_datasets(dataset, video, model):
    dataset.add_group_field("group", default="left")
    group = fo.Group()
    samples = [fo.Sample(filepath=str(video), group=group.element(name)) for name in ("left", "right")]
    for sample in samples:
        sample.frames[4] = fo.Frame(gt=prompts(4))
    dataset.add_samples(samples)
    right = dataset.select_group_slices("right")
    assert str(run(right, model)) == "1 tracked"
    assert len(run(dataset.select_group_slices(["left", "right"]), model).skipped) == 1
    evaluate_propagation(right, "pred", "gt", "ev", protocol="all")
    assert right.values("ev_J") == [1]
    find_failures(right, "pred", "gt", save_views=True)
    assert [len(events.detections) for events in right.values("pred_events")] == [0]
    assert analyze(right, "pred", "gt", protocol="all").analysis.num_objects == 2


def test_overlapping_clips_are_refused(dataset, sample, model):
    with pytest.raises(HS2SError, match=r"frames 3-6 and 5-9 of .* overlap"):
        run(dataset.to_clips([[(3, 6), (5, 9)]]), model)


def test_filters_of_a_view_hold_for_the_prompts(dataset, sample, model):
    run(dataset.filter_labels("frames.gt", F("label") == "square 1"), model)
    sample.reload()
    assert_right(found(sample), range(4, T + 1), [1])


@pytest.fixture
def image_groups(dataset, tmp_path):
    """The remote zoo dataset voxel51/davis-2017 in its image format."""
    for name in ("cat", "dog"):
        for number in np.random.default_rng(0).permutation(T) + 1:
            path = tmp_path / name / f"{number:05d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(picture(number)).save(path)
            dataset.add_sample(
                fo.Sample(
                    filepath=str(path),
                    sequence_id=name,
                    frame_number=f"{number:05d}",
                    ground_truth=prompts(number) if number == 4 else None,
                )
            )
    return dataset.group_by("sequence_id", order_by="frame_number")


def test_images_in_groups(image_groups, dataset, model):
    report = propagate(image_groups, model, prompt_field="ground_truth", label_field="pred", direction="both")
    assert len(report.complete) == 2
    for group in image_groups.iter_dynamic_groups():
        results = {
            int(s.frame_number): {d.index: detection_mask(d, (H, W)) for d in s.pred.detections}
            for s in group
        }
        assert_right(results, range(1, T + 1))
    assert dataset.distinct("pred_status") == ["complete"]
    assert len(propagate(image_groups, model, prompt_field="ground_truth", label_field="pred").skipped) == 2


def test_groups_with_images_that_were_added_later_are_done_again(image_groups, dataset, model):
    fields = {"prompt_field": "ground_truth", "label_field": "pred"}
    early = dataset.match(F("frame_number") < "00007").group_by("sequence_id", order_by="frame_number")
    propagate(early, model, direction="both", **fields)
    assert len(propagate(image_groups, model, direction="both", **fields).complete) == 2
    assert dataset.count("pred") == 2 * T


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("gone", "pred"), "prompt field 'gone' of the dataset .* does not exist: choose one of gt"),
        (("frames.note", "pred"), "'note' .* holds nothing to start from"),
        (("gt", "note"), "'note' holds something other than Detections"),
        (("gt", "a.b"), "'a.b' cannot be a field name"),
        (("gt", "taken"), "'taken_status' is in use"),
    ],
)
def test_fields_that_cannot_work(dataset, sample, model, fields, message):
    dataset.add_frame_field("note", fo.StringField)
    dataset.add_sample_field("taken_status", fo.IntField)
    with pytest.raises(HS2SError, match=message):
        run(dataset, model, prompt_field=fields[0], label_field=fields[1], skip_failures=True)


def test_no_field_at_all(dataset, video, model):
    dataset.add_sample(fo.Sample(filepath=str(video)))
    with pytest.raises(HS2SError, match="does not exist: add masks of the objects to its frames"):
        run(dataset, model)


def test_datasets_that_cannot_work(dataset, model, tmp_path):
    with pytest.raises(HS2SError, match="is empty: add videos to it"):
        run(dataset, model)
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "image.png")))
    with pytest.raises(HS2SError, match=r"holds image samples: .* dataset.group_by\("):
        run(dataset, model)


def test_views_that_cannot_work(dataset, sample, model):
    with pytest.raises(HS2SError, match=r"use them without group_by\(\)"):
        run(dataset.group_by("filepath"), model)
    with pytest.raises(HS2SError, match=r"shows their frames one by one: use '.*' itself"):
        run(dataset.to_frames(), model)


@pytest.mark.parametrize("option", [{"direction": "sideways"}, {"prompt_frames": "some"}])
def test_options_that_are_unknown(dataset, sample, model, option):
    with pytest.raises(HS2SError, match="is unknown: choose one of"):
        run(dataset, model, **option)
