from __future__ import annotations

import numpy as np
import pytest

from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.mask_files.layouts import find_part, list_sequences, match_frames, natural_key, read_split
from fiftyone_hs2s.mask_files.sequence_masks import MaskSequence
from fiftyone_hs2s.masks import write_label_map

BLOB = np.zeros((20, 30), np.uint8)
BLOB[5:12, 6:20] = 1


def write(file, label_map=BLOB):
    file.parent.mkdir(parents=True, exist_ok=True)
    write_label_map(file, label_map)


def test_names_sort_by_number_and_seconds():
    assert sorted(["10", "9", "100", "1"], key=natural_key) == ["1", "9", "10", "100"]
    seconds = ["0.25", "0.5", "1.75", "9.5", "10.0", "10.125"]
    assert sorted(sorted(seconds), key=natural_key) == seconds
    assert sorted(["t=1.5s", "t=1.25s", "t=12.0s"], key=natural_key) == ["t=1.25s", "t=1.5s", "t=12.0s"]
    assert sorted(["1305031102.175304", "1305031102.0753"], key=natural_key)[0] == "1305031102.0753"
    assert sorted(["v1.2.10", "v1.2.9", "²"], key=natural_key) == ["v1.2.9", "v1.2.10", "²"]


@pytest.mark.parametrize("name", ["00007", "000007", "7", "frame_000007", "frame7.mask"])
def test_masks_belong_to_the_frame_of_their_number(name):
    video = [f"{i:05}" for i in range(12)]
    assert match_frames([name], video) == {name: 7}


def test_masks_of_frames_with_other_names_belong_by_name_alone():
    assert match_frames(["IMG_8", "8"], ["IMG_7", "IMG_8"]) == {"IMG_8": 1, "8": None}
    assert match_frames(["00005", "1"], ["00000", "00005"]) == {"00005": 1, "1": None}
    assert match_frames(["a1b2", "-"], ["00000", "00001"]) == {"a1b2": None, "-": None}


def test_roots_of_data_sets(tmp_path):
    write(tmp_path / "davis/Annotations/480p/bear/00000.png")
    write(tmp_path / "sav/Annotations_6fps/vid/000/00000.png")
    (tmp_path / "sav/JPEGImages_24fps/vid").mkdir(parents=True)
    assert (
        list(list_sequences(tmp_path / "davis"))
        == list(list_sequences(tmp_path / "davis/Annotations"))
        == ["bear"]
    )
    assert list(list_sequences(tmp_path / "sav")) == ["vid"]
    assert find_part(tmp_path / "sav", "JPEGImages") == tmp_path / "sav/JPEGImages_24fps"
    assert find_part(tmp_path / "davis", "JPEGImages") is None


def test_splits(tmp_path):
    for name, text in {"2016/val": "/JPEGImages/480p/cows/00000.jpg /Annotations/480p/cows/00000.png\n" * 2,
                       "2017/val": "bear\n\ncamel\n", "2017/train": "\n"}.items():  # fmt: skip
        file = tmp_path / f"ImageSets/{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "Annotations/480p").mkdir(parents=True)
    assert read_split(tmp_path / "Annotations/480p", "val") == ["bear", "camel"]
    assert read_split(tmp_path, "2016/val") == ["cows"]
    assert read_split(tmp_path, str(tmp_path / "ImageSets/2016/val.txt")) == ["cows"]
    with pytest.raises(HS2SError, match="is empty"):
        read_split(tmp_path, "train")
    with pytest.raises(HS2SError, match=r"no split 'test'.*2017/val, 2016/val"):
        read_split(tmp_path, "test")


def test_objects_with_files_of_their_own(tmp_path):
    for name in ("000", "001"):
        write(tmp_path / f"vid/{name}/00000.png", np.roll(BLOB, 3 * int(name), 1))
    write(tmp_path / "vid/001/00004.png")
    truth = MaskSequence(tmp_path / "vid")
    assert (truth.names, truth.ids) == (["00000", "00004"], {"000": 1, "001": 2})
    masks = truth.masks("00000")
    np.testing.assert_array_equal(masks[1], BLOB == 1)
    np.testing.assert_array_equal(masks[2], np.roll(BLOB, 3, 1) == 1)  # they overlap
    assert truth.layers("00004")[1] is None and list(truth.masks("00004")) == [2]
    # a prediction without the first object is numbered like the truth
    write(tmp_path / "pred/001/00000.png")
    assert MaskSequence(tmp_path / "pred", like=truth).ids == {"001": 2}
    write(tmp_path / "named/cat/00000.png")
    assert MaskSequence(tmp_path / "named").ids == {"cat": 1}
    write(tmp_path / "pred/000/00000.png", BLOB[:10])
    with pytest.raises(MaskError, match=r"frame 00000 .* differ in size"):
        MaskSequence(tmp_path / "pred").masks("00000")
