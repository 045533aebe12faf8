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
from color_network import ColorNetwork, moving
from metric_reference import reference_f, reference_j
from PIL import Image

from fiftyone_hs2s.benchmark import find_benchmark, run_benchmark
from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import join_masks, read_label_map, write_label_map
from fiftyone_hs2s.tracking import Tracker

SIZE = (64, 96)
LENGTH = 8
NAMES = [f"{5 * t:05}" for t in range(LENGTH)]


def shift(mask: np.ndarray) -> np.ndarray:
    """What the truth says on later frames: a little off what is to be seen, so that no score is 1."""
    return np.roll(mask, 2, axis=1)


def write_sequence(root: Path, name: str, truth: str = "full", objects: int = 2, sub: str = "") -> None:
    """A sequence in which object 1 is there from the first frame and object 2 from the fourth to the seventh.

    Args:
        truth: "full", or "first": of each object the first mask alone
    """
    frames, masks = moving(SIZE, LENGTH)
    images, annotations = root / "JPEGImages" / sub / name, root / "Annotations" / sub / name
    for folder in (images, annotations):
        folder.mkdir(parents=True)
    for t, (frame, found) in enumerate(zip(frames, masks, strict=True)):
        Image.fromarray(frame).save(images / f"{NAMES[t]}.png")
        first = {1: 0, 2: 3}
        shown = {i: m if first[i] == t else shift(m) for i, m in found.items() if i <= objects}
        if truth == "first":
            shown = {i: mask for i, mask in shown.items() if first[i] == t}
        if shown or truth == "full":
            write_label_map(annotations / f"{NAMES[t]}.png", join_masks(shown, SIZE))


def make_davis(root: Path, names: tuple[str, ...] = ("bear", "cows"), **options) -> Path:
    for name in names:
        write_sequence(root, name, sub="480p", **options)
    (root / "ImageSets/2017").mkdir(parents=True)
    (root / "ImageSets/2017/val.txt").write_text("\n".join(names))
    return root


def make_youtube_vos(root: Path) -> Path:
    """Validation with first masks alone, training with all; object 2 is of a class that training does not
    have."""
    for split, truth in (("valid", "first"), ("train", "full")):
        videos = {}
        for name in ("aa", "bb"):
            write_sequence(root / split, name, truth)
            objects = {
                "1": {"category": "dog", "frames": NAMES[::2]},
                "2": {"category": "yak", "frames": NAMES[3:7:2]},
            }
            videos[name] = {"objects": objects}
        (root / split / "meta.json").write_text(json.dumps({"videos": videos}))
    return root


def tracker() -> Tracker:
    return Tracker(ColorNetwork(), SIZE, "cpu", "float32")


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
    assert f"break off at {NAMES[4]}.png" in result.failed["bear"]
    assert "is damaged" in result.failed["cows"] and "There is no folder" in result.failed["gone"]
    assert list(result.evaluation.sequences) == ["dog"] and result.zip_file is None
    result.print()
    assert "1 of 4 sequences tracked" in capsys.readouterr().out
    with pytest.raises(HS2SError, match=r"bear cannot be tracked: .* break off"):
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


def write_masks(root: Path, name: str = "s", part: str = "Annotations") -> None:
    (root / part / name).mkdir(parents=True)
    write_label_map(root / part / name / "00000.png", np.ones(SIZE, np.uint8))


def davis2016(root):
    (root / "ImageSets/480p").mkdir(parents=True)
    (root / "ImageSets/480p/val.txt").write_text(
        "/JPEGImages/480p/s/00000.jpg /Annotations/480p/s/00000.png\n"
    )


def both_davis(root):
    davis2016(root)
    for year in ("2016", "2017"):
        (root / f"ImageSets/{year}").mkdir()
        (root / f"ImageSets/{year}/val.txt").write_text("s\n")


def lvos(root):
    (root / "valid_meta.json").write_text(
        '{"videos": {"s": {"objects": {"1": {"frame_range": {"start": "1"}}}}}}'
    )


def sa_v(root):
    write_masks(root, "v/000", "Annotations_6fps")
    (root / "sav_val.txt").write_text("v\n")


@pytest.mark.parametrize(
    ("folder", "make", "split", "kind"),
    [
        ("data", davis2016, "val", "davis2016"),
        ("data", both_davis, "val", "davis2017"),
        ("data", both_davis, "2016/val", "davis2016"),
        ("MOSE/valid", None, None, "mose"),
        ("LVOS/valid", None, None, "lvos"),
        ("data", lvos, None, "lvos"),
        ("sav_val", sa_v, "val", "sa-v"),
        ("sav_val", sa_v, "sav_val", "sa-v"),
        ("data", None, None, "davis2017"),
    ],
)
def test_the_data_set_is_told_by_its_files(tmp_path, folder, make, split, kind):
    root = tmp_path / folder
    (root / ("JPEGImages_24fps" if make is sa_v else "JPEGImages") / "s").mkdir(parents=True)
    if make is not sa_v:
        write_masks(root)
    if make:
        make(root)
    found = find_benchmark(root, split)
    assert (found.kind, found.sequences) == (kind, ["v" if make is sa_v else "s"])
    assert found.root == root


def test_the_folder_of_frames_and_that_of_all_splits(tmp_path):
    root = make_davis(tmp_path / "DAVIS", ("bear",))
    write_sequence(root, "bear", sub="Full-Resolution")
    for given in ("JPEGImages/480p", "JPEGImages", "."):
        found = find_benchmark(root / given, "val")
        assert (found.root, found.images.name, found.masks.name) == (root, "480p", "480p")
    full = find_benchmark(root / "JPEGImages/Full-Resolution", "val")
    assert (full.images.name, full.masks.name) == ("Full-Resolution", "Full-Resolution")
    youtube = make_youtube_vos(tmp_path / "YouTubeVOS")
    assert find_benchmark(youtube, "val").root == youtube / "valid"
    with pytest.raises(HS2SError, match=r"give one of its parts, train, valid, or its name as split"):
        find_benchmark(youtube)
    (tmp_path / "empty").mkdir()
    for folder, says in ((tmp_path / "none", "There is no folder"), (tmp_path / "empty", "give its root")):
        with pytest.raises(HS2SError, match=says):
            find_benchmark(folder)
    with pytest.raises(HS2SError, match="There is no split 'test'"):
        find_benchmark(root, "test")
    with pytest.raises(HS2SError, match="no benchmark 'davis'"):
        find_benchmark(root, kind="davis")


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
