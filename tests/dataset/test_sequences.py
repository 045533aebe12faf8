from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import prompts

from fiftyone_hs2s.dataset.sequences import find_sequences

LENGTH = 400


@pytest.fixture
def long_sample(dataset):
    """More labels than fit into one database document (16 MB), as a few minutes of video have."""
    sample = fo.Sample(filepath="long.mp4")
    dataset.add_sample(sample)
    for field in ("gt", "few", "pred"):
        dataset.add_frame_field(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    mask = np.random.default_rng(0).random((600, 600)) > 0.5
    labels = fo.Detections(detections=[fo.Detection(label="noise", bounding_box=[0, 0, 0.5, 0.5], mask=mask)]).to_dict()
    frames = [
        {"_sample_id": sample._id, "frame_number": number, "gt": labels, **({"few": labels} if number == 300 else {})}
        for number in range(1, LENGTH + 1)
    ]
    dataset._frame_collection.insert_many(frames)  # in seconds, where the public way takes minutes
    return sample


def test_long_videos(dataset, long_sample):
    (sequence,) = find_sequences(dataset)
    assert [index for index, _ in sequence.labels("few")] == [299]
    assert [index for index, labels in sequence.labels("gt") if len(labels.detections) == 1] == list(range(LENGTH))
    assert sequence.read("gt", 350).detections[0].label == "noise"
    assert not sequence.has_labels("pred")
    sequence.write("pred", {index: prompts(1) for index in range(LENGTH - 5, LENGTH + 5)})
    assert sequence.has_labels("pred")
    assert [index for index, _ in sequence.labels("pred")] == list(range(LENGTH - 5, LENGTH + 5))
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
    (sequence,) = find_sequences(dataset)
    assert max(len(sequence._frames._replacements) for _ in sequence.labels("gt")) <= 100
