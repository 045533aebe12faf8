from __future__ import annotations

import cv2
import fiftyone as fo
import numpy as np
import pytest
from export_kit import hard_sample, label_map, masks, messages
from fiftyone_kit import detection, picture, truth
from PIL import Image

from fiftyone_hs2s import HS2SError, export_tracks, import_sequences
from fiftyone_hs2s.mask_files.sequence_masks import MaskSequence
from fiftyone_hs2s.masks import write_label_map


def test_imported_names_and_odd_sizes_come_out_again(tmp_path):
    """What a video cannot keep: frames 00000, 00005, ... of 63x95 pixels."""
    images, annotations = tmp_path / "in" / "JPEGImages" / "walk", tmp_path / "in" / "Annotations" / "walk"
    images.mkdir(parents=True)
    annotations.mkdir(parents=True)
    for k in range(3):
        cv2.imwrite(str(images / f"{5 * k:05}.jpg"), picture(k + 1)[:63, :95, ::-1])
        write_label_map(annotations / f"{5 * k:05}.png", label_map(k + 4)[:63, :95])
    dataset = import_sequences(tmp_path / "in", videos=tmp_path / "videos")
    export_tracks(dataset, "ground_truth", tmp_path / "out", "youtube-vos", export_media=True)
    for view in (dataset, dataset.to_clips([[(2, 3)]])):
        export_tracks(view, "ground_truth", tmp_path / "out2", "youtube-vos", overwrite=True)
    dataset.delete()
    for k in range(3):
        file = f"{5 * k:05}.png"
        written = np.array(Image.open(tmp_path / "out" / "Annotations" / "walk" / file))
        np.testing.assert_array_equal(written, label_map(k + 4)[:63, :95])
        assert cv2.imread(str(tmp_path / "out" / "JPEGImages" / "walk" / f"{5 * k:05}.jpg")).shape == (
            63,
            95,
            3,
        )
    clip = sorted(file.name for file in (tmp_path / "out2" / "Annotations" / "walk_2-3").iterdir())
    assert clip == ["00005.png", "00010.png"]


def test_clips_are_sequences_of_their_own(hard, tmp_path):
    report = export_tracks(hard.to_clips([[(2, 5), (8, 12)]]), "pred", tmp_path, export_media=True)
    assert report.sequences == ["walk_2-5", "walk_8-12"]
    written = {
        name: sorted(file.stem for file in (tmp_path / "Annotations" / "480p" / name).iterdir())
        for name in report.sequences
    }
    assert written == {
        "walk_2-5": ["00001", "00002", "00003", "00004"],
        "walk_8-12": ["00007", "00008", "00010", "00011"],
    }
    read = np.array(Image.open(tmp_path / "Annotations" / "480p" / "walk_8-12" / "00008.png"))
    np.testing.assert_array_equal(read, label_map(9))
    image = cv2.imread(str(tmp_path / "JPEGImages" / "480p" / "walk_8-12" / "00008.jpg"))[..., ::-1]
    assert np.abs(image.astype(int) - picture(9)).mean() < 8


def test_groups_of_images_have_the_names_of_their_files(dataset, tmp_path):
    folder = tmp_path / "bear"
    folder.mkdir()
    for number in (3, 1, 2):
        cv2.imwrite(str(folder / f"f{number}.jpg"), picture(number)[..., ::-1])
        found = fo.Detections(detections=[detection(truth(number)[0], label="bear", index=0)])
        dataset.add_sample(
            fo.Sample(filepath=str(folder / f"f{number}.jpg"), video="a", number=number, pred=found)
        )
    report = export_tracks(
        dataset.group_by("video", order_by="number"), "pred", tmp_path / "out", export_media=True
    )
    assert report.sequences == ["bear"]
    assert "plus 1" in messages(report.notes)
    for number in (1, 2, 3):
        written = np.array(Image.open(tmp_path / "out" / "Annotations" / "480p" / "bear" / f"f{number}.png"))
        np.testing.assert_array_equal(written, truth(number)[0])
        assert (tmp_path / "out" / "JPEGImages" / "480p" / "bear" / f"f{number}.jpg").exists()


def add(dataset, video, *frames: list[fo.Detection], **about) -> None:
    sample = fo.Sample(filepath=str(video), **about)
    for number, found in enumerate(frames, start=1):
        sample.frames[number] = fo.Frame(pred=fo.Detections(detections=found))
    dataset.add_sample(sample)


