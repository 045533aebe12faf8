from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fiftyone_hs2s import masks
from fiftyone_hs2s.errors import HS2SError, MaskError

IDS = np.array([[0, 1, 2], [7, 254, 255]], np.uint8)


def save(path, array, mode=None, palette=None):
    image = Image.fromarray(array) if mode is None else Image.fromarray(array).convert(mode)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)
    return path


def test_palette_starts_with_the_known_davis_colors():
    known = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    assert [tuple(row) for row in masks.davis_palette()[:7]] == known
    assert tuple(masks.davis_palette()[21]) == (128, 64, 128)
    assert len(np.unique(masks.davis_palette(), axis=0)) == 256


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_written_label_map_reads_back(tmp_path, dtype):
    label_map = IDS.astype(dtype) * (100 if dtype == np.uint16 else 1)
    masks.write_label_map(tmp_path / "a.png", label_map)
    read = masks.read_label_map(tmp_path / "a.png")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, label_map)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_written_label_map_is_indexed_with_the_davis_palette(tmp_path):
    masks.write_label_map(tmp_path / "a.png", IDS)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        assert image.convert("RGB").getpixel((1, 0)) == (128, 0, 0)


def test_written_label_map_keeps_the_permissions_of_other_new_files(tmp_path):
    masks.write_label_map(tmp_path / "a.png", IDS)
    (tmp_path / "b").touch()
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_writing_refuses_what_is_no_label_map(tmp_path):
    with pytest.raises(MaskError, match="int64"):
        masks.write_label_map(tmp_path / "a.png", IDS.astype(np.int64))
    with pytest.raises(MaskError, match="cannot be written"):
        masks.write_label_map(tmp_path / "missing" / "a.png", IDS)


def test_indexed_image_gives_its_indices_whatever_the_palette(tmp_path):
    path = save(tmp_path / "a.png", IDS, "P", [9, 8, 7] * 256)
    # Pillow reorders nothing on a plain P image made from L
    np.testing.assert_array_equal(masks.read_label_map(path), IDS)


def test_grayscale_values_are_ids(tmp_path):
    np.testing.assert_array_equal(masks.read_label_map(save(tmp_path / "a.png", IDS)), IDS)


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA"])
def test_black_and_white_is_object_one(tmp_path, mode):
    white = np.array([[0, 255], [255, 0]], np.uint8)
    np.testing.assert_array_equal(masks.read_label_map(save(tmp_path / "a.png", white, mode)), white // 255)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_soft_edges_are_no_ids(tmp_path, mode):
    hard = np.zeros((80, 80), np.uint8)
    hard[20:60, 20:60] = 255
    soft = cv2.GaussianBlur(hard, (15, 15), 0)
    Image.fromarray(soft).convert(mode).save(tmp_path / "m.png")
    with pytest.raises(MaskError, match="soft edges"):
        masks.read_label_map(tmp_path / "m.png")


def test_many_ids_beside_void_are_kept(tmp_path):
    values = np.repeat(np.arange(60, dtype=np.uint8)[None], 20, 0)
    values[0, :10] = 255
    Image.fromarray(values).save(tmp_path / "m.png")
    assert np.array_equal(masks.read_label_map(tmp_path / "m.png"), values)


def test_void_of_an_indexed_image_stays_void(tmp_path):
    path = save(tmp_path / "a.png", np.array([[0, 255]], np.uint8), "P", masks.davis_palette().tobytes())
    assert masks.object_ids(masks.read_label_map(path)) == []


def test_sixteen_bit_values_are_kept(tmp_path):
    ids = np.array([[0, 300], [65535, 1]], np.uint16)
    read = masks.read_label_map(save(tmp_path / "a.png", ids))
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, ids)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_rgb_in_davis_colors_is_understood(tmp_path, mode):
    Image.fromarray(masks.davis_palette()[IDS]).convert(mode).save(tmp_path / "a.png")
    np.testing.assert_array_equal(masks.read_label_map(tmp_path / "a.png"), IDS)


def test_rgb_in_other_colors_is_refused_with_the_mend(tmp_path):
    path = save(tmp_path / "a.png", np.full((2, 2, 3), (10, 200, 30), np.uint8))
    with pytest.raises(MaskError, match=r"a\.png.*RGB.*indexed PNG"):
        masks.read_label_map(path)


def test_lossy_file_is_refused_whatever_its_name(tmp_path):
    Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(tmp_path / "a.png", format="JPEG")
    with pytest.raises(MaskError, match=r"a\.png is a JPEG file.*indexed PNG"):
        masks.read_label_map(tmp_path / "a.png")


