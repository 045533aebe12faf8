from __future__ import annotations

import numpy as np
import pytest

from fiftyone_hs2s.errors import MaskError
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.tracking import open_frames
from fiftyone_hs2s.tracking.folders import MaskFiles

FRAMES = open_frames(np.zeros((12, 20, 30, 3), np.uint8))
BLOB = np.zeros((20, 30), np.uint8)
BLOB[5:12, 6:20] = 3


def prompts(folder, *names, label_map=BLOB):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_label_map(folder / f"{name}.png", label_map)
    return MaskFiles(folder, FRAMES)


@pytest.mark.parametrize("names", [("00000", "00007"), ("frame_000000", "frame_000007"), ("0", "7")])
def test_masks_of_a_video_are_named_by_number_in_any_way(tmp_path, names):
    found = prompts(tmp_path / "m", *names)
    assert list(found) == [0, 7]
    np.testing.assert_array_equal(found.masks(7)[3], BLOB == 3)


def test_masks_that_belong_to_no_frame_or_to_the_same_are_named(tmp_path):
    with pytest.raises(
        MaskError, match=r"12\.png belongs to no frame.*00000 to 00011 \(or by number alone, from 0\)"
    ):
        prompts(tmp_path / "a", "12")
    with pytest.raises(MaskError, match=r"0\.png and 00000\.png .* both belong to frame 00000"):
        prompts(tmp_path / "b", "00000", "0")


def test_a_mask_far_larger_than_the_frame_is_refused(tmp_path):
    with pytest.raises(MaskError, match="far too large"):
        prompts(tmp_path / "m", "0", label_map=np.kron(BLOB, np.ones((10, 10), np.uint8)))


def test_void_of_16_bits_is_no_object(tmp_path):
    mots = BLOB.astype(np.uint16) * 1000
    mots[0] = 10000
    prompts(tmp_path / "m", "0", label_map=mots)
    assert list(MaskFiles(tmp_path / "m", FRAMES, void=10000).masks(0)) == [3000]


def test_recorded_mask_names_of_cvat(shared_data):
    case = shared_data / "cases/13_cvat_video_mask_names"
    if not case.is_dir():
        pytest.skip(f"needs {case}")
    assert list(MaskFiles(case / "masks", open_frames(case / "v.mp4"))) == [0]
