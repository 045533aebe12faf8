from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.masks import read_label_map
from fiftyone_hs2s.metrics.region import jaccard
from fiftyone_hs2s.network import build_network, save_weights

COUNT, H, W = 4, 120, 200


def boards(index: int) -> np.ndarray:
    """The masks (2, H, W) of a red and a blue board, which move apart."""
    masks = np.zeros((2, H, W), bool)
    masks[0, 30:90, 30 - 2 * index : 80 - 2 * index] = True
    masks[1, 30:90, 120 + 2 * index : 170 + 2 * index] = True
    return masks


@pytest.fixture
def track(tmp_path, capsys):
    """Runs ``hs2s track`` on the boards; gives status, stdout and stderr."""
    rng = np.random.default_rng(0)
    (tmp_path / "frames").mkdir()
    for index in range(COUNT):
        red, blue = boards(index)[..., None]
        frame = 120 + rng.integers(-9, 10, (H, W, 3)) + red * (90, -60, -60) + blue * (-60, -60, 90)
        cv2.imwrite(str(tmp_path / f"frames/{index:05}.png"), frame[..., ::-1].astype(np.uint8))
    torch.manual_seed(0)
    save_weights(build_network("hs2s-lite"), tmp_path / "random.safetensors")

    def call(*args: str, out: str = "out"):
        common = [
            "--weights",
            str(tmp_path / "random.safetensors"),
            "--size",
            "64x96",
            "--precision",
            "float32",
        ]
        status = main(["track", str(tmp_path / "frames"), "--out", str(tmp_path / out), *common, *args])
        return status, *capsys.readouterr()

    return call


RED, BLUE = "30,30,50,60", "120,30,50,60"


@pytest.mark.parametrize("maker", ["hs2s-mask", "hs2s-mask-open", "grabcut"])
def test_a_box_for_each_object(track, tmp_path, maker):
    file = tmp_path / "report.json"
    status, printed, _ = track("--box", RED, "--box", BLUE, "--mask-maker", maker, "--json", str(file))
    assert status == 0 and f"2 masks made by {maker}" in printed
    label_map = read_label_map(tmp_path / "out/00000.png")
    for i, truth in enumerate(boards(0), start=1):
        assert jaccard(truth, label_map == i) > 0.9
    assert len(list((tmp_path / "out").iterdir())) == COUNT
    made = {"prompt": "box", "mask_maker": maker}
    assert json.loads(file.read_text())["made_masks"] == {"1": made, "2": made}


def test_points_on_a_later_frame_and_beside_the_object(track, tmp_path):
    at = ["--points", "50,60", "60,40", "150,60,0", "--points", "150,60", "--frame", "2"]
    assert track(*at, "--direction", "both")[0] == 0
    label_map = read_label_map(tmp_path / "out/00002.png")
    for i, truth in enumerate(boards(2), start=1):
        assert jaccard(truth, label_map == i) > 0.5
    assert len(list((tmp_path / "out").iterdir())) == COUNT


def test_it_is_as_if_the_made_mask_was_given(track, tmp_path):
    track("--box", RED, "--box", BLUE)
    status, printed, _ = track("--mask", str(tmp_path / "out/00000.png"), out="again")
    assert status == 0 and "made by" not in printed
    for file in (tmp_path / "out").iterdir():
        np.testing.assert_array_equal(read_label_map(file), read_label_map(tmp_path / "again" / file.name))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "--mask is missing: it says where the objects are; or give --box or --points"),
        (("--mask", "m.png", "--box", RED), "--mask cannot be used together with --box or --points"),
        (("--mask", "m.png", "--frame", "2"), "--frame is for --box and --points"),
        (("--box", "200,30,50,60"), "--box 200,30,50,60 lies outside of the frame, which has 200x120 pixels"),
        (("--points", "20,20", "20,120"), "--points 20,20 20,120 lies outside of the frame"),
        (("--points", "20,20,0"), "--points 20,20 has no point on the object"),
        (("--box", RED, "--frame", "4"), "frame 4 (counted from 0), which cannot be read"),
    ],
)
def test_what_cannot_be_right_is_refused(track, tmp_path, args, words):
    status, printed, error = track(*args)
    assert status == 2 and printed == "" and words in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "args",
    [
        ("--box", "1,2,3"),
        ("--box", "1,2,0,4"),
        ("--box", "a,2,3,4"),
        ("--points", "1"),
        ("--points", "1,nan"),
    ],
)
def test_what_is_no_box_or_point(track, capsys, args):
    with pytest.raises(SystemExit):
        track(*args)
    assert "in pixels, such as 120,80" in capsys.readouterr().err


def test_where_nothing_is_found_the_box_is_named(track, monkeypatch):
    monkeypatch.setattr("fiftyone_hs2s.mask_makers._grabcut", lambda frame, hint: np.zeros((H, W), bool))
    _, _, error = track("--box", RED, "--mask-maker", "grabcut")
    assert (
        "finds no object in --box 30,30,50,60: move it, draw the object's mask (--mask), or take 'hs2s-mask'"
        in error
    )


def test_a_data_set_has_masks(tmp_path, capsys):
    for part in ("JPEGImages/a", "Annotations/a"):
        (tmp_path / part).mkdir(parents=True)
    assert main(["track", str(tmp_path), "--box", RED, "--out", str(tmp_path / "out")]) == 2
    assert "--box is for one video: give one sequence" in capsys.readouterr().err
