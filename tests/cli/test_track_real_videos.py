"""Video files as people have them, tracked from the shell with the shipped weights."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.masks import list_label_maps, read_label_map


@pytest.fixture
def cases(shared_data):
    return shared_data / "cases"


@pytest.mark.parametrize("name", ["progressive.mp4", "interlaced.mp4"])
def test_interlaced_video_is_tracked_as_well_as_its_progressive_twin(cases, tmp_path, name):
    case = cases / "01_interlaced"
    command = ["track", str(case / name), "--mask", str(case / "first.png"), "--out", str(tmp_path / "out")]
    assert main([*command, "--size", "96x128"]) == 0
    truth, found = (
        [read_label_map(file) > 0 for file in list_label_maps(folder).values()]
        for folder in (case / "gt" / "s", tmp_path / "out")
    )
    assert len(found) == len(truth) == 16
    j = [(a & b).sum() / (a | b).sum() for a, b in zip(truth[1:-1], found[1:-1], strict=True)]
    assert np.mean(j) > 0.85


@pytest.mark.parametrize(
    ("name", "mask", "count"),
    [
        ("trimmed.mp4", "sixth.png", 10),
        ("audio_longer.webm", "first.png", 16),
        ("audio_longer.mkv", "first.png", 16),
        ("audio_longer.ts", "first.png", 16),
        ("variable_rate.webm", "first.png", 10),
    ],
)
def test_whole_video_is_not_called_broken(cases, tmp_path, capsys, name, mask, count):
    case = cases / "02_whole_video_called_broken"
    command = ["track", str(case / name), "--mask", str(case / mask), "--out", str(tmp_path / "out")]
    assert main([*command, "--size", "32x64"]) == 0
    assert len(list_label_maps(tmp_path / "out")) == count
    assert "ends early" not in capsys.readouterr().err
