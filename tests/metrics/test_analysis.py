# ruff: noqa: SIM300 (J and F look like constants to it)
from __future__ import annotations

import argparse
import csv
import json
import math

import numpy as np
import pytest

from fiftyone_hs2s.cli import analyze_command as command
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import list_label_maps, read_label_map, write_label_map
from fiftyone_hs2s.metrics import SequenceScorer, analyze
from fiftyone_hs2s.metrics.analysis import histogram

SIZE = (20, 40)


def box(area, x=2):
    """A box of that many pixels, at most 10 rows high."""
    out = np.zeros(SIZE, np.uint8)
    out[5 : 5 + min(area, 10), x : x + max(area // 10, 1)] = 1 if area else 0
    return out


def scores_of(areas, good=None, every=1):
    """An object of these areas; predicted exactly on frames where ``good`` is true, else not at all."""
    good = [True] * len(areas) if good is None else good
    scorer = SequenceScorer()
    for t, (area, is_good) in enumerate(zip(areas, good, strict=True)):
        scorer.update(box(area), box(area if is_good else 0), frame=t * every)
    return scorer.finish()


def test_early_and_late():
    """30 frames: right until t = 14, then gone; a short one does not count."""
    long = scores_of([200] * 30, [t < 25 for t in range(30)])
    short = scores_of([200] * 20, [False] * 20)
    result = analyze({"long": long, "short": short})
    assert result.length.num_objects == 1
    assert result.length.J_early == result.length.F_early == 1
    assert result.length.J_late == pytest.approx(4 / 9)  # of t = 21 to 29 the first four
    assert result.JF == pytest.approx((24 / 29 + 0) / 2)
    assert result.sequence_lengths == (30, 20)
    assert histogram(result.sequence_lengths) == [0] * 20 + [1] + [0] * 9 + [1]


def test_first_frame_and_t_10_and_20_count_nowhere():
    good = [t not in (0, 10, 20) for t in range(30)]
    table = analyze({"a": scores_of([200] * 30, good)}).length
    assert (table.J_early, table.J_late) == (1, 1)


def test_late_object_has_its_own_clock():
    areas = [0] * 7 + [200] * 25
    good = [True] * 7 + [t <= 20 for t in range(25)]
    result = analyze({"a": scores_of(areas, good)})
    assert result.sequence_lengths == (25,)
    assert (result.length.J_early, result.length.J_late) == (1, 0)


@pytest.mark.parametrize("fps", [30, {"a": 30, "b": 25}])
def test_same_moments_at_30_frames_per_second(fps):
    """The same second of video, annotated at 6 and at 30 frames per second, or at 6 with the numbers of
    30."""
    good = [t < 10 or t > 25 for t in range(30)]
    at_6 = analyze({"a": scores_of([200] * 30, good)}).length
    every_fifth = analyze({"a": scores_of([200] * 30, good, every=5)}, fps=30).length
    at_30 = analyze({"a": scores_of([200] * 150, np.repeat(good, 5))}, fps=fps).length
    assert at_6 == every_fifth
    assert (at_6.J_early, at_30.J_early) == (1, 1)
    assert at_30.num_objects == 1
    assert at_6.J_late == at_6.F_late == pytest.approx(4 / 9)
    assert at_30.J_late == pytest.approx(20 / 49)  # t > 20: frames 101 to 149, of which 130 on are right


def test_length_at_30_frames_per_second():
    assert analyze({"a": scores_of([200] * 101)}, fps=30).sequence_lengths == (21,)
    assert analyze({"a": scores_of([200] * 100)}, fps=30).sequence_lengths == (20,)


def test_after_the_first_occlusion():
    """Gone at t = 5 to 7 and again at 12; wrong at 8 and 13; 40 px only at 16 and 17, then wrong to the
    end."""
    areas = [200] * 5 + [0] * 3 + [200] * 4 + [0] + [200] * 3 + [40] * 2 + [200] * 2
    good = [t not in (8, 13, 18, 19) for t in range(20)]
    other = scores_of([200] * 8 + [40] * 2 + [200] * 5, [t != 11 for t in range(15)])
    never = scores_of([200] * 10)
    forever = scores_of([200] * 5 + [0] * 5)
    result = analyze({"a": scores_of(areas, good), "b": other, "c": never, "d": forever})
    assert [(row.threshold, row.num_objects) for row in result.occlusion] == [(0, 1), (50, 2), (100, 2)]
    assert result.occlusion[0].JF == pytest.approx(8 / 12)
    assert result.occlusion[1].JF == pytest.approx((8 / 12 + 4 / 5) / 2)
    assert result.occlusion_lengths == {0: (3,), 50: (3, 2), 100: (3, 2)}
    assert result.num_objects == 4


def test_occlusion_length_in_steps_at_30_frames_per_second():
    result = analyze({"a": scores_of([200] * 10 + [0] * 12 + [200] * 5)}, fps=30)
    assert result.occlusion_lengths[0] == (pytest.approx(2.4),)
    assert histogram(result.occlusion_lengths[0]) == [0, 0, 1]


def test_nothing():
    result = analyze({})
    assert math.isnan(result.JF) and math.isnan(result.length.J_late)
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["JF"] is None
    assert data["length"]["num_objects"] == 0
    assert data["sequence_length_histogram"] == []
    early, after = result.notes()
    assert early == "early and late: no object is in view for more than 20 steps (3.3 s)"
    assert (
        after
        == "after the first occlusion: no object is hidden (down to 0 or 50 or 100 px) and then visible again"
    )


def test_real_occlusion(shared_data):
    """bmx-bumps, predicted exactly but for its last frame: what table 4 must say follows from the true
    areas alone."""
    folder = shared_data / "data/video/DAVIS2016-train/Annotations/bmx-bumps"
    maps = [read_label_map(file) for file in list_label_maps(folder).values()]
    scorer = SequenceScorer()
    for label_map in maps[:-1]:
        scorer.update(label_map, label_map)
    scorer.update(maps[-1], None)
    result = analyze({"bmx": scorer.finish()}, fps=24)
    areas = np.array([(m > 0).sum() for m in maps])
    for row in result.occlusion:
        hidden = areas <= row.threshold
        start = int(np.argmax(hidden))
        back = start + int(np.argmax(~hidden[start:]))
        assert row.num_objects == 1
        assert row.JF == pytest.approx(1 - 1 / (len(maps) - back))
        assert result.occlusion_lengths[row.threshold] == (pytest.approx((back - start) * 6 / 24),)


@pytest.fixture
def folders(tmp_path):
    areas = [200] * 5 + [0] * 3 + [200] * 20
    for name in ("gt", "pred"):
        folder = tmp_path / name / "walk"
        folder.mkdir(parents=True)
        for t, area in enumerate(areas):
            if (name, t) != ("pred", 9):
                write_label_map(folder / f"{t:05d}.png", box(area if name == "gt" or t < 25 else 0))
    return tmp_path


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["analyze", *map(str, arguments)])
    return args.func(args)


def test_command(folders, capsys):
    paths = ("--gt", folders / "gt", "--pred", folders / "pred", "--workers", 1)
    assert run(*paths, "--json", folders / "out.json", "--csv", folders / "out.csv") == 0
    data = json.loads((folders / "out.json").read_text())
    assert data["length"]["J_early"] == pytest.approx(8 / 9)
    assert data["length"]["J_late"] == pytest.approx(4 / 7)
    scores = dict.fromkeys(("J", "F", "JF"), pytest.approx(16 / 20))
    assert data["occlusion"][0] == {"threshold": 0, "num_objects": 1, **scores}
    assert data["occlusion_length_histograms"]["0"] == [0, 0, 0, 1]
    rows = list(csv.DictReader((folders / "out.csv").open()))
    assert float(rows[1]["JF"]) == data["occlusion"][0]["JF"]
    assert [row["table"] for row in rows] == ["occlusion"] * 4 + ["length"] * 2
    assert all(value for row in rows for value in row.values()), "no column is blank"
    printed = capsys.readouterr()
    assert "early, t < 10" in printed.out and "88.9" in printed.out and "80.0" in printed.out
    assert "scored as empty (1: 00009)" in printed.err


def test_command_refuses(folders):
    paths = ("--gt", folders / "gt", "--pred", folders / "pred")
    for rate in ("0", "fast", "nan", "inf"):
        with pytest.raises(SystemExit):
            run(*paths, "--fps", rate)
    with pytest.raises(HS2SError, match="protocol='vos' is unknown"):
        run(*paths, "--protocol", "vos")
