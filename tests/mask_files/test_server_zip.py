from __future__ import annotations

import io
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.mask_files.server_zip import write_server_zip
from fiftyone_hs2s.masks import davis_palette, write_label_map

SIZE = (20, 30)


def label_map(value: int = 1, size: tuple[int, int] = SIZE) -> np.ndarray:
    result = np.zeros(size, np.uint8)
    result[5:12, 6:20] = value
    return result


def pictures(path):
    with ZipFile(path) as archive:
        return {name: Image.open(io.BytesIO(archive.read(name))) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("server", "prefix"),
    [("davis2017", ""), ("mose", ""), ("youtube-vos", "Annotations/"), ("lvos", "Annotations/")],
)
def test_names_palette_and_sizes_are_those_that_the_servers_take(tmp_path, server, prefix):
    write_label_map(tmp_path / "00005.png", label_map(2))
    Image.fromarray(label_map(255)).save(tmp_path / "white.png")  # a mask of others: white is the object
    masks = {"bear": [("00000", label_map()), ("00005", tmp_path / "00005.png")],
             "camel": iter([("00000", tmp_path / "white.png")])}  # fmt: skip
    assert write_server_zip(tmp_path / "out.zip", server, masks) == 3
    found = pictures(tmp_path / "out.zip")
    assert list(found) == [f"{prefix}{name}.png" for name in ("bear/00000", "bear/00005", "camel/00000")]
    for picture, value in zip(found.values(), (1, 2, 1), strict=True):
        assert picture.mode == "P"
        assert picture.getpalette() == davis_palette().ravel().tolist()
        np.testing.assert_array_equal(np.array(picture), label_map(value))


def test_frames_that_the_server_does_not_score_are_left_out_and_void_is_background(tmp_path):
    void = label_map(255)
    void[0, 0] = 3
    masks = {"bear": [("00000", void), ("00001", label_map())], "extra": [("00000", label_map())]}
    write_server_zip(tmp_path / "out.zip", "youtube-vos", masks, {"bear": {"00000": SIZE}})
    (picture,) = pictures(tmp_path / "out.zip").values()
    assert np.unique(np.array(picture)).tolist() == [0, 3]


def test_equal_masks_give_equal_files(tmp_path):
    for name in ("a", "b"):
        write_server_zip(tmp_path / f"{name}.zip", "mose", {"bear": [("00000", label_map())]})
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


FULL = {"bear": {"00000": SIZE, "00001": SIZE}}


@pytest.mark.parametrize(
    ("masks", "expected", "says"),
    [
        ({}, FULL, "sequences that were not tracked: bear"),
        ({}, None, "no sequence"),
        ({"bear": []}, None, "bear has no mask"),
        ({"bear": [("00000", label_map())]}, FULL, "frames of bear that have no mask: 00001"),
        ({"bear": [("00000", label_map()), ("00001", label_map(size=(10, 15)))]}, FULL, "10x15 pixels"),
        ({"bear": [("00000", label_map()), ("00001", label_map(size=(10, 15)))]}, None, "10x15 pixels"),
        ({"bear": [("00000", label_map().astype(np.uint16))]}, None, "up to 254"),
        ({"bear": [("00000", label_map()), ("00000", label_map())]}, None, "twice"),
        ({"../bear": [("00000", label_map())]}, None, "which the server does not expect"),
        ({"bear": [("frame 0", label_map())]}, None, "which the server does not expect"),
    ],
)
def test_what_a_server_would_refuse_is_refused_and_the_file_before_stays(tmp_path, masks, expected, says):
    (tmp_path / "out.zip").write_text("before")
    with pytest.raises(MaskError, match=says):
        write_server_zip(tmp_path / "out.zip", "davis2017", masks, expected)
    assert (tmp_path / "out.zip").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_unknown_server(tmp_path):
    with pytest.raises(HS2SError, match="server='davis' is unknown: did you mean 'davis2017'"):
        write_server_zip(tmp_path / "out.zip", "davis", {"bear": [("00000", label_map())]})
