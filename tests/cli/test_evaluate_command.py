from __future__ import annotations

import argparse
import csv
import json

import numpy as np
import pytest
from metric_reference import disk

from fiftyone_hs2s.cli import evaluate_command as evaluate
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
    assert [(row["sequence"], row["object"], row["frames"]) for row in rows] == [
        ("walk", "1", "3"),
        ("walk", "2", "3"),
    ]
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
    meta.write_text(
        json.dumps({"videos": {"walk": {"objects": {"1": {"category": "ape"}, "2": {"category": "owl"}}}}})
    )
    seen.write_text("ape\n\n")
    paths = ("--gt", folders / "gt", "--pred", folders / "pred", "--workers", 1)
    run(*paths, "--protocol", "youtube-vos", "--meta", meta, "--seen", seen)
    assert "J seen 100.0, F seen 100.0, J unseen" in capsys.readouterr().out
    with pytest.raises(HS2SError, match="give both"):
        run(*paths, "--seen", seen)
    meta.write_text("{}")
    with pytest.raises(HS2SError, match=r"meta\.json is not a meta\.json"):
        run(*paths, "--meta", meta)
    with pytest.raises(HS2SError, match=r"no file .*none\.txt"):
        run(*paths, "--seen", folders / "none.txt")


def youtube_folders(root):
    """Six frames: object 1 is right, object 2 lacks every second column from t = 2 on, object 3 is never
    predicted."""
    for t in range(6):
        truth = np.zeros(SIZE, np.uint8)
        truth[4:12, 4:12], truth[4:12, 20:32] = 1, 2
        truth[20:28, 4:12] = 3 if t else 0
        prediction = np.where(truth == 3, 0, truth).astype(np.uint8)
        if t >= 2:
            prediction[4:12, 20:32:2] = 0
        for name, label_map in (("valid/Annotations", truth), ("pred", prediction)):
            folder = root / name / "clip"
            folder.mkdir(parents=True, exist_ok=True)
            write_label_map(folder / f"{5 * t:05d}.png", label_map)
    return (
        "--gt",
        root / "valid/Annotations",
        "--pred",
        root / "pred",
        "--protocol",
        "youtube-vos",
        "--workers",
        1,
    )


def write_meta(file, frames, category=("ape", "owl", "owl", "bee")):
    objects = {str(i): {"category": category[i - 1], "frames": names} for i, names in frames.items()}
    file.write_text(json.dumps({"videos": {"clip": {"objects": objects}}}))


def scores(root, *arguments):
    run(*arguments, "--json", root / "out.json")
    data = json.loads((root / "out.json").read_text())
    objects = data["sequences"]["clip"]["objects"]
    return data, {int(i): (o["frames"], o["J"]) for i, o in objects.items()}


def test_youtube_vos_counts_the_frames_that_meta_json_lists(tmp_path, capsys):
    arguments = youtube_folders(tmp_path)
    names = [f"{5 * t:05d}" for t in range(6)]
    _, found = scores(tmp_path, *arguments)
    assert found == {1: (names[1:], 1), 2: (names[1:], pytest.approx((1 + 4 * 0.5) / 5)), 3: (names[2:], 0)}

    meta = tmp_path / "valid" / "meta.json"
    write_meta(meta, {1: names, 2: [*names[:3], "00099"], 4: names[1:]})
    (tmp_path / "seen.txt").write_text("ape")
    data, found = scores(tmp_path, *arguments, "--seen", tmp_path / "seen.txt")
    assert found == {1: (names[1:], 1), 2: (names[1:3], 0.75)}
    assert (data["J_seen"], data["J_unseen"]) == (1, 0.75)
    assert data["G"] == pytest.approx(np.mean([1, 1, 0.75, data["F_unseen"]]))
    printed = capsys.readouterr().err
    assert "object 3 without a list of frames: not scored" in printed
    assert "object 4 listed but not in the truth: not scored" in printed
    assert "listed frames without truth: not scored (1: 00099)" in printed

    # the one that is given counts, and a single sequence finds the one of its split
    write_meta(tmp_path / "other.json", {1: names[:2], 2: names, 3: names[3:]})
    _, found = scores(tmp_path, *arguments, "--meta", tmp_path / "other.json")
    assert found == {1: (names[1:2], 1), 2: (names[1:], pytest.approx(0.6)), 3: (names[4:], 0)}
    single = ("--gt", tmp_path / "valid/Annotations/clip", "--pred", tmp_path / "pred/clip", *arguments[4:])
    assert scores(tmp_path, *single)[1].keys() == {1, 2}
    # other protocols have their own rule
    assert scores(tmp_path, *arguments[:4], "--meta", meta, "--protocol", "all")[1][2][0] == names


def test_a_meta_json_that_nobody_asked_for_costs_a_warning_at_most(tmp_path, capsys):
    arguments = youtube_folders(tmp_path)
    names = [f"{5 * t:05d}" for t in range(6)]
    everywhere = scores(tmp_path, *arguments)[1]
    meta = tmp_path / "valid" / "meta.json"
    for content in (
        "{",
        '{"videos": {"other": {"objects": {"1": {"category": "ape"}}}}}',
        '{"name": "mine"}',
    ):
        meta.write_text(content)
        assert scores(tmp_path, *arguments)[1] == everywhere
        assert "warning: not used: " in capsys.readouterr().err
    objects = {"1": {"frames": names[:2]}, "2": {"frames": names[:3]}}  # as LVOS: no categories
    meta.write_text(json.dumps({"videos": {"clip": {"objects": objects}}}))
    found = scores(tmp_path, *arguments)[1]
    assert {i: frames for i, (frames, _) in found.items()} == {1: names[1:2], 2: names[1:3]}
    assert "has no categories" in capsys.readouterr().err


def test_recorded_meta_json_without_categories(shared_data, capsys):
    case = shared_data / "cases" / "10_lvos_meta"
    if not case.is_dir():
        pytest.skip(f"needs {case}")
    paths = ("--gt", case / "Annotations", "--pred", case / "pred", "--workers", 1)
    run(*paths, "--protocol", "youtube-vos")
    # One of the two listed frames.
    assert capsys.readouterr().out.splitlines()[2].split()[:3] == [
        "s",
        "1",
        "1",
    ]


def test_youtube_vos_on_a_real_clip(shared_data, tmp_path):
    annotations = shared_data / "data" / "video" / "YouTubeVOS-1clip" / "Annotations"
    if not annotations.is_dir():
        pytest.skip(f"needs a clip of YouTube-VOS in {annotations}")
    (clip,) = annotations.iterdir()
    names = sorted(path.stem for path in clip.glob("*.png"))
    run(
        "--gt",
        annotations,
        "--pred",
        annotations,
        "--protocol",
        "youtube-vos",
        "--json",
        tmp_path / "out.json",
    )
    data = json.loads((tmp_path / "out.json").read_text())
    assert data["JF"] == 1
    counted = {len(found["frames"]) for found in data["sequences"][clip.name]["objects"].values()}
    assert max(counted) == len(names) - 1


def test_wrong_input(folders):
    paths = ("--gt", folders / "gt", "--pred", folders / "pred")
    with pytest.raises(HS2SError, match="protocol='davis17' is unknown: did you mean 'davis2017'"):
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
