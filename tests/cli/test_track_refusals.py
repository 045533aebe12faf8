from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from track_kit import SIZE, refused

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import read_label_map, write_label_map


def test_missing_video_and_empty_folder(hs2s):
    refused(hs2s(video="none.mp4"), "none.mp4")
    os.mkdir("empty")
    refused(hs2s(video="empty"), "empty", "images")


def test_missing_and_damaged_masks(hs2s):
    refused(hs2s(mask="none.png"), "none.png")
    Path("bad.png").write_bytes(b"bad")
    refused(hs2s(mask="bad.png"), "bad.png")
    os.mkdir("empty")
    refused(hs2s(mask="empty"), "empty", "PNG")


def test_mask_of_another_size(hs2s):
    label_map = read_label_map("masks/IMG_8.png")
    write_label_map("square.png", label_map[:, :60])
    refused(hs2s(mask="square.png"), "square.png", "60x60", "60x107")
    write_label_map("double.png", label_map.repeat(2, 0).repeat(2, 1))
    assert hs2s(mask="double.png")[0] == 0
    np.testing.assert_array_equal(read_label_map("out/IMG_8.png"), label_map)


def test_mask_without_any_object(hs2s):
    write_label_map("empty.png", np.zeros(SIZE, np.uint8))
    refused(hs2s(mask="empty.png"), "empty.png", "no object")


def test_rgb_mask_is_refused_and_16_bit_mask_is_taken(hs2s):
    Image.fromarray(np.full((*SIZE, 3), (7, 99, 201), np.uint8)).save("rgb.png")
    refused(hs2s(mask="rgb.png"), "rgb.png", "RGB", "indexed PNG")
    write_label_map("deep.png", read_label_map("masks/IMG_8.png").astype(np.uint16) * 1000)
    assert hs2s(mask="deep.png")[0] == 0
    read = read_label_map("out/IMG_8.png")
    assert read.dtype == np.uint16
    assert set(np.unique(read)) == {0, 1000}


def test_mask_that_belongs_to_no_frame(hs2s):
    shutil.copy("masks/IMG_8.png", "masks/IMG_99.png")
    refused(hs2s(mask="masks"), "IMG_99.png", "IMG_8 to IMG_13")


def test_folder_that_cannot_be_written(hs2s):
    Path("file").touch()
    refused(hs2s(out="file"), "file", "cannot be written", out="file")
    refused(hs2s(out="file/below"), "file", "cannot be written")
    refused(hs2s("--json", "nowhere/report.json"), "nowhere/report.json")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere"
)
def test_read_only_folder(hs2s):
    os.mkdir("locked", 0o500)
    refused(hs2s(out="locked"), "locked", "cannot be written", out="locked")


def test_own_files_are_not_overwritten(hs2s):
    for folder in ("masks", "frames"):
        before = sorted(os.listdir(folder))
        status, _, error = hs2s(mask="masks", out=folder)
        assert (status, sorted(os.listdir(folder))) == (2, before)
        assert folder in error
    # The mask is one of them.
    refused(hs2s("--overwrite", out="masks"), "--out masks", "read from", out="nowhere")
    shutil.copy("frames/IMG_8.jpg", "one.jpg")
    for option, file in [
        ("--overlay", "one.jpg"),
        ("--json", "masks/IMG_8.png"),
        ("--json", "w.safetensors"),
    ]:
        refused(hs2s("--weights", "w.safetensors", option, file, video="one.jpg"), file, "read from")


def test_masks_of_two_runs_are_not_mixed(hs2s):
    assert hs2s("--json", "out/report.json", mask="masks")[0] == 0
    before = sorted(os.listdir("out"))
    status, _, error = hs2s("--direction", "backward")
    assert (status, sorted(os.listdir("out"))) == (2, before)
    assert "out holds masks already" in error
    assert "--overwrite" in error
    assert hs2s("--overwrite", "--direction", "backward")[0] == 0
    assert sorted(os.listdir("out")) == ["IMG_8.png", "report.json"]
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save("out/photo.png")
    status, _, error = hs2s("--overwrite")
    assert (status, sorted(os.listdir("out"))) == (2, ["IMG_8.png", "photo.png", "report.json"])
    assert "photo.png is not a label map" in error


def test_an_earlier_run_is_kept_until_the_first_new_mask_is_there(hs2s, monkeypatch):
    assert hs2s(mask="masks")[0] == 0
    before = {file.name: file.read_bytes() for file in Path("out").iterdir()}
    shutil.copytree("masks", "damaged")
    Path("damaged/IMG_11.png").write_bytes(b"damaged")
    shutil.copytree("frames", "broken")
    Path("broken/IMG_9.jpg").write_bytes(b"damaged")
    with monkeypatch.context() as patch:
        patch.setattr("fiftyone_hs2s.tracking.folders.write_label_map", _full_disk)
        assert hs2s("--overwrite")[0] == 2
        assert hs2s("--overwrite", mask="damaged")[0] == 2
        assert {file.name: file.read_bytes() for file in Path("out").iterdir()} == before
    assert hs2s("--overwrite", video="broken")[0] == 2
    assert os.listdir("out") == ["IMG_8.png"]  # what was tracked, and nothing of the earlier run


def _full_disk(path, label_map):
    raise HS2SError(f"{path} cannot be written (No space left on device)")
