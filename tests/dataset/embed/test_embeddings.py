"""Embeddings of tracks, and tracks that look alike, by FiftyOne Brain."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import T, detection, picture, prompted_sample, truth

from fiftyone_hs2s import HS2SError, compute_embeddings, find_similar_tracks, load_model, track_patches

KEY = "tracks"


@pytest.fixture(scope="module")
def model():
    return load_model("hs2s-lite-video-torch", size=(128, 192), device="cpu", precision="float32")


@pytest.fixture
def two(dataset, video, tmp_path) -> fo.Dataset:
    """The squares in two videos; in the second the blue one is lost after frame 4."""
    for name in ("one", "two"):
        path = tmp_path / f"{name}.mp4"
        path.symlink_to(video)
        dataset.add_sample(prompted_sample(path, "pred"))
    last = dataset.last()
    for number in range(5, T + 1):
        last.frames[number]["pred"].detections.pop()
    last.save()
    return dataset


def vectors(dataset: fo.Dataset) -> list[tuple[int, int, np.ndarray]]:
    """Frame, index and vector of the labels that have one, by sample and index."""
    found = []
    for sample in dataset:
        labels = [(n, label) for n, frame in sample.frames.items() for label in frame["pred"].detections]
        told = [(n, x.index, x.embedding) for n, x in labels if x.has_field("embedding")]
        found += sorted((row for row in told if row[2] is not None), key=lambda row: row[1])
    return found


def test_each_track_has_one_and_its_like_is_found(two, model, tmp_path):
    report = compute_embeddings(two, "pred", model=model, brain_key=KEY)
    assert (report.tracks, report.failed, report.brain_key) == (4, {}, KEY)
    found = vectors(two)
    assert [index for _, index, _ in found] == [0, 1, 0, 1]
    assert all(np.linalg.norm(vector) == pytest.approx(1) for _, _, vector in found)
    assert found[3][0] <= 4, "where it is shown"
    patches = track_patches(two, "frames.pred", tmp_path / "frames")
    assert sorted(patches.values("pred.index")) == [0, 0, 1, 1]
    assert all(path.startswith(str(tmp_path / "frames")) for path in patches.values("filepath"))
    last = two.last().id
    like = find_similar_tracks(two, "pred", KEY, last, "square 1", output_dir=tmp_path / "frames")
    assert like.values("pred.index")[:2] == [1, 1] and like.values("sample_id")[0] == last
    assert len(find_similar_tracks(two, "pred", KEY, last, 1, k=2, output_dir=tmp_path / "frames")) == 2


def test_a_view_hides_nothing_for_good_and_a_second_run_replaces(two, model, tmp_path):
    labels = two.count("frames.pred.detections")
    compute_embeddings(two, "pred", model=model)
    view = two[:1].filter_labels("frames.pred", fo.ViewField("index") == 0)
    assert compute_embeddings(view, "pred", model=model, num_frames=1).tracks == 1
    assert two.count("frames.pred.detections") == labels
    assert [index for _, index, _ in vectors(two)] == [0, 1, 0, 1]
    assert len(track_patches(two.to_clips([[[1, 3]], []]), "pred", tmp_path / "frames")) == 2


def test_one_bad_sample_is_named(two, model, tmp_path):
    sample = fo.Sample(filepath=str(tmp_path / "gone.mp4"))
    sample.frames[1] = fo.Frame(pred=fo.Detections(detections=[detection(truth(1)[0], label="a", index=0)]))
    two.add_sample(sample)
    report = compute_embeddings(two, "pred", model=model)
    assert report.tracks == 4 and sample.id in next(iter(report.failed))
    with pytest.raises(HS2SError, match=r"gone\.mp4"):
        compute_embeddings(two, "pred", model=model, skip_failures=False)


def test_groups_of_images(dataset, model, tmp_path):
    import cv2

    for number in (1, 4, 7):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), picture(number)[..., ::-1])
        labels = [detection(mask, label=f"square {i}", index=i) for i, mask in truth(number).items()]
        dataset.add_sample(
            fo.Sample(filepath=str(path), scene="a", number=number, pred=fo.Detections(detections=labels))
        )
    groups = dataset.group_by("scene", order_by="number")
    assert compute_embeddings(groups, "pred", model=model, brain_key=KEY).tracks == 2
    assert track_patches(groups, "pred").values("pred.index") == [0, 1]
    like = find_similar_tracks(groups, "pred", KEY, dataset.last().id, "square 0")
    assert like.values("pred.label") == ["square 0", "square 1"]


def test_what_cannot_be_done(two, model):
    with pytest.raises(HS2SError, match=r"has an embedding: run compute_embeddings\(\) first"):
        track_patches(two, "pred")
    with pytest.raises(HS2SError, match=r"no similarity index 'tracks'"):
        find_similar_tracks(two, "pred", KEY, two.first().id)
    for options, message in (
        ({"num_frames": 0}, "num_frames=0"),
        ({"brain_key": "a b"}, "'a b' cannot name"),
    ):
        with pytest.raises(HS2SError, match=message):
            compute_embeddings(two, "pred", model=model, **options)
    compute_embeddings(two, "pred", model=model, brain_key=KEY)
    with pytest.raises(HS2SError, match="is cow: those with an embedding are square 0 0, square 1 1"):
        find_similar_tracks(two, "pred", KEY, two.first().id, "cow")
    compute_embeddings(two, "pred", model=model, num_frames=1)
    with pytest.raises(HS2SError, match="'tracks' is older than the embeddings of 'pred'"):
        find_similar_tracks(two, "pred", KEY, two.first().id)
    compute_embeddings(two, "pred", model=model, brain_key=KEY)
    with pytest.raises(HS2SError, match="there is no sample"):
        find_similar_tracks(two[:1], "pred", KEY, two.last().id)
