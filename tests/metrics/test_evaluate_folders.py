# ruff: noqa: SIM300 (J and F look like constants to it)
from __future__ import annotations

import numpy as np
import pytest
from metric_reference import disk, reference_f, reference_j

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.metrics import evaluate_folders, score_folders

SIZE = (30, 40)


def frame(t, size=SIZE):
    out = np.zeros(size, np.uint8)
    out[disk(size, (12, 8 + t), 5)] = 1
    out[disk(size, (22, 30 - t), 5)] = 2
    return out


def write(folder, maps):
    folder.mkdir(parents=True)
    for name, label_map in maps.items():
        write_label_map(folder / f"{name}.png", label_map)


@pytest.fixture
def folders(tmp_path):
    """Two sequences of six frames, predicted one frame late."""
    for name, step in (("a", 1), ("b", 2)):
        write(tmp_path / "gt" / name, {f"{t:05d}": frame(step * t) for t in range(6)})
        write(tmp_path / "pred" / name, {f"{t:05d}": frame(step * max(t - 1, 0)) for t in range(6)})
    return tmp_path / "gt", tmp_path / "pred"


@pytest.mark.parametrize("workers", [1, 2])
def test_folders_of_sequences(folders, workers):
    seen = []
    result = evaluate_folders(*reversed(folders), num_workers=workers, progress=seen.append)
    assert [event[:3] for event in seen] == [(n, 2, "sequence") for n in range(3)]
    assert result.problems == []
    assert list(result.sequences) == ["a", "b"]
    objects = result.sequences["b"].objects
    assert objects[1].frames == ["00001", "00002", "00003", "00004"]
    pairs = [(frame(2 * t) == 1, frame(2 * t - 2) == 1) for t in range(1, 5)]
    np.testing.assert_allclose(objects[1].J_frames, [reference_j(*pair) for pair in pairs])
    np.testing.assert_allclose(objects[1].F_frames, [reference_f(*pair) for pair in pairs])


def test_json_is_plain_and_complete(folders):
    import json

    data = json.loads(json.dumps(evaluate_folders(*reversed(folders)).to_dict()))
    assert data.keys() >= {"J", "F", "JF", "sequences", "protocol"}
    first = data["sequences"]["a"]["objects"]["1"]
    assert first.keys() >= {"J", "F", "J_frames", "F_frames"}
    assert first["J"] == pytest.approx(np.mean(first["J_frames"]))
    assert len(first["J_frames"]) == len(first["F_frames"]) == len(first["frames"]) == 4
    assert data["JF"] == pytest.approx((data["J"] + data["F"]) / 2)


def test_single_sequences_belong_together(folders):
    truth, prediction = folders
    whole, second = (sequence.J for sequence in evaluate_folders(prediction, truth).sequences.values())
    other = prediction / "a"
    other = other.rename(prediction.parent / "any name")
    assert evaluate_folders(other, truth / "a").sequences["a"].J == whole
    (truth / "b").rename(truth.parent / "b")
    assert evaluate_folders(other, truth).sequences["a"].J == whole
    alone = evaluate_folders(prediction / "b", truth.parent / "b")
    assert list(alone.sequences) == ["b"]
    assert evaluate_folders(prediction, truth.parent / "b").sequences["b"].J == alone.J == second


def test_odd_input_is_named_and_scored_as_empty(folders):
    truth, prediction = folders
    (prediction / "a" / "00000.png").unlink()  # does not count in DAVIS
    (prediction / "a" / "00002.png").unlink()
    write_label_map(prediction / "a" / "00003.png", frame(0, (15, 20)))
    extra = frame(4)
    extra[0, 0] = 7
    write_label_map(prediction / "a" / "00004.png", extra)
    for file in (prediction / "b").iterdir():
        file.unlink()
    result = evaluate_folders(prediction, truth)
    assert [(p.kind, p.sequence, p.frames) for p in result.problems] == [
        ("missing-frame", "a", ("00002",)),
        ("size", "a", ("00003",)),
        ("missing-sequence", "b", ("00001", "00002", "00003", "00004")),
        ("extra-id", "a", ()),
    ]
    assert result.sequences["a"].objects[1].J_frames[1:3].tolist() == [0, 0]
    assert result.sequences["a"].objects[1].J_frames[3] == 1
    assert "7" in result.problems[-1].message
    assert result.sequences["b"].J == 0


def test_predictions_between_annotated_frames_are_passed_over(folders):
    truth, prediction = folders
    for name in ("00001", "00003"):
        (truth / "a" / f"{name}.png").unlink()
    result = evaluate_folders(prediction / "a", truth / "a", "youtube-vos")
    assert result.sequences["a"].objects[1].frames == ["00002", "00004", "00005"]
    assert result.problems == []


def test_no_common_sequence(folders):
    truth, prediction = folders
    (prediction / "a").rename(prediction / "c")
    (prediction / "b").rename(prediction / "d")
    with pytest.raises(HS2SError, match=r"No sequence of .*gt \(a, b\) is in .*pred \(c, d\)"):
        evaluate_folders(prediction, truth)


