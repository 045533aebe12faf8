from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from export_kit import LABELS, hard_sample, label_map, labeled_frames, masks
from fiftyone_kit import H, W

from fiftyone_hs2s import DAVISDataset, HS2SError, SAVDataset, YouTubeVOSDataset
from fiftyone_hs2s.dataset.dataset_types import TrackExporter
from fiftyone_hs2s.dataset.labels import detection_mask


@pytest.fixture
def hard(dataset, video):
    dataset.add_sample(hard_sample(video, sequence="walk"))
    return dataset


@pytest.mark.parametrize("kind", [DAVISDataset, YouTubeVOSDataset, SAVDataset])
def test_exported_and_read_again_it_is_the_same(hard, tmp_path, kind):
    folder = str(tmp_path / "out")
    hard.export(export_dir=folder, dataset_type=kind, export_media=True)
    back = fo.Dataset.from_dir(
        folder, dataset_type=kind, videos=str(tmp_path / "videos"), field="pred", tags="mine"
    )
    (sample,) = back
    assert (sample.sequence, sample.tags) == ("walk", ["mine"])
    names = sample.frame_names if sample.has_field("frame_names") else None
    numbers = [int(name) + 1 for name in names] if names else list(range(1, len(sample.frames) + 1))
    assert numbers == labeled_frames()
    for number, (_, frame) in zip(numbers, sample.frames.items(), strict=True):
        found = {d.index: detection_mask(d, (H, W)) for d in frame.pred.detections}
        flat = {i: label_map(number) == i for i in LABELS if (label_map(number) == i).any()}
        expected = masks(number) if kind is SAVDataset else flat
        assert found.keys() == expected.keys()
        for index, mask in expected.items():
            np.testing.assert_array_equal(found[index], mask)
        if kind is YouTubeVOSDataset:
            assert {d.index: d.label for d in frame.pred.detections} == {i: LABELS[i] for i in found}
    back.delete()


def test_the_field_is_never_guessed(hard, tmp_path):
    hard.clone_frame_field("pred", "other")
    with pytest.raises(HS2SError, match="Give field=, one of "):
        hard.export(export_dir=str(tmp_path / "a"), dataset_type=DAVISDataset)
    exporter = TrackExporter(tmp_path / "b", field="frames.other", format="mots")
    hard.export(dataset_exporter=exporter)
    assert exporter.report.sequences == ["walk"]
    assert (tmp_path / "b" / "walk.txt").exists()


def test_from_dir_names_what_it_skips(hard, tmp_path, caplog):
    hard.export(export_dir=str(tmp_path / "out"), dataset_type=YouTubeVOSDataset, export_media=True)
    (tmp_path / "out" / "Annotations" / "bare").mkdir()
    options = {"dataset_type": YouTubeVOSDataset, "videos": str(tmp_path / "videos")}
    back = fo.Dataset.from_dir(str(tmp_path / "out"), sequences=["bare", "walk"], **options)
    assert back.values("sequence") == ["walk"]
    back.delete()
    assert "Skipped the sequence bare: " in caplog.text
    with pytest.raises(HS2SError, match=r"no sequence of .* could be imported"):
        fo.Dataset.from_dir(str(tmp_path / "out"), sequences=["bare"], **options)
    with pytest.raises(HS2SError, match="There is no folder"):
        fo.Dataset.from_dir(str(tmp_path), **options)
