from __future__ import annotations

import cv2
import fiftyone as fo
import numpy as np
import pytest
from export_kit import UNLABELED, hard_sample, label_map, labeled_frames
from fiftyone_kit import T, detection, picture, truth

from fiftyone_hs2s import HS2SError, to_segmentations


@pytest.fixture
def hard(dataset, video):
    dataset.add_sample(hard_sample(video, sequence="walk"))
    return dataset


@pytest.mark.parametrize("in_files", [False, True])
def test_pixels_are_ids_in_the_database_and_in_files(hard, tmp_path, caplog, in_files):
    folder = tmp_path / "masks" if in_files else None
    report = to_segmentations(hard, "pred", "frames.seg", folder)
    assert (report.sequences, report.frames) == (["walk"], T - 1)
    assert "overlap on 6 frames" in report.notes[0]["message"]
    assert "Exported walk: objects overlap on 6 frames" in caplog.text
    assert str(report) == f"1 sequence, {T - 1} frames" + (f" in {folder}" if folder else "")
    hard.reload()
    for number, frame in hard.first().frames.items():
        if number == UNLABELED:
            assert frame.seg is None
        else:
            assert (frame.seg.mask_path is not None) == in_files
            np.testing.assert_array_equal(frame.seg.get_mask(), label_map(number))
    if folder:
        names = [f"{number - 1:05}.png" for number in labeled_frames()]
        assert sorted(file.name for file in (folder / "walk").iterdir()) == names
        with pytest.raises(HS2SError, match="exists already"):
            to_segmentations(hard, "pred", "seg", folder)
        to_segmentations(hard, "pred", "seg", folder, overwrite=True)


def test_groups_of_images_and_clips(hard, dataset, tmp_path):
    to_segmentations(hard.to_clips([[(2, 3)]]), "pred", "seg")
    hard.reload()
    found = {n: f.seg for n, f in hard.first().frames.items()}
    assert [n for n, seg in found.items() if seg] == [2, 3]
    np.testing.assert_array_equal(found[3].mask, label_map(3))
    images = fo.Dataset()
    for number in (2, 1):
        file = str(tmp_path / f"{number}.jpg")
        cv2.imwrite(file, picture(number))
        labels = fo.Detections(detections=[detection(truth(number)[0], label="a", index=300)])
        images.add_sample(fo.Sample(filepath=file, video="a", number=number, pred=labels))
    to_segmentations(images.group_by("video", order_by="number"), "pred", "seg", tmp_path / "out")
    images.reload()
    for sample in images:
        np.testing.assert_array_equal(sample.seg.get_mask(), truth(sample.number)[0] * np.uint16(300))
    images.delete()


def test_what_cannot_be_is_said(hard):
    with pytest.raises(HS2SError, match="'pred' holds something other than Segmentation"):
        to_segmentations(hard, "pred", "pred")
    with pytest.raises(HS2SError, match="cannot be a field name"):
        to_segmentations(hard, "pred", "a b")
