"""``meta.json`` files, and whatever bytes there may be in files: an error of ours, or a result."""

from __future__ import annotations

import json
import tempfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.mask_files.meta import read_meta
from fiftyone_hs2s.mask_files.reading import read_label_map
from fiftyone_hs2s.masks import davis_palette

FOLDER = Path(tempfile.mkdtemp(prefix="hs2s-fuzz-"))


def meta(tmp_path, content):
    file = tmp_path / "meta.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_meta(file)


def test_categories_and_frames_may_each_be_missing(tmp_path):
    objects = {
        "1": {"category": "ape", "frames": ["00000", 5]},
        "2": {"frames": ["00005"]},
        "3": {"category": "owl"},
    }
    found = meta(
        tmp_path, {"videos": {"s": {"objects": objects}, "t": None, "u": {"objects": {"x": 1, "4": []}}}}
    )
    assert found.classes == {"s": {1: "ape", 3: "owl"}}
    assert found.frames == {"s": {1: ("00000", "5"), 2: ("00005",)}}


@pytest.mark.parametrize(
    "content", ["{}", "[]", "null", '{"videos": []}', "{", "[" * 100000, '"ü', '{"a": NaN}']
)
def test_foreign_files_are_named(tmp_path, content):
    with pytest.raises(HS2SError, match=r"meta\.json is not a meta\.json"):
        meta(tmp_path, content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["videos", "objects", "category", "frames", "1", "²", "s"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=5000)
@given(JSON)
def test_any_json_gives_a_result_or_our_error(content):
    file = FOLDER / "hs2s-fuzz-meta.json"
    file.write_text(json.dumps(content))
    try:
        found = read_meta(file)
    except HS2SError:
        return
    assert found.classes or found.frames


def _seeds() -> list[bytes]:
    values = np.zeros((12, 16), np.uint8)
    values[2:8, 3:11] = 1
    indexed = Image.fromarray(values)
    indexed.putpalette(davis_palette().tobytes())
    images = [
        indexed,
        Image.fromarray(values * 255),
        Image.fromarray(values.astype(np.uint16)),
        Image.fromarray(values * 255).convert("1"),
        Image.fromarray(davis_palette()[values]).convert("RGBA"),
    ]
    files = []
    for image in images:
        file = BytesIO()
        image.save(file, format="PNG")
        files.append(file.getvalue())
    file = BytesIO()
    indexed.save(file, format="GIF")
    return [*files, file.getvalue()]


def _mend(data: bytes) -> bytes:
    """The PNG with right check sums, so that changes get past them."""
    out, place = bytearray(data[:8]), 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chunk = data[place + 4 : place + 8 + length]
        out += len(chunk[4:]).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        place += 12 + length
    return bytes(out)


CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6)


@settings(max_examples=250, deadline=5000)
@given(st.sampled_from(_seeds()), CHANGES, st.floats(0.1, 1), st.booleans())
def test_any_bytes_give_a_label_map_or_our_error(seed, changes, kept, mend):
    data = bytearray(seed)
    for place, value in changes:
        data[int(place * len(data))] = value
    data = bytes(data[: max(8, int(kept * 2 * len(data)))])
    _read(_mend(data) if mend else data)


@settings(max_examples=100, deadline=5000)
@given(st.binary(max_size=200))
def test_noise_gives_our_error(data):
    _read(data)


def _read(data: bytes) -> None:
    file = FOLDER / "hs2s-fuzz-mask.png"
    file.write_bytes(data)
    try:
        label_map = read_label_map(file)
    except MaskError as error:
        assert str(file) in str(error)
    else:
        assert label_map.ndim == 2 and label_map.dtype in (np.uint8, np.uint16)
