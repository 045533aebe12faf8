"""Frames of folders, of lists of images and of arrays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from frame_files import number_of, numbered, write_folder

from fiftyone_hs2s.errors import VideoError
from fiftyone_hs2s.tracking import open_frames


def test_folder_in_natural_order(tmp_path):
    folder = write_folder(tmp_path / "f", ["f1.png", "f2.png", "f10.jpg"])
    (folder / "notes.txt").touch()
    (folder / ".hidden.png").touch()
    frames = open_frames(folder)
    assert frames.names == ["f1", "f2", "f10"]
    assert frames.fps is None
    assert [number_of(frame) for frame in frames] == [0, 1, 2]
    assert [number_of(frame) for frame in frames.reversed()] == [2, 1, 0]
    assert frames.reversed().names == ["f10", "f2", "f1"]


def test_images_in_the_order_of_a_list(tmp_path):
    names = ["b/2.png", "a/10.png", "b/1.png"]
    for value, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((8, 10, 3), 50 * value, np.uint8))
    frames = open_frames([tmp_path / name for name in names])
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 50, 100] and frames.size == (8, 10)
    assert frames.names == ["2", "10", "1"]
    with pytest.raises(VideoError, match=r"first frame .*nowhere\.png is missing, damaged or not an image"):
        open_frames([str(tmp_path / "nowhere.png")])


def test_folder_without_images(tmp_path):
    with pytest.raises(VideoError, match="no images"):
        open_frames(tmp_path)


def test_folder_with_two_frames_of_one_name(tmp_path):
    with pytest.raises(VideoError, match="more than one image named a"):
        open_frames(write_folder(tmp_path / "f", ["a.png", "a.jpg"]))


def test_folder_with_damaged_frame_breaks_off_there(tmp_path):
    folder = write_folder(tmp_path / "f", [f"{i}.png" for i in range(6)])
    (folder / "3.png").write_bytes(b"damaged")
    frames = open_frames(folder)
    assert [number_of(frame) for frame in frames] == [0, 1, 2]
    assert "3.png" in frames.incomplete
    assert [number_of(frame) for frame in frames.reversed()] == [5, 4]
    with pytest.raises(VideoError, match=r"3\.png"):
        frames[3]


def test_folder_with_a_frame_of_another_size_breaks_off_there(tmp_path):
    folder = write_folder(tmp_path / "f", ["0.png", "1.png"])
    write_folder(folder, ["1.png"], size=(32, 32))
    frames = open_frames(folder)
    assert len(list(frames)) == 1
    assert "32x32" in frames.incomplete


def test_damaged_first_frame_is_an_error(tmp_path):
    (tmp_path / "0.png").write_bytes(b"damaged")
    with pytest.raises(VideoError, match=r"0\.png"):
        open_frames(tmp_path)


def test_array_and_slices():
    frames = open_frames(np.stack([numbered(index) for index in range(10)]))
    assert number_of(frames[-1]) == 9
    assert [number_of(frame) for frame in frames[3:7]] == [3, 4, 5, 6]
    assert [number_of(frame) for frame in frames[3:][2:4]] == [5, 6]
    assert [number_of(frame) for frame in frames.reversed()[2:4]] == [7, 6]
    assert [number_of(frame) for frame in frames[3:7].reversed()] == [6, 5, 4, 3]
    assert list(frames[20:]) == []
    assert list(frames.reversed()[20:]) == []
    assert frames[3:].name(1) == "00004"
    assert frames.reversed().name(1) == "00008"
    with pytest.raises(ValueError, match="reversed"):
        frames[::2]
    with pytest.raises(IndexError):
        frames[10]


@pytest.mark.parametrize(
    "array", [np.zeros((0, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8), np.uint8)]
)
def test_arrays_that_are_no_video(array):
    with pytest.raises(VideoError):
        open_frames(array)


def write_images(folder, images):
    folder.mkdir()
    for name, image in images.items():
        cv2.imwrite(str(folder / f"{name}.png"), image)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_frames_of_16_bits_are_scaled_by_the_bits_that_they_use(tmp_path, bits):
    """The same for all frames, so that a darker one stays darker."""
    full = np.linspace(0, 2**bits - 1, 40 * 30).astype(np.uint16).reshape(30, 40)
    write_images(tmp_path / "deep", {"0": full // 4, "1": full, "2": full // 2})
    frames = list(open_frames(tmp_path / "deep"))
    for frame, image in zip(frames, (full // 4, full, full // 2), strict=True):
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame, (image >> (bits - 8)).astype(np.uint8)[..., None].repeat(3, 2))


def test_frames_named_by_seconds_are_in_order_of_time(tmp_path):
    names = ["0.5", "0.75", "1.25", "10.0", "9.5"]
    write_images(tmp_path / "timed", {name: np.full((8, 8), float(name) * 10, np.uint8) for name in names})
    frames = open_frames(tmp_path / "timed")
    assert frames.names == ["0.5", "0.75", "1.25", "9.5", "10.0"]
    assert [int(frame[0, 0, 0]) for frame in frames] == [5, 7, 12, 95, 100]
