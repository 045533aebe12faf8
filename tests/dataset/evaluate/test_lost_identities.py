"""Predictions of other trackers, such as FiftyOne's SAM 2: numbered from 0, without instance or
confidence."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from evaluation_kit import shifted
from fiftyone_kit import H, T, W, detection, truth

import fiftyone_hs2s as hs2s
from fiftyone_hs2s import HS2SError, analyze, compare_evaluations, evaluate_propagation, find_failures

NAMES = {1: "red", 2: "blue", 3: "late"}
SAM2 = {1: 2, 2: 0, 3: 1}
"""What SAM 2 calls the objects."""
LATE = 5


def masks(number: int, off: int = 0) -> dict[int, np.ndarray]:
    """Three objects, the third from frame 5 on; ``off`` pixels too far left."""
    found = {index + 1: mask for index, mask in truth(number).items()}
    if number >= LATE:
        found[3] = np.zeros((H, W), bool)
        found[3][54:62, 60:80] = True
    return {i: shifted(mask, off) if off else mask for i, mask in found.items()}


def frame(number: int, instances: dict[int, fo.Instance]) -> fo.Frame:
    off = 2 if number > LATE + 1 else 0

    def labels(shown, name, **more) -> fo.Detections:
        return fo.Detections(detections=[detection(m, **name(i), **more) for i, m in shown.items()])

    return fo.Frame(
        gt=labels(masks(number), lambda i: {"label": NAMES[i], "index": i, "instance": instances[i]}),
        ours=labels(
            masks(number, off),
            lambda i: {"label": NAMES[i], "index": i, "instance": instances[i]},
            confidence=0.9,
        ),
        sam2=labels(masks(number, off), lambda i: {"label": NAMES[i], "index": SAM2[i]}),
    )


@pytest.fixture
def tracked(dataset, video):
    sample = fo.Sample(
        filepath=str(video), metadata=fo.VideoMetadata(frame_width=W, frame_height=H, frame_rate=10)
    )
    instances = {i: fo.Instance() for i in NAMES}
    for number in range(1, T + 1):
        sample.frames[number] = frame(number, instances)
    dataset.add_sample(sample)
    return dataset


@pytest.mark.parametrize("protocol", ["davis2017", "youtube-vos", "davis2016"])
def test_sam_2_is_scored_as_ours_where_its_masks_are_ours(tracked, protocol):
    ours = evaluate_propagation(tracked, "ours", "gt", protocol=protocol)
    sam2 = evaluate_propagation(tracked, "sam2", "gt", protocol=protocol, match="first_frame")
    assert sam2.problems == ours.problems
    for one, other in zip(ours.objects, sam2.objects, strict=True):
        assert {name: other[name] for name in one} == one
    if protocol != "davis2016":
        assert {row["name"]: row["matched"] for row in sam2.objects} == {
            f"{NAMES[row['object']]} {row['object']}": f"index {SAM2[row['object']]}, J 1.00"
            for row in ours.objects
        }


def test_by_identity_they_are_mistaken_for_each_other_and_that_is_said(tracked):
    wrong = evaluate_propagation(tracked, "sam2", "gt", protocol="youtube-vos")
    right = evaluate_propagation(tracked, "sam2", "gt", protocol="youtube-vos", match="first_frame")
    assert wrong.JF < 0.4 < 0.8 < right.JF
    (problem,) = (p["message"] for p in wrong.problems if "first_frame" in p["message"])
    assert problem.startswith("blue 2: predicted, but elsewhere, on its first frame")


def test_the_result_the_report_and_a_comparison_say_how(tracked, capsys):
    evaluate_propagation(tracked, "ours", "gt", "ours_eval")
    evaluate_propagation(tracked, "sam2", "gt", "sam2_eval", match="first_frame")
    results = hs2s.load_evaluation(tracked, "sam2_eval")
    assert results.config.match == results.report()["match"] == "first_frame"
    results.print_report()
    assert "objects matched by overlap on their first frame, not by identity" in capsys.readouterr().out
    comparison = compare_evaluations(tracked, ["ours_eval", "sam2_eval"])
    assert "objects of sam2_eval were matched by overlap on their first frame" in comparison.notes
    assert [row["objects"] for row in comparison.rows] == [2, 2]
    assert comparison.rows[1]["change"] == 0
    found = [d for _, f in tracked.first().frames.items() for d in f.sam2.detections]
    assert {d["sam2_eval"] for d in found if d.has_field("sam2_eval")} - {None} == {"tp"}


def test_failures_are_those_of_the_right_object(tracked):
    ours = find_failures(tracked, "ours", "gt").events
    found = find_failures(tracked, "sam2", "gt", match="first_frame")
    assert found.events == ours
    assert found.match == "first_frame"
    assert "matched by overlap on their first frame" in str(found)
    assert "identity switch" in find_failures(tracked, "sam2", "gt").counts, (
        "by identity they seem to be swapped"
    )
    evaluate_propagation(tracked, "sam2", "gt", "ev", "youtube-vos", match="first_frame")
    assert find_failures(tracked, "sam2", eval_key="ev").match == "first_frame"
    with pytest.raises(HS2SError, match="matched objects by first_frame: leave match out"):
        find_failures(tracked, "sam2", eval_key="ev", match="identity")


def test_the_analysis_is_of_the_right_object(tracked):
    ours = analyze(tracked, "ours", "gt")
    found = analyze(tracked, "sam2", "gt", match="first_frame")
    assert found.analysis.to_dict() == ours.analysis.to_dict()
    assert analyze(tracked, "sam2", "gt").analysis.JF < ours.analysis.JF
    said = "objects matched by overlap on their first frame, not by identity"
    assert said in found.notes() and said not in ours.notes()
    evaluate_propagation(tracked, "sam2", "gt", "ev", "youtube-vos", match="first_frame")
    assert said in analyze(tracked, eval_key="ev").notes()
    with pytest.raises(HS2SError, match="matched objects by first_frame: leave match out"):
        analyze(tracked, eval_key="ev", match="identity")
    with pytest.raises(HS2SError, match="'overlap'"):
        analyze(tracked, "sam2", "gt", match="overlap")


def test_one_to_one_and_doubts_are_said(tracked):
    """The mask of red is predicted twice, blue nowhere, and the late object only just."""
    sample = tracked.first()
    for number, f in sample.frames.items():
        shown = masks(number)
        wide = shown[1] | np.roll(shown[1], 6, 0)
        found = {0: wide, 5: shown[1], **({2: np.roll(shown[3], 14, 1)} if 3 in shown else {})}
        f["sam2"] = fo.Detections(detections=[detection(m, label="thing", index=i) for i, m in found.items()])
    sample.save()
    results = evaluate_propagation(tracked, "sam2", "gt", protocol="all", match="first_frame")
    rows = {row["label"]: row for row in results.objects}
    assert (rows["red"]["matched"], rows["red"]["J"]) == ("index 5, J 1.00", 1)
    assert (rows["blue"]["matched"], rows["blue"]["JF"]) == (None, 0)
    assert rows["late"]["matched"] == "index 2, J 0.18"
    text = " ".join(problem["message"] for problem in results.problems)
    assert "blue 2: no predicted object overlaps on its first frame" in text
    assert "late 3: matched on its first frame, but with J 0.18 there" in text


def test_a_frame_without_predictions_decides_nothing(tracked):
    """Some trackers do not give back the frame that they were given."""
    sample = tracked.first()
    sample.frames[1]["sam2"] = None
    sample.save()
    results = evaluate_propagation(tracked, "sam2", "gt", protocol="youtube-vos", match="first_frame")
    assert [row["matched"] for row in results.objects] == [f"index {i}, J 1.00" for i in SAM2.values()]


def test_what_cannot_be_matched_is_refused(tracked):
    with pytest.raises(HS2SError, match="match='overlap' is unknown: choose one of identity, first_frame"):
        evaluate_propagation(tracked, "sam2", "gt", match="overlap")
    sample = tracked.first()
    for d in sample.frames[3].sam2.detections:
        d.index, d.label = None, "thing"
    sample.save()
    with pytest.raises(HS2SError, match="frame 3 have only the label 'thing'"):
        evaluate_propagation(tracked, "sam2", "gt", match="first_frame")
