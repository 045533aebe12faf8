from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmark_kit import SIZE, make_davis, make_youtube_vos, write_sequence

from fiftyone_hs2s.benchmark import find_benchmark
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import write_label_map


def write_masks(root: Path, name: str = "s", part: str = "Annotations") -> None:
    (root / part / name).mkdir(parents=True)
    write_label_map(root / part / name / "00000.png", np.ones(SIZE, np.uint8))


def davis2016(root):
    (root / "ImageSets/480p").mkdir(parents=True)
    (root / "ImageSets/480p/val.txt").write_text(
        "/JPEGImages/480p/s/00000.jpg /Annotations/480p/s/00000.png\n"
    )


def both_davis(root):
    davis2016(root)
    for year in ("2016", "2017"):
        (root / f"ImageSets/{year}").mkdir()
        (root / f"ImageSets/{year}/val.txt").write_text("s\n")


def lvos(root):
    (root / "valid_meta.json").write_text(
        '{"videos": {"s": {"objects": {"1": {"frame_range": {"start": "1"}}}}}}'
    )


def sa_v(root):
    write_masks(root, "v/000", "Annotations_6fps")
    (root / "sav_val.txt").write_text("v\n")


@pytest.mark.parametrize(
    ("folder", "make", "split", "kind"),
    [
        ("data", davis2016, "val", "davis2016"),
        ("data", both_davis, "val", "davis2017"),
        ("data", both_davis, "2016/val", "davis2016"),
        ("MOSE/valid", None, None, "mose"),
        ("LVOS/valid", None, None, "lvos"),
        ("data", lvos, None, "lvos"),
        ("sav_val", sa_v, "val", "sa-v"),
        ("sav_val", sa_v, "sav_val", "sa-v"),
        ("data", None, None, "davis2017"),
    ],
)
def test_the_data_set_is_told_by_its_files(tmp_path, folder, make, split, kind):
    root = tmp_path / folder
    (root / ("JPEGImages_24fps" if make is sa_v else "JPEGImages") / "s").mkdir(parents=True)
    if make is not sa_v:
        write_masks(root)
    if make:
        make(root)
    found = find_benchmark(root, split)
    assert (found.kind, found.sequences) == (kind, ["v" if make is sa_v else "s"])
    assert found.root == root


def test_the_folder_of_frames_and_that_of_all_splits(tmp_path):
    root = make_davis(tmp_path / "DAVIS", ("bear",))
    write_sequence(root, "bear", sub="Full-Resolution")
    for given in ("JPEGImages/480p", "JPEGImages", "."):
        found = find_benchmark(root / given, "val")
        assert (found.root, found.images.name, found.masks.name) == (root, "480p", "480p")
    full = find_benchmark(root / "JPEGImages/Full-Resolution", "val")
    assert (full.images.name, full.masks.name) == ("Full-Resolution", "Full-Resolution")
    youtube = make_youtube_vos(tmp_path / "YouTubeVOS")
    assert find_benchmark(youtube, "val").root == youtube / "valid"
    with pytest.raises(HS2SError, match=r"give one of its parts, train, valid, or its name as split"):
        find_benchmark(youtube)
    (tmp_path / "empty").mkdir()
    for folder, says in ((tmp_path / "none", "There is no folder"), (tmp_path / "empty", "give its root")):
        with pytest.raises(HS2SError, match=says):
            find_benchmark(folder)
    with pytest.raises(HS2SError, match="There is no split 'test'"):
        find_benchmark(root, "test")
    with pytest.raises(HS2SError, match="benchmark='davis' is unknown: did you mean 'davis2017'"):
        find_benchmark(root, kind="davis")