def test_ids_are_refused_or_right(dataset, video, tmp_path):
    red, blue = truth(1).values()
    add(
        dataset,
        video,
        [detection(red, label="a", index=300), detection(blue, label="b", index=2)],
        sequence="large",
    )
    add(dataset, video, [detection(red, label="a"), detection(blue, label="b")], sequence="labels")
    pair = [detection(red, label="a", index=4, instance=fo.Instance()), detection(blue, label="b", index=4)]
    add(dataset, video, pair, sequence="shared")
    add(dataset, video, [detection(red, label="a"), detection(blue, label="a")], sequence="alike")
    add(
        dataset,
        video,
        [detection(red, label="a", index=1)],
        [detection(red, label="b", index=1)],
        sequence="renamed",
    )
    add(dataset, video, [], sequence="none")
    report = export_tracks(dataset, "pred", tmp_path)
    assert report.sequences == ["large", "labels", "shared"]
    problems = [row["message"] for row in report.problems]
    assert "frame 1 have only the label 'a'" in problems[0]
    assert "index 1 is both 'a' and 'b'" in problems[1]
    assert "has no masks in 'pred'" in problems[2]
    root = tmp_path / "Annotations" / "480p"
    large = MaskSequence(root / "large").masks("00000")
    np.testing.assert_array_equal(large[300], red)
    np.testing.assert_array_equal(large[2], blue)
    assert "16-bit" in messages(report.notes)
    for name in ("labels", "shared"):
        found = MaskSequence(root / name).masks("00000")
        assert [int((mask & blue).any()) for mask in found.values()] in ([0, 1], [1, 0])
        assert sorted(found) == [1, 2]
    assert "several objects have one index" in messages(report.notes)
    assert sorted(file.name for file in root.iterdir()) == ["labels", "large", "shared"]
    with pytest.raises(HS2SError, match="is uint16: the server reads ids up to 254"):
        export_tracks(dataset[:1], "pred", tmp_path / "zip", "davis2017-zip")
    export_tracks(dataset[:1], "pred", tmp_path / "zip", "davis2017-zip", renumber=True)
    with pytest.raises(HS2SError, match=r"all sequences or none: sample .*have only the label 'a'"):
        export_tracks(dataset, "pred", tmp_path / "zip2", "davis2017-zip", renumber=True)


def test_nothing_is_replaced_or_left_half_done(hard, tmp_path, video):
    export_tracks(hard, "pred", tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.png")}
    with pytest.raises(HS2SError, match="exists already"):
        export_tracks(hard, "pred", tmp_path)
    broken = hard.first()
    broken.frames[9].pred.detections[0].mask = np.ones((3, 3, 3))
    broken.save()
    with pytest.raises(HS2SError, match="frame 9: its mask has shape"):
        export_tracks(hard, "pred", tmp_path, overwrite=True)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.png")} == before
    assert list(tmp_path.rglob(".*")) == []
    hard.add_sample(hard_sample(video))
    report = export_tracks(hard, "pred", tmp_path / "two", "youtube-vos")
    assert (report.sequences, len(report.problems)) == (["squares"], 1)


def test_what_cannot_be_is_said(hard, tmp_path):
    with pytest.raises(HS2SError, match="format='avi' is unknown: did you mean 'davis'"):
        export_tracks(hard, "pred", tmp_path, "avi")
    with pytest.raises(HS2SError, match="is not a Detections field"):
        export_tracks(hard, "nothing", tmp_path)
    with pytest.raises(HS2SError, match="every=0 leaves no frame"):
        export_tracks(hard, "pred", tmp_path, every=0)
    with pytest.raises(HS2SError, match="leave it out"):
        export_tracks(hard, "pred", tmp_path, like=tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_filters_of_a_view_hold(hard, tmp_path):
    view = hard.filter_labels("frames.pred", fo.ViewField("index") == 7)
    export_tracks(view, "pred", tmp_path)
    found = MaskSequence(tmp_path / "Annotations" / "480p" / "walk")
    assert {i for name in found.names for i in found.masks(name)} == {7}
    np.testing.assert_array_equal(found.masks("00005")[7], masks(6)[7])
