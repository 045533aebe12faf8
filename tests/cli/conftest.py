from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from fiftyone_fixtures import dataset, video  # noqa: F401
from track_kit import COUNT, SIZE

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.network import build_network, save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(build_network("hs2s-lite"), path)
    return path


@pytest.fixture
def clip(tmp_path):
    """A folder of frames named like those of a camera, and the masks of two objects on its frames 0 and 3."""
    rng = np.random.default_rng(0)
    (tmp_path / "frames").mkdir()
    (tmp_path / "masks").mkdir()
    for index in range(COUNT):
        cv2.imwrite(
            str(tmp_path / "frames" / f"IMG_{index + 8}.jpg"), rng.integers(0, 255, (*SIZE, 3), np.uint8)
        )
    label_map = np.zeros(SIZE, np.uint8)
    label_map[10:30, 20:60] = 1
    write_label_map(tmp_path / "masks" / "IMG_8.png", label_map)
    label_map[35:50, 50:90] = 2
    write_label_map(tmp_path / "masks" / "IMG_11.png", label_map)
    return tmp_path


@pytest.fixture
def hs2s(clip, weights, capsys, monkeypatch):
    """Runs ``hs2s track`` in the clip's folder, on a small network size; gives (status, stdout, stderr)."""
    monkeypatch.chdir(clip)

    def call(*args, video="frames", mask="masks/IMG_8.png", out="out"):  # noqa: F811
        common = ["--weights", str(weights), "--size", "64x96", "--precision", "float32"]
        status = main(["track", str(video), "--mask", str(mask), "--out", str(out), *common, *args])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call
