"""What the pixels of mask files mean. The files are made by the programs that users make them with."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from fiftyone_hs2s.errors import MaskError
from fiftyone_hs2s.mask_files.palettes import davis_palette
from fiftyone_hs2s.mask_files.reading import LabelMapReader, mask_size, read_label_map
from fiftyone_hs2s.masks import object_ids

TWO = np.zeros((60, 80), np.uint8)
TWO[8:28, 8:30], TWO[30:52, 40:70] = 1, 2
WHITE = (TWO > 0).astype(np.uint8) * 255


def save(path, image, **options):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def painted(label_map=TWO, palette=None):
    return Image.fromarray((davis_palette() if palette is None else palette)[label_map])


def soft(scale=0.5, method=Image.Resampling.BILINEAR, image=None):
    image = image or Image.fromarray(WHITE)
    return image.resize((int(image.width * scale * 0.97), int(image.height * scale)), method)


@pytest.mark.parametrize("method", list(Image.Quantize)[:2])
def test_reduced_davis_colors_are_read_by_color(tmp_path, method):
    reduced = painted().quantize(8, method=method)
    np.testing.assert_array_equal(read_label_map(save(tmp_path / "m.png", reduced)), TWO)


def test_reduced_colors_keep_their_objects_when_one_is_out_of_view(tmp_path):
    only = np.where(TWO == 2, TWO, 0).astype(np.uint8)
    read = read_label_map(
        save(tmp_path / "m.png", painted(only).convert("P", palette=Image.Palette.ADAPTIVE))
    )
    np.testing.assert_array_equal(read, only)


@pytest.mark.parametrize("white", [WHITE, 255 - WHITE, np.full((60, 80), 255, np.uint8)])
def test_reduced_black_and_white_is_object_one(tmp_path, white):
    read = read_label_map(save(tmp_path / "m.png", Image.fromarray(white).convert("RGB").quantize(4)))
    np.testing.assert_array_equal(read, white // 255)


def test_reduced_other_colors_are_refused_by_their_palette(tmp_path):
    palette = np.array([(0, 0, 0), (250, 10, 10), (10, 250, 10)], np.uint8)
    reordered = Image.fromarray(((TWO + 2) % 3).astype(np.uint8))  # background is index 2
    reordered.putpalette(np.roll(palette, -1, 0).tobytes())
    with pytest.raises(MaskError, match=r"m\.png.*index 0 is not the background.*\(250, 10, 10\).*1, 2"):
        read_label_map(save(tmp_path / "m.png", reordered))


def test_any_palette_with_the_background_at_index_0_is_fine(tmp_path):
    rng = np.random.default_rng(0)
    for first in ((0, 0, 0), (255, 255, 255), (90, 10, 10)):
        palette = rng.integers(1, 255, (256, 3), np.uint8)
        palette[0] = first
        image = Image.fromarray(TWO)
        image.putpalette(palette.tobytes())
        np.testing.assert_array_equal(read_label_map(save(tmp_path / "m.png", image)), TWO)


@pytest.mark.parametrize("method", ["BOX", "BILINEAR", "BICUBIC", "LANCZOS"])
@pytest.mark.parametrize("kind", ["L", "RGB", "web", "web undithered", "16 colors", "4 grays", "16 bit"])
def test_soft_edges_of_scaling_are_refused(tmp_path, method, kind):
    gray = soft(method=Image.Resampling[method])
    image = {
        "L": lambda: gray,
        "RGB": lambda: gray.convert("RGB"),
        "web": lambda: gray.convert("RGB").convert("P"),
        "web undithered": lambda: gray.convert("RGB").convert("P", dither=Image.Dither.NONE),
        "16 colors": lambda: gray.convert("RGB").quantize(16),
        "4 grays": lambda: Image.fromarray((np.round(np.asarray(gray) / 85) * 85).astype(np.uint8)),
        "16 bit": lambda: Image.fromarray(np.asarray(gray).astype(np.uint16) * 257),
    }[kind]()
    with pytest.raises(MaskError, match=r"soft edges|index 0 is not the background"):
        read_label_map(save(tmp_path / "m.png", image))


@pytest.mark.parametrize("radius", [0.5, 1, 3, 8])
def test_blur_is_refused(tmp_path, radius):
    with pytest.raises(MaskError, match="soft edges"):
        read_label_map(
            save(tmp_path / "m.png", Image.fromarray(WHITE).filter(ImageFilter.GaussianBlur(radius)))
        )


@pytest.mark.parametrize("quality", [50, 75, 90, 95])
def test_what_a_jpeg_left_is_refused(tmp_path, quality):
    image = Image.open(
        save(
            tmp_path / "m.jpg",
            painted(TWO, np.array([[0] * 3, [255] * 3, [255] * 3], np.uint8)),
            quality=quality,
        )
    )
    for mode in ("L", "RGB"):
        with pytest.raises(MaskError):
            read_label_map(save(tmp_path / "m.png", image.convert(mode)))


def test_soft_edges_in_the_davis_palette_are_refused(tmp_path):
    """Dithered to web colors, and given the palette of DAVIS afterwards: no color tells any more."""
    image = soft(image=painted()).convert("P")
    image.putpalette(davis_palette().tobytes())
    with pytest.raises(MaskError, match="soft edges"):
        read_label_map(save(tmp_path / "m.png", image))


def test_thin_objects_beside_others_are_no_soft_edges(tmp_path):
    dog = TWO.copy()
    cv2.line(dog, (20, 18), (70, 3), 3, 1)  # a leash
    cv2.circle(dog, (55, 40), 7, 4, 1)
    walls = np.kron(np.arange(1, 13, dtype=np.uint8).reshape(3, 4), np.ones((20, 20), np.uint8))
    walls[:, 40], walls[20] = 20, 21  # thin, all touching, and no background at all
    # Void around, as VOC.
    ringed = np.where(cv2.dilate(TWO, np.ones((3, 3))) != TWO, 255, TWO).astype(np.uint8)
    for label_map in (dog, walls, ringed):
        for image in (Image.fromarray(label_map), _indexed(label_map)):
            np.testing.assert_array_equal(read_label_map(save(tmp_path / "m.png", image)), label_map)


def _indexed(label_map):
    image = Image.fromarray(label_map)
    image.putpalette(davis_palette().tobytes())
    return image


def test_no_real_mask_is_taken_for_soft(shared_data):
    """The first and middle masks of every set, at their size and much smaller."""
    folders = [*shared_data.glob("data/video/*/Annotations/*"), *shared_data.glob("data/*/*/Masks")]
    if not folders:
        pytest.skip("needs the sets of masks in shared/data")
    from fiftyone_hs2s.mask_files.soft_edges import has_soft_edges

    for folder in folders:
        files = sorted(folder.glob("*.png"))
        for file in {files[0], files[len(files) // 2]}:
            label_map = read_label_map(file)
            assert not has_soft_edges(label_map[::3, ::3]), file


# --- white, once for a sequence


def sequence(folder, maps):
    folder.mkdir()
    files = [save(folder / f"{t:05}.png", image) for t, image in enumerate(maps)]
    return files, LabelMapReader(files)


def test_void_stays_void_on_frames_without_objects(tmp_path):
    border = np.where(cv2.dilate(TWO, np.ones((5, 5))) != TWO, 255, TWO).astype(np.uint8)
    empty = np.where(border == 255, 255, 0).astype(np.uint8)
    files, reader = sequence(tmp_path / "s", [empty, empty, border])
    for file, wanted in zip(files, (empty, empty, border), strict=True):
        np.testing.assert_array_equal(reader.read(file), wanted)
        assert object_ids(reader.read(file)) == ([1, 2] if wanted is border else [])
    assert reader.note is None


def test_white_beside_grays_is_an_object_and_said_so(tmp_path):
    grays = np.array([0, 127, 255], np.uint8)[TWO]
    alone = np.where(grays == 255, grays, 0).astype(np.uint8)
    files, reader = sequence(tmp_path / "s", [alone, grays])
    assert [object_ids(reader.read(file)) for file in files] == [[255], [127, 255]]
    assert "255" in reader.note and "127" in reader.note and "--void 255" in reader.note
    # a prediction that has lost the other object all along
    _, prediction = sequence(tmp_path / "p", [alone])
    assert object_ids(prediction.read(files[0])) == [1]
    assert object_ids(LabelMapReader(files[:1], like=reader).read(files[0])) == [255]
    # named as void it is void
    assert object_ids(LabelMapReader(files, void=255).read(files[1])) == [127]


@pytest.mark.parametrize(
    "mode", ["L", "1", "I;16", "gray palette", "black and white palette", "16 grays", "RGB"]
)
def test_white_on_black_is_object_one_in_every_mode(tmp_path, mode):
    gray = Image.fromarray(WHITE)
    ramp = Image.fromarray(WHITE // 17)
    ramp.putpalette(np.repeat(np.arange(16, dtype=np.uint8)[:, None] * 17, 3, 1).tobytes())
    two = Image.fromarray(WHITE // 255)
    two.putpalette([0, 0, 0, 255, 255, 255])
    image = {"I;16": Image.fromarray(WHITE.astype(np.uint16) * 257), "gray palette": gray.convert("P"),
             "black and white palette": two, "16 grays": ramp}.get(mode) or gray.convert(mode)  # fmt: skip
    read = read_label_map(save(tmp_path / "m.png", image))
    np.testing.assert_array_equal(read, WHITE // 255)


def test_void_of_16_bits_has_to_be_named(tmp_path):
    mots = np.array([0, 1003, 10000], np.uint16)[TWO]  # as KITTI MOTS
    path = save(tmp_path / "m.png", mots)
    assert object_ids(read_label_map(path)) == [1003, 10000]
    np.testing.assert_array_equal(read_label_map(path, void=10000), mots)
    low = save(tmp_path / "low.png", np.array([0, 1, 254], np.uint8)[TWO])
    assert object_ids(read_label_map(low, void=254)) == [1]


# --- files that fill the memory


@pytest.mark.parametrize("size", [(50000, 50000), (12000, 12000), (640 * 12, 480 * 12)])
@pytest.mark.parametrize("mode", ["1", "RGB"])
def test_far_too_large_files_are_refused_by_their_heads(tmp_path, size, mode):
    path = tmp_path / "m.png"
    save(path, Image.new(mode, (8, 8)))
    head = bytearray(path.read_bytes())
    head[16:24] = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")
    import zlib

    head[29:33] = zlib.crc32(bytes(head[12:29])).to_bytes(4, "big")
    path.write_bytes(bytes(head))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(
            MaskError, match=r"m\.png (is far too large|is \d+x\d+ pixels and the frame 480x640)"
        ):
            read_label_map(path, (480, 640))
        if size[0] * size[1] > 2**26:
            with pytest.raises(MaskError, match="far too large"):
                mask_size(path)


def test_a_mask_of_another_aspect_is_refused_before_it_is_read(tmp_path):
    path = save(tmp_path / "m.png", WHITE)
    path.write_bytes(path.read_bytes()[:60])  # no pixels at all
    with pytest.raises(MaskError, match="another aspect ratio"):
        read_label_map(path, (60, 60))
    assert mask_size(path) == (60, 80)


# --- the recorded cases


def test_recorded_masks_with_soft_edges(shared_data):
    files = sorted((shared_data / "cases/04_indexed_soft_edges").rglob("*.png"))
    if not files:
        pytest.skip("needs shared/cases/04_indexed_soft_edges")
    for file in files:
        with pytest.raises(MaskError, match=r"soft edges|index 0 is not the background"):
            read_label_map(file)


def test_recorded_masks_with_reordered_palettes(shared_data):
    files = sorted((shared_data / "cases/03_indexed_reordered").glob("*.png"))
    if not files:
        pytest.skip("needs shared/cases/03_indexed_reordered")
    areas = [np.bincount(read_label_map(file).ravel()).tolist() for file in files]
    assert areas == [[4176, 312, 312], [4176, 624]]
