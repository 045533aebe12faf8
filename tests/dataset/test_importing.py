from __future__ import annotations

import json
import logging

import cv2
import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import T, iou, picture, truth

from fiftyone_hs2s import HS2SError, import_sequences
from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.masks import VOID, read_label_map, write_label_map
from fiftyone_hs2s.tracking import open_frames

ODD = 63, 95
"""Size of the frames: one that a video cannot have."""


def label_map(number: int) -> np.ndarray:
    """Object 2 is the red square, 5 the blue one; a corner is void."""
    masks = truth(number)
    found = np.zeros(ODD, np.uint8)
    found[masks[0][: ODD[0], : ODD[1]]], found[masks[1][: ODD[0], : ODD[1]]], found[:4, :4] = 2, 5, VOID
    return found


def write_sequence(root, name, numbers=range(1, T + 1), annotated=(1, 4, 12)) -> None:
    images, masks = root / "JPEGImages" / name, root / "Annotations" / name
    images.mkdir(parents=True)
    masks.mkdir(parents=True)
    for number in numbers:
        frame = picture(number)[: ODD[0], : ODD[1], ::-1]
        cv2.imwrite(str(images / f"{5 * number:05}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 100])
        if number in annotated:
            write_label_map(masks / f"{5 * number:05}.png", label_map(number))


@pytest.fixture
def root(tmp_path):
    write_sequence(tmp_path / "made", "walk")
    return tmp_path / "made"


@pytest.fixture
def imported():
    """Names of datasets to delete afterwards."""
    names: list[str] = []
    yield names
    for name in names:
        fo.delete_dataset(name, verbose=False)


def test_frames_masks_and_identities(root, tmp_path, imported):
    dataset = import_sequences(root, fps=6, videos=tmp_path / "videos")
    imported.append(dataset.name)
    (sample,) = dataset
    assert (sample.sequence, sample.filepath) == ("walk", str(tmp_path / "videos" / "made" / "walk.mp4"))
    assert (sample.metadata.frame_rate, sample.metadata.total_frame_count) == (6, T)
    size = sample.metadata.frame_height, sample.metadata.frame_width
    assert size == (64, 96)
    assert sorted(sample.frames) == [1, 4, 12]
    for number, frame in sample.frames.items():
        found = {d.index: detection_mask(d, size) for d in frame.ground_truth.detections}
        assert {d.label for d in frame.ground_truth.detections} == {"object 2", "object 5"}
        assert sorted(found) == [2, 5]
        for i, mask in found.items():
            np.testing.assert_array_equal(mask[: ODD[0], : ODD[1]], label_map(number) == i)
    instances = [[d.instance.id for d in frame.ground_truth.detections] for _, frame in sample.frames.items()]
    assert len({*map(tuple, instances)}) == 1
    assert len(set(instances[0])) == 2


def test_video_shows_the_frames(root, tmp_path, imported):
    dataset = import_sequences(root, videos=tmp_path / "videos")
    imported.append(dataset.name)
    frames = list(open_frames(dataset.first().filepath))
    assert len(frames) == T
    for given, frame in zip(open_frames(root / "JPEGImages" / "walk"), frames, strict=True):
        error = np.abs(given.astype(int) - frame[: ODD[0], : ODD[1]])
        assert error.mean() < 3, "the sharp edges of saturated colors are the worst case for a video"


def test_bad_sequences_are_named_and_skipped(root, tmp_path, caplog, imported):
    write_sequence(root, "cut")
    next(iter(sorted((root / "JPEGImages" / "cut").iterdir())[3:])).write_bytes(b"no image")
    write_sequence(root, "stray", annotated=(1,))
    write_label_map(root / "Annotations" / "stray" / "99999.png", label_map(1))
    write_sequence(root, "empty", annotated=())
    with caplog.at_level(logging.WARNING):
        names = ["cut", "stray", "empty", "nowhere", "walk"]
        dataset = import_sequences(root, names, "davis-test", videos=tmp_path / "videos")
    imported.append("davis-test")
    assert dataset.values("sequence") == ["walk"]
    lines = [
        record.getMessage() for record in caplog.records if record.name == "fiftyone_hs2s.dataset.importing"
    ]
    wanted = {
        "cut": "00020",
        "stray": "99999",
        "empty": "holds no PNG",
        "nowhere": "There is no video or folder",
    }
    for line, (name, reason) in zip(lines, wanted.items(), strict=True):
        assert line.startswith(f"Skipped the sequence {name}: ")
        assert reason in line
    assert [path.name for path in (tmp_path / "videos" / "made").iterdir()] == ["walk.mp4"]


def test_second_import_adds_what_is_new(root, tmp_path, imported):
    dataset = import_sequences(root, name="davis-test", videos=tmp_path / "videos")
    imported.append("davis-test")
    dataset.set_values("sequence", ["changed"])
    write_sequence(root, "zoo")
    assert import_sequences(root, name="davis-test", videos=tmp_path / "videos").values("sequence") == [
        "changed",
        "zoo",
    ]


def test_nothing_to_import(root, tmp_path, dataset):
    before = fo.list_datasets()
    with pytest.raises(HS2SError, match=r"There is no folder .*Annotations"):
        import_sequences(tmp_path)
    with pytest.raises(HS2SError, match=r"no sequence of .* could be imported: There is no video or folder"):
        import_sequences(root, ["nowhere"], "davis-test", videos=tmp_path / "videos")
    dataset.add_sample(fo.Sample(filepath="image.png"))
    with pytest.raises(HS2SError, match="holds image samples, not videos"):
        import_sequences(root, name=dataset.name, videos=tmp_path / "videos")
    assert fo.list_datasets() == before


def test_official_archives_have_a_folder_of_the_resolution(root, tmp_path, imported):
    for part in ("JPEGImages", "Annotations"):
        (root / part).rename(root / "moved")
        (root / part).mkdir()
        (root / "moved").rename(root / part / "480p")
    dataset = import_sequences(root, videos=tmp_path / "videos")
    imported.append(dataset.name)
    assert dataset.values("sequence") == ["walk"]


def test_real_sequence(shared_data, tmp_path, imported):
    root = shared_data / "data" / "video" / "DAVIS2017-schoolgirls"
    if not root.is_dir():
        pytest.skip(f"needs the sequence schoolgirls in {root}")
    dataset = import_sequences(root, videos=tmp_path)
    imported.append(dataset.name)
    sample = dataset.first()
    files = sorted((root / "Annotations" / "schoolgirls").iterdir())
    assert len(sample.frames) == len(files) == sample.metadata.total_frame_count
    last = read_label_map(files[-1])
    for detection in sample.frames[len(files)].ground_truth.detections:
        assert iou(detection_mask(detection, last.shape), last == detection.index) == 1


def test_overlapping_objects_with_files_of_their_own(root, tmp_path, imported):
    """The layout of SA-V: objects 000 and 001 lie over each other, and both keep all their pixels."""
    masks = root / "Annotations_6fps" / "walk"
    (root / "Annotations").rename(tmp_path / "away")
    for name, shift in (("000", 0), ("001", 3)):
        (masks / name).mkdir(parents=True)
        write_label_map(masks / name / "00005.png", np.roll((label_map(1) == 2).astype(np.uint8), shift, 1))
    dataset = import_sequences(root, videos=tmp_path / "videos")
    imported.append(dataset.name)
    found = {d.index: detection_mask(d, (64, 96)) for d in dataset.first().frames[1].ground_truth.detections}
    assert sorted(found) == [1, 2]
    np.testing.assert_array_equal(found[1][: ODD[0], : ODD[1]], label_map(1) == 2)
    np.testing.assert_array_equal(found[2][: ODD[0], : ODD[1]], np.roll(label_map(1) == 2, 3, 1))


def test_categories_of_meta_json_are_labels(root, tmp_path, imported, caplog):
    objects = {"2": {"category": "ape", "frames": ["00005"]}}
    (root / "meta.json").write_text(json.dumps({"videos": {"walk": {"objects": objects}}}))
    dataset = import_sequences(root, videos=tmp_path / "videos")
    imported.append(dataset.name)
    labels = {d.index: d.label for d in dataset.first().frames[1].ground_truth.detections}
    assert labels == {2: "ape", 5: "object 5"}
    (root / "meta.json").write_text('{"mine": 1}')
    imported.append(import_sequences(root, videos=tmp_path / "again").name)
    assert "Not used: " in caplog.text