def test_label_maps_are_told_from_pictures(tmp_path):
    for name, label_map in {"a.png": IDS, "b.png": IDS.astype(np.uint16)}.items():
        masks.write_label_map(tmp_path / name, label_map)
        assert masks.is_label_map(tmp_path / name)
    assert not masks.is_label_map(save(tmp_path / "gray.png", IDS))
    assert not masks.is_label_map(save(tmp_path / "palette.png", IDS, "P", [9, 8, 7] * 256))
    (tmp_path / "broken.png").write_bytes(b"broken")
    assert not masks.is_label_map(tmp_path / "broken.png")


def test_transparent_picture_is_refused(tmp_path):
    with pytest.raises(MaskError, match="indexed PNG"):
        masks.read_label_map(save(tmp_path / "a.png", np.zeros((2, 2, 4), np.uint8)))


@pytest.mark.parametrize("content", [b"", b"no image", "truncated"])
def test_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "broken.png"
    if content == "truncated":
        masks.write_label_map(path, np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
        content = path.read_bytes()[:200]
    path.write_bytes(content)
    with pytest.raises(MaskError, match=r"broken\.png"):
        masks.read_label_map(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(HS2SError, match=r"nothing\.png"):
        masks.read_label_map(tmp_path / "nothing.png")


def test_split_leaves_out_background_and_void():
    parts = masks.split_label_map(IDS)
    assert list(parts) == [1, 2, 7, 254]
    assert parts[7].dtype == bool
    assert parts[7].sum() == 1
    assert masks.object_ids(IDS.astype(np.uint16)) == [1, 2, 7, 254, 255]


@given(st.lists(st.integers(0, 999), min_size=6, max_size=6))
def test_join_undoes_split(values):
    label_map = np.array(values, np.uint16).reshape(2, 3)
    np.testing.assert_array_equal(masks.join_masks(masks.split_label_map(label_map), (2, 3)), label_map)


def test_join_picks_the_smallest_type_and_puts_the_later_on_top():
    full = np.ones((1, 2), bool)
    assert masks.join_masks({}, (1, 2)).dtype == np.uint8
    assert masks.join_masks({255: full}, (1, 2)).dtype == np.uint16
    assert masks.join_masks({2: full, 1: np.array([[True, False]])}, (1, 2)).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("mask_size", "frame_size"),
    [
        ((240, 427), (480, 854)),
        ((480, 853), (1080, 1920)),
        ((720, 1280), (180, 320)),
        ((264, 470), (480, 854)),
    ],
)
def test_fit_mask_resizes_where_the_aspect_fits(mask_size, frame_size):
    mask = np.zeros(mask_size, bool)
    mask[: mask_size[0] // 2] = True
    fitted = masks.fit_mask(mask, frame_size)
    assert fitted.shape == frame_size
    assert fitted.dtype == bool
    assert fitted.mean() == pytest.approx(0.5, abs=0.01)


def test_fit_mask_keeps_every_pixel_when_enlarging_by_two():
    np.testing.assert_array_equal(masks.fit_mask(IDS, (4, 6)), IDS.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("mask_size", [(480, 480), (854, 480), (480, 832), (0, 0)])
def test_fit_mask_refuses_another_aspect_naming_both_sizes(mask_size):
    with pytest.raises(MaskError, match=rf"{mask_size[0]}x{mask_size[1]}.*480x854"):
        masks.fit_mask(np.zeros(mask_size, bool), (480, 854))


def test_folders_are_listed_in_natural_order(tmp_path):
    for sequence in ("dog10", "dog2"):
        (tmp_path / sequence).mkdir()
        for frame in ("10", "9", ".hidden"):
            masks.write_label_map(tmp_path / sequence / f"{frame}.png", IDS)
    (tmp_path / "empty").mkdir()
    assert list(masks.list_sequences(tmp_path)) == ["dog2", "dog10"]
    assert list(masks.list_label_maps(tmp_path / "dog2")) == ["9", "10"]
    assert masks.list_sequences(tmp_path / "dog2") == {"dog2": tmp_path / "dog2"}


def test_folder_without_masks_is_named(tmp_path):
    with pytest.raises(MaskError, match="no PNG"):
        masks.list_sequences(tmp_path)
    with pytest.raises(MaskError, match="no folder"):
        masks.list_sequences(tmp_path / "nowhere")
