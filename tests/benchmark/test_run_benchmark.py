"""Whole benchmarks on data sets of moving rectangles, which the network of colors follows exactly."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from benchmark_kit import LENGTH, NAMES, SIZE, make_davis, make_youtube_vos, tracker
from color_network import ColorNetwork, moving
from metric_reference import reference_f, reference_j
from PIL import Image

from fiftyone_hs2s.benchmark import run_benchmark
from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import join_masks, read_label_map
from fiftyone_hs2s.tracking import Tracker


def expected(root: Path, name: str, object_id: int, frames: list[str]) -> tuple[float, float]:
    """J and F of what is to be seen against the truth on disk, by their definitions."""
    _, seen = moving(SIZE, LENGTH)
    j, f = [], []
    for frame in frames:
        truth = np.asarray(Image.open(root / name / f"{frame}.png")) == object_id
        found = seen[NAMES.index(frame)].get(object_id, np.zeros(SIZE, bool))
        j.append(reference_j(truth, found))
        f.append(reference_f(truth, found))
    return float(np.mean(j)), float(np.mean(f))


def test_davis_is_tracked_scored_and_zipped(tmp_path, capsys):
    root = make_davis(tmp_path / "DAVIS")
    result = run_benchmark(root, tmp_path / "out", tracker(), split="val")
    assert (result.data.kind, result.tracked, result.failed) == ("davis2017", ["bear", "cows"], {})
    # Object 2 comes later: no object of DAVIS.
    j, f = expected(root / "Annotations/480p", "bear", 1, NAMES[1:-1])
    assert (pytest.approx(j), pytest.approx(f)) == (result.J, result.F)
    assert 0.5 < j < 1
    rows = result.to_dataframe()
    assert rows[["sequence", "object", "frames"]].values.tolist() == [["bear", 1, 6], ["cows", 1, 6]]
    result.print()
    printed = capsys.readouterr().out
    row = ["colors", *(f"{100 * value:.1f}" for value in (j, f, (j + f) / 2))]
    assert row in [line.split() for line in printed.splitlines()]
    assert "object 2 above the ids of the first frame" in printed
    written = json.loads((tmp_path / "out/results.json").read_text())
    assert (
        written["J"] == result.J
        and written["evaluation"]["sequences"]["bear"]["objects"]["1"]["F"] == result.F
    )
    assert [row["sequence"] for row in csv.DictReader((tmp_path / "out/objects.csv").open())] == [
        "bear",
        "cows",
    ]
    with ZipFile(result.zip_file) as archive:
        assert archive.namelist() == [f"{name}/{frame}.png" for name in ("bear", "cows") for frame in NAMES]


def test_late_objects_count_where_they_are_asked_for(tmp_path):
    root = make_davis(tmp_path / "MOSE/valid", ("aa",))
    result = run_benchmark(tmp_path / "MOSE", tmp_path / "out", tracker(), split="val", kind="mose")
    wanted = [expected(root / "Annotations/480p", "aa", 1, NAMES[1:-1]),
              expected(root / "Annotations/480p", "aa", 2, NAMES[4:-1])]  # fmt: skip
    assert tuple(pytest.approx(x) for x in np.mean(wanted, axis=0)) == (result.J, result.F)


def test_youtube_vos_apart_for_seen_and_unseen_classes(tmp_path):
    root = make_youtube_vos(tmp_path)
    seen = tmp_path / "seen.txt"
    seen.write_text("dog\ncat\n")
    result = run_benchmark(root / "train", tmp_path / "out", tracker(), seen=seen)
    listed = {1: NAMES[2::2], 2: NAMES[5:7:2]}
    (js, fs), (ju, fu) = (expected(root / "train/Annotations", "aa", i, listed[i]) for i in (1, 2))
    splits = result.evaluation.splits
    assert [splits[k] for k in ("J_seen", "F_seen", "J_unseen", "F_unseen")] == pytest.approx(
        [js, fs, ju, fu]
    )
    assert tuple(map(pytest.approx, ((js + ju) / 2, (fs + fu) / 2, splits["G"]))) == (
        result.J,
        result.F,
        result.JF,
    )
    assert "J unseen" in result.table()


def test_youtube_vos_validation_has_no_truth_and_gives_the_frames_of_its_server(tmp_path, capsys):
    root = make_youtube_vos(tmp_path)
    result = run_benchmark(root, tmp_path / "out", tracker(), split="val")
    # Those of train beside it.
    assert result.data.kind == "youtube-vos" and result.data.seen == {
        "dog",
        "yak",
    }
    assert result.evaluation is None and np.isnan(result.J) and result.to_dataframe().empty
    asked = sorted({*NAMES[::2], *NAMES[3:7:2]})
    with ZipFile(result.zip_file) as archive:
        assert archive.namelist() == [
            f"Annotations/{name}/{frame}.png" for name in ("aa", "bb") for frame in asked
        ]
    _, seen = moving(SIZE, LENGTH)
    np.testing.assert_array_equal(
        read_label_map(tmp_path / f"out/masks/aa/{NAMES[5]}.png"), join_masks(seen[5], SIZE)
    )
    result.print()
    assert "Not scored, since only first masks are there: 2 sequences (aa, bb)." in capsys.readouterr().out


class Killed(ColorNetwork):
    """Ends its process as a power cut does, in the middle of the second sequence."""

    def step(self, image, state):
        if len(self.seen_masks) == LENGTH + 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(image, state)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_killed_and_resumed_gives_equal_files(tmp_path, split):
    root = make_youtube_vos(tmp_path / "data") / split
    whole = run_benchmark(root, tmp_path / "whole", tracker())
    child = os.fork()
    if child == 0:
        try:
            run_benchmark(
                root, tmp_path / "resumed", Tracker(Killed(), SIZE, "cpu", "float32"), progress=False
            )
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert [file.stem for file in (tmp_path / "resumed/sequences").iterdir()] == ["aa"]
    assert 0 < len(list((tmp_path / "resumed/masks/bb").iterdir())) < LENGTH
    network = ColorNetwork()
    resumed = run_benchmark(root, tmp_path / "resumed", Tracker(network, SIZE, "cpu", "float32"))
    assert len(network.seen_masks) == LENGTH - 1  # the first sequence was not tracked again
    assert resumed.tracked == whole.tracked
    files = [file.relative_to(whole.out_dir) for file in whole.out_dir.rglob("*") if file.is_file()]
    assert len(files) == 2 * LENGTH + 7
    for file in files:
        # Those have the time and the process in them.
        if file.parts[0] != "sequences" and file.name != ".lock":
            assert (whole.out_dir / file).read_bytes() == (resumed.out_dir / file).read_bytes(), file


def test_a_bad_sequence_is_named_and_the_others_go_on(tmp_path, capsys):
    root = make_davis(tmp_path / "DAVIS", ("bear", "cows", "dog"))
    (root / f"JPEGImages/480p/bear/{NAMES[4]}.png").write_bytes(b"damaged")
    (root / f"Annotations/480p/cows/{NAMES[0]}.png").write_bytes(b"damaged")
    (root / "ImageSets/2017/val.txt").write_text("bear\ncows\ndog\ngone\n")
    result = run_benchmark(root, tmp_path / "out", tracker(), split="val")
    assert result.tracked == ["dog"] and list(result.failed) == ["bear", "cows", "gone"]
    assert f"end early at {NAMES[4]}.png" in result.failed["bear"]
    assert "is damaged" in result.failed["cows"] and "There is no folder" in result.failed["gone"]
    assert list(result.evaluation.sequences) == ["dog"] and result.zip_file is None
    result.print()
    assert "1 of 4 sequences tracked" in capsys.readouterr().out
    with pytest.raises(HS2SError, match=r"bear cannot be tracked: .* end early"):
        run_benchmark(root, tmp_path / "other", tracker(), split="val", skip_failures=False)
    clean = root / f"JPEGImages/480p/bear/{NAMES[3]}.png"
    (root / f"JPEGImages/480p/bear/{NAMES[4]}.png").write_bytes(clean.read_bytes())
    assert run_benchmark(root, tmp_path / "out", tracker(), split="val").tracked == ["bear", "dog"]


def test_nothing_is_mixed_or_overwritten_unasked(tmp_path):
    root = make_davis(tmp_path / "DAVIS", ("bear",))
    run_benchmark(root, tmp_path / "out", tracker())
    other = Tracker(ColorNetwork(), SIZE, "cpu", "float32", aggregation="argmax")
    with pytest.raises(HS2SError, match=r"holds a benchmark with another aggregation: .*overwrite"):
        run_benchmark(root, tmp_path / "out", other)
    assert run_benchmark(root, tmp_path / "out", other, overwrite=True).tracked == ["bear"]
    for out, says in (
        (root, "part of the data set"),
        (root / "Annotations/480p/bear", "part of the data set"),
    ):
        with pytest.raises(HS2SError, match=says):
            run_benchmark(root, out, tracker())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("notes")
    with pytest.raises(HS2SError, match="holds other files"):
        run_benchmark(root, tmp_path / "mine", tracker())


def test_objects_of_sa_v_may_overlap(tmp_path):
    frames, _ = moving(SIZE, LENGTH)
    for t, frame in enumerate(frames):
        (tmp_path / "JPEGImages_24fps/v").mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame).save(tmp_path / f"JPEGImages_24fps/v/{t:05}.png")
        for i, box in enumerate((np.s_[10:40, 5:60], np.s_[20:30, 20:40])):
            folder = tmp_path / f"Annotations_6fps/v/{i:03}"
            folder.mkdir(parents=True, exist_ok=True)
            if t % 4 == 0:
                mask = np.zeros(SIZE, np.uint8)
                mask[box] = 255
                Image.fromarray(mask).save(folder / f"{t:05}.png")
    (tmp_path / "Annotations_6fps/v/001/00004.png").unlink()
    (tmp_path / "Annotations_6fps/v/000/00006.png").write_bytes(
        (tmp_path / "Annotations_6fps/v/000/00004.png").read_bytes()
    )
    result = run_benchmark(tmp_path, tmp_path / "out", tracker())
    assert result.data.kind == "sa-v" and result.zip_file is None
    assert [(o.object_id, o.frames) for o in result.evaluation.results] == [(1, ["00004"])]


def test_the_command_on_the_development_split(tmp_path, shared_data, capsys):
    source, names = shared_data / "data/video/DAVIS2016-train", ("mallard-fly", "scooter-gray")
    for part in ("JPEGImages", "Annotations"):
        for name in names:
            (tmp_path / "data" / part / name).mkdir(parents=True)
            for file in sorted((source / part / name).iterdir())[:4]:
                (tmp_path / "data" / part / name / file.name).symlink_to(file)
    (tmp_path / "dev.txt").write_text("\n".join(names))
    command = ["benchmark", str(tmp_path / "data"), "--split", str(tmp_path / "dev.txt"), "--size", "128x224"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 sequences tracked" in printed and "Table 2: 2 sequences, 2 objects" in printed
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["method"] == "hs2s-lite" and results["J"] > 0.6
    assert results["notes"] == []
    assert main([*command, "--out", str(tmp_path / "out"), "--average", "flip"]) == 2
    assert "another average" in capsys.readouterr().err
