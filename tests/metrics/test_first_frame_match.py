from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import VOID, write_label_map
from fiftyone_hs2s.metrics import evaluate_folders
from fiftyone_hs2s.metrics.first_frame_match import FirstFrames

SIZE = (24, 40)
RENAMED = {1: 7, 2: 1, 300: 2}


def rectangle(left: int, top: int = 4, width: int = 8) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + 8, left : left + width] = True
    return mask


def test_the_best_of_all_one_to_one_matches_is_taken():
    random = np.random.default_rng(0)
    for _ in range(50):
        true = {i: random.random(SIZE) < 0.4 for i in range(3)}
        predicted = {i: random.random(SIZE) < 0.4 for i in "abcd"}
        found = FirstFrames[int, str]()
        found.update(true, predicted)
        j = {
            (t, p): (true[t] & predicted[p]).sum() / (true[t] | predicted[p]).sum()
            for t in true
            for p in predicted
        }
        best = max(
            sum(j[pair] for pair in zip(true, order, strict=True)) for order in permutations(predicted, 3)
        )
        matches = found.finish()
        assert sum(match.J for match in matches.values()) == pytest.approx(best)
        assert len({match.predicted for match in matches.values()}) == 3


def test_only_the_first_frame_with_predictions_counts_and_nothing_matches_what_it_does_not_touch():
    found = FirstFrames[str, int]()
    found.update({"a": rectangle(0), "hidden": np.zeros(SIZE, bool)}, None)
    found.update({"a": rectangle(0)}, {4: rectangle(2), 5: rectangle(20)})
    found.update(
        {"a": rectangle(20), "late": rectangle(30), "lost": rectangle(0, 14)},
        {4: rectangle(0), 6: rectangle(30)},
    )
    matches = found.finish()
    assert {key: match.predicted for key, match in matches.items()} == {"a": 4, "late": 6}
    assert found.new(["a", "hidden"]) == ["hidden"]
    assert FirstFrames[int, int]().finish() == {}


@pytest.fixture
def folders(tmp_path):
    """Objects 1, 2 and, late, 300 in the truth; 7, 1 and 2 in the prediction."""
    for name in ("gt", "pred"):
        (tmp_path / name / "walk").mkdir(parents=True)
    for k in range(6):
        shown = {1: rectangle(k), 2: rectangle(20, 12), **({300: rectangle(30, 2)} if k > 2 else {})}
        true, predicted = np.zeros(SIZE, np.uint16), np.zeros(SIZE, np.uint8)
        for i, mask in shown.items():
            true[mask] = i
            predicted[np.roll(mask, int(k > 0), 0)] = RENAMED[i]
        predicted[-1, -1] = VOID
        write_label_map(tmp_path / "gt" / "walk" / f"{k:05}.png", true)
        write_label_map(tmp_path / "pred" / "walk" / f"{k:05}.png", predicted)
    return tmp_path


def test_folders_with_other_ids(folders):
    """Each object is moved by a row: 7 of 9 rows are common."""
    found = evaluate_folders(folders / "pred", folders / "gt", "youtube-vos", match="first_frame")
    assert found.match == found.to_dict()["match"] == "first_frame"
    assert [result.object_id for result in found.results] == [1, 2, 300]
    for result in found.results:
        np.testing.assert_allclose(result.J_frames, 7 / 9)
    by_identity = evaluate_folders(folders / "pred", folders / "gt", "youtube-vos")
    assert by_identity.match == "identity"
    assert by_identity.J < 0.1
    with pytest.raises(HS2SError, match="match='best' is unknown: choose one of identity, first_frame"):
        evaluate_folders(folders / "pred", folders / "gt", match="best")


def test_doubts_are_listed(folders):
    for file in (folders / "pred" / "walk").iterdir():
        write_label_map(file, rectangle(18, 12, 3).astype(np.uint8))
    found = evaluate_folders(folders / "pred", folders / "gt", "all", match="first_frame")
    (problem,) = (problem for problem in found.problems if problem.kind == "match")
    assert problem.message == (
        "object 1, object 300: no predicted object overlaps on its first frame, counted as missed; "
        "object 2: matched on its first frame, but with J 0.10 there"
    )


def test_shell(folders, capsys):
    from fiftyone_hs2s.cli.main import main

    arguments = ["evaluate", "--gt", str(folders / "gt"), "--pred", str(folders / "pred"), "--workers", "1"]
    assert main([*arguments, "--protocol", "all", "--match", "first_frame"]) == 0
    assert "all, all, match first_frame" in capsys.readouterr().out
