from __future__ import annotations

import gc
import pickle

import cv2
import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from fiftyone_kit import prompts

from fiftyone_hs2s.dataset.find_sequences import find_sequences

LENGTH = 400


@pytest.fixture
def long_sample(dataset):
    """More labels than fit into one database document (16 MB), as a few minutes of video have."""
    sample = fo.Sample(filepath="long.mp4")
    dataset.add_sample(sample)
    for field in ("gt", "few", "pred"):
        dataset.add_frame_field(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    mask = np.random.default_rng(0).random((600, 600)) > 0.5
    labels = fo.Detections(
        detections=[fo.Detection(label="noise", bounding_box=[0, 0, 0.5, 0.5], mask=mask)]
    ).to_dict()
    frames = [
        {
            "_sample_id": sample._id,
            "frame_number": number,
            "gt": labels,
            **({"few": labels} if number == 300 else {}),
        }
        for number in range(1, LENGTH + 1)
    ]
    dataset._frame_collection.insert_many(frames)  # in seconds, where the public way takes minutes
    return sample


def test_long_videos(dataset, long_sample):
    (sequence,) = find_sequences(dataset)
    assert [index for index, _ in sequence.read("few")] == [299]
    assert [index for index, (labels,) in sequence.read("gt") if len(labels.detections) == 1] == list(
        range(LENGTH)
    )
    assert [labels for _, (_, labels) in sequence.read("few", "gt.detections.label")] == [["noise"]] * LENGTH
    assert sequence.read_at("gt", 350).detections[0].label == "noise"
    assert not sequence.has_labels("pred")
    sequence.write("pred", {index: prompts(1) for index in range(LENGTH - 5, LENGTH + 5)})
    assert sequence.has_labels("pred")
    assert [index for index, _ in sequence.read("pred")] == list(range(LENGTH - 5, LENGTH + 5))
    assert dataset.count("frames") == LENGTH + 5
    assert dataset.count("frames.gt") == LENGTH
    sequence.clear("pred")
    assert not sequence.has_labels("pred")


def test_labels_that_someone_adds_meanwhile_survive(dataset, sample):
    (sequence,) = find_sequences(dataset)
    sequence.add_field("pred")
    sequence.write("pred", {0: prompts(1)})
    dataset.set_values("frames.gt", {sample.id: {2: prompts(2), 1: prompts(1)}}, key_field="id")
    sequence.write("pred", {1: prompts(2), 3: prompts(4)})
    sample.reload()
    assert {n: len(f.gt.detections) for n, f in sample.frames.items()} == {1: 2, 2: 2, 4: 2}
    assert {n: len(f.pred.detections) for n, f in sample.frames.items()} == {1: 2, 2: 2, 4: 2}


def test_labels_on_every_second_frame_are_let_go(dataset):
    sample = fo.Sample(filepath="sparse.mp4")
    for number in range(1, 302, 2):
        sample.frames[number] = fo.Frame(gt=prompts(1, [0]))
    dataset.add_sample(sample)
    del sample
    fo.Sample._reset_docs(dataset._sample_collection_name)
    (sequence,) = find_sequences(dataset)
    before = held()
    assert max(held() for index, _ in sequence.read("gt") if index % 50 == 0) - before <= 100


def held() -> int:
    """How many detections there are in the memory."""
    gc.collect()
    return sum(type(thing) is fo.Detection for thing in gc.get_objects())


VIEWS = {
    "all": lambda dataset: dataset,
    "filtered": lambda dataset: dataset.filter_labels("frames.gt", F("index") == 1, only_matches=False),
    "matched": lambda dataset: dataset.match_labels(fields="frames.gt", filter=F("index") == 1),
    "frames": lambda dataset: dataset.match_frames(F("frame_number") > 4),
    "clip": lambda dataset: dataset.to_clips([[(3, 6)]]),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("sent", [False, True], ids=["here", "sent"])
def test_what_is_read_is_what_the_view_shows(dataset, sample, view, sent):
    for number in (2, 3, 5):
        sample.frames[number]["gt"] = prompts(number, [0, 1] if number < 5 else [0])
    sample.save()
    view = view(dataset)
    (sequence,) = find_sequences(view)
    if sent:
        sequence = pickle.loads(pickle.dumps(sequence))
    paths = ["id", "frame_number", "gt", "gt.detections.label", "gt.detections.instance._id"]
    (ids,), (numbers,), (labels,), (names,), (instances,) = view.values([f"frames.{path}" for path in paths])
    shown = [row for row in zip(numbers, ids, labels, names, instances, strict=True) if row[2] is not None]
    assert shown
    found = list(sequence.read("id", *paths[2:]))
    assert [(sequence.number(index), *values) for index, values in found] == shown
    for number, _, detections, *_ in shown:
        assert sequence.read_at("gt", number - sequence.number(0)) == detections


def test_groups_of_images_are_read_alike(dataset, tmp_path):
    for number in (3, 1, 2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((8, 10, 3), np.uint8))
        dataset.add_sample(fo.Sample(filepath=str(tmp_path / f"{number}.png"), scene="a", number=number))
    dataset.set_values("gt", [prompts(3), None, prompts(2)])
    (here,) = find_sequences(dataset.group_by("scene", order_by="number"))
    for sequence in (here, pickle.loads(pickle.dumps(here))):
        assert (sequence.known_length(), sequence.size, sequence.number(0)) == (3, (8, 10), 1)
        assert [(index, values[1]) for index, values in sequence.read("id", "gt.detections.index")] == [
            (index, [d.index for d in prompts(index + 1).detections]) for index in (1, 2)
        ]
        assert sequence.read_at("gt", 0) is None


def test_sequences_share_the_view_that_is_sent(dataset, video):
    dataset.add_samples([fo.Sample(filepath=f"{video}.{k}") for k in range(200)])
    view = dataset.match(F("filepath") != "nowhere")
    few, many = (pickle.dumps(find_sequences(part)) for part in (view[:1], view[:200]))
    assert (len(many) - len(few)) / 199 < 400