@pytest.mark.parametrize("workers", [1, 2])
def test_damaged_file_is_named(folders, workers):
    (folders[1] / "b" / "00003.png").write_bytes(b"no image")
    with pytest.raises(HS2SError, match=r"00003\.png"):
        evaluate_folders(*reversed(folders), num_workers=workers)


def test_missing_folder(folders):
    with pytest.raises(HS2SError, match="nowhere"):
        score_folders(folders[1] / "nowhere", folders[0])


def test_no_common_frame(folders):
    truth, prediction = folders
    for file in (prediction / "a").iterdir():
        file.rename(file.with_name(f"frame_{file.name}"))
    with pytest.raises(HS2SError, match=r"No frame of .*gt/a \(00000, .*is in .*pred/a \(frame_00000, "):
        evaluate_folders(prediction, truth)


def test_a_split_of_the_data_set(folders):
    truth, prediction = folders
    (truth.parent / "ImageSets/2017").mkdir(parents=True)
    (truth.parent / "ImageSets/2017/val.txt").write_text("b\n")
    truth.rename(truth.parent / "Annotations")
    result = evaluate_folders(prediction, truth.parent, split="val")
    assert list(result.sequences) == ["b"]
    assert result.problems == []
    (truth.parent / "ImageSets/2017/val.txt").write_text("b\nzebra\n")
    with pytest.raises(HS2SError, match=r"names sequences that .* has no masks of: zebra"):
        evaluate_folders(prediction, truth.parent, split="val")


def test_void_of_16_bits_is_left_out(tmp_path):
    """As in KITTI MOTS: ids by the thousand, 10000 to ignore; the prediction also covers what is to be
    ignored."""
    for t in range(4):
        truth = frame(t).astype(np.uint16) * 1000
        prediction = truth.copy()
        truth[:6] = 10000
        prediction[:6] = 1000
        for name, label_map in (("gt", truth), ("pred", prediction)):
            (tmp_path / name / "s").mkdir(parents=True, exist_ok=True)
            write_label_map(tmp_path / name / "s" / f"{t}.png", label_map)
    result = evaluate_folders(tmp_path / "pred", tmp_path / "gt", "all", void=10000)
    assert list(result.sequences["s"].objects) == [1000, 2000]
    assert result.JF == 1
    assert evaluate_folders(tmp_path / "pred", tmp_path / "gt", "all").JF < 0.8


def test_objects_with_files_of_their_own_are_scored_each_by_itself(tmp_path):
    """SA-V: objects overlap, and may lack frames; the prediction is late by one frame."""
    shapes = {"000": lambda t: disk(SIZE, (15, 10 + t), 8), "001": lambda t: disk(SIZE, (15, 13 + t), 4)}
    for name, shape in shapes.items():
        for side, late in (("gt", 0), ("pred", 1)):
            folder = tmp_path / side / "vid" / name
            folder.mkdir(parents=True)
            for t in range(6):
                if name == "000" or t != 3 or side == "pred":
                    write_label_map(folder / f"{4 * t:05}.png", shape(max(t - late, 0)).astype(np.uint8))
    result = evaluate_folders(tmp_path / "pred", tmp_path / "gt")
    objects = result.sequences["vid"].objects
    assert result.problems == []
    for i, name, counted in ((1, "000", (1, 2, 3, 4)), (2, "001", (1, 2, 4))):
        assert objects[i].frames == [f"{4 * t:05}" for t in counted]
        pairs = [(shapes[name](t), shapes[name](t - 1)) for t in counted]
        np.testing.assert_allclose(objects[i].J_frames, [reference_j(*pair) for pair in pairs])
        np.testing.assert_allclose(objects[i].F_frames, [reference_f(*pair) for pair in pairs])
    merged = evaluate_folders(tmp_path / "pred", tmp_path / "gt", "davis2016").sequences["vid"].objects
    assert list(merged) == [1]


def run_case(shared_data, *names):
    folder = shared_data.joinpath("cases", *names)
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    return folder


def test_recorded_gray_and_indexed_truth_give_the_same_scores(shared_data):
    void = run_case(shared_data, "05_grey_255", "void")
    gray, indexed = (evaluate_folders(void / "pred", void / f"gt_{kind}") for kind in ("grey", "indexed"))
    assert gray.to_dict() == indexed.to_dict()
    assert len(gray.results) == 2
    grays = void.parent / "two_greys"
    result = evaluate_folders(grays, grays)
    assert list(result.sequences["s"].objects) == [127, 255]
    assert [problem.kind for problem in result.problems] == ["gray"]


def test_recorded_white_masks_of_all_modes_give_the_same_scores(shared_data):
    case = run_case(shared_data, "06_white_in_other_modes")
    results = [
        evaluate_folders(case / f"pred_{kind}", case / "gt_grey8") for kind in ("grey8", "indexed", "grey16")
    ]
    results.append(evaluate_folders(case / "pred_grey8", case / "gt_indexed"))
    for result in results:
        assert (round(100 * result.J, 1), round(100 * result.F, 1)) == (80.8, 92.0)


def test_recorded_frames_of_other_names_are_refused(shared_data):
    case = run_case(shared_data, "08_no_frame_name_in_common")
    with pytest.raises(HS2SError, match=r"00000.*frame_00000"):
        evaluate_folders(case / "pred", case / "gt")
