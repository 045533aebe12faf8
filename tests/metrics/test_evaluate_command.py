from __future__ import annotations

import argparse
import csv
import json

import numpy as np
import pytest
from metric_reference import disk

from fiftyone_hs2s.cli import evaluate
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import write_label_map

SIZE = (30, 40)


@pytest.fixture
def folders(tmp_path):
    for name in ("gt", "pred"):
        for t in range(5):
            label_map = np.zeros(SIZE, np.uint8)
            label_map[disk(SIZE, (12, 10), 5)] = 1
            label_map[disk(SIZE, (12, 28 + (t if name == "gt" else 0)), 5)] = 2
            folder = tmp_path / name / "walk"
            folder.mkdir(parents=True, exist_ok=True)
            write_label_map(folder / f"{t:05d}.png", label_map)
    return tmp_path


def run(*arguments):
    parser = argparse.ArgumentParser()
    evaluate.add_parser(parser.add_subparsers())
    args = parser.parse_args(["evaluate", *map(str, arguments)])
    return args.func(args)


def test_table_json_and_csv(folders, capsys):
    files = [folders / name for name in ("out.json", "objects.csv", "frames.csv")]
    options = ("--json", files[0], "--csv", files[1], "--frames-csv", files[2], "--workers", 1)
    assert run("--gt", folders / "gt", "--pred", folders / "pred", *options) == 0

    data = json.loads(files[0].read_text())
    objects = data["sequences"]["walk"]["objects"]
    assert objects["1"]["J"] == objects["1"]["F"] == 1
    assert objects["1"]["J_frames"] == [1, 1, 1]
    assert 0 < objects["2"]["J"] < 1
    assert objects["2"]["J"] == pytest.approx(np.mean(objects["2"]["J_frames"]))
    assert data["J"] == pytest.approx((1 + objects["2"]["J"]) / 2)
    assert data["protocol"] == "davis2017"

    rows = list(csv.DictReader(files[1].open()))
    assert [(row["sequence"], row["object"], row["frames"]) for row in rows] == [("walk", "1", "3"), ("walk", "2", "3")]
    assert float(rows[1]["J"]) == objects["2"]["J"]
    frames = list(csv.DictReader(files[2].open()))
    assert [row["frame"] for row in frames] == ["00001", "00002", "00003"] * 2
    assert [float(row["J"]) for row in frames[3:]] == objects["2"]["J_frames"]

    printed = capsys.readouterr()
    assert "walk" in printed.out and "100.0" in printed.out and f"{100 * data['JF']:.1f}" in printed.out
    assert printed.err == ""


def test_problems_go_to_stderr(folders, capsys):
    (folders / "pred/walk/00002.png").unlink()
    run("--gt", folders / "gt", "--pred", folders / "pred", "--workers", 1)
    assert "warning: walk: frames without prediction: scored as empty (1: 00002)" in capsys.readouterr().err


def test_seen_and_unseen_classes(folders, capsys):
    meta, seen = folders / "meta.json", folders / "seen.txt"
    meta.write_text(json.dumps({"videos": {"walk": {"objects": {"1": {"category": "ape"}, "2": {"category": "owl"}}}}}))
    seen.write_text("ape\n\n")
    paths = ("--gt", folders / "gt", "--pred", folders / "pred", "--workers", 1)
    run(*paths, "--protocol", "youtube-vos", "--meta", meta, "--seen", seen)
    assert "J seen 100.0, F seen 100.0, J unseen" in capsys.readouterr().out
    with pytest.raises(HS2SError, match="give both"):
        run(*paths, "--seen", seen)
    meta.write_text("{}")
    with pytest.raises(HS2SError, match=r"meta\.json is no meta\.json"):
        run(*paths, "--meta", meta)
    with pytest.raises(HS2SError, match="cannot be read"):
        run(*paths, "--seen", folders / "none.txt")


def test_wrong_input(folders):
    paths = ("--gt", folders / "gt", "--pred", folders / "pred")
    with pytest.raises(HS2SError, match="no protocol 'davis17'"):
        run(*paths, "--protocol", "davis17")
    with pytest.raises(HS2SError, match=r"none/out\.json cannot be written"):
        run(*paths, "--json", folders / "none/out.json")
    with pytest.raises(HS2SError, match="is a folder"):
        run(*paths, "--csv", folders / "gt")
    with pytest.raises(HS2SError, match="There is no folder"):
        run("--gt", folders / "none", "--pred", folders / "pred")
    with pytest.raises(SystemExit):
        run(*paths, "--workers", 0)


def test_nothing_that_counts(folders, capsys):
    for t in (0, 1, 2):
        (folders / f"gt/walk/0000{t}.png").unlink()
    run("--gt", folders / "gt", "--pred", folders / "pred", "--csv", folders / "empty.csv", "--workers", 1)
    printed = capsys.readouterr()
    assert "objects 1, 2 without a frame that counts" in printed.err
    assert printed.out.splitlines()[-1].split()[-3:] == ["-", "-", "-"]
