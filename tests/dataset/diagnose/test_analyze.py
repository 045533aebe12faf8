from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from evaluation_kit import labeled_sample, labels, predicted_labels, shifted, true_labels
from fiftyone_kit import H, T, W, truth

from fiftyone_hs2s import HS2SError, analyze, compare_evaluations, evaluate_propagation


def test_analysis(occluded, capsys):
    evaluation = evaluate_propagation(occluded, "pred", "gt", "ev")
    found = analyze(occluded, "pred", "gt", fps=6)
    assert (
        analyze(occluded, eval_key="ev", fps=6, protocol="youtube-vos").analysis.to_dict()
        == found.analysis.to_dict()
    )
    assert found.analysis.sequence_lengths == (T, T)
    assert found.analysis.occlusion_lengths[0] == (3,)
    first = found.analysis.occlusion[0]
    assert (first.num_objects, first.JF) == (1, 0)
    rows = {row["frames"]: row for row in found.rows()}
    # of 11 frames 4 have the first square, three both nothing of it, and from 5 on it is lost
    assert rows["all frames"]["JF"] == pytest.approx(((3 + 3) / 11 + 1) / 2)
    assert rows["all frames"]["paper"] == {"JF": 0.690}
    # Of squares that are right or missed.
    assert rows["all frames"]["J"] == pytest.approx(rows["all frames"]["JF"])
    assert pytest.approx(evaluation.JF) == analyze(occluded, eval_key="ev", fps=6).analysis.JF
    found.print()
    printed = capsys.readouterr().out
    assert "HS2S paper, YouTube-VOS" in printed
    assert "note: objects and frames that count are those of the protocol youtube-vos" in printed
    assert "note: early and late: no object is in view for more than 20 steps (3.3 s)" in printed
    assert sum(len(trace.x) for trace in found.plot_occlusion_lengths().data) == 3
    assert len(found.plot_sequence_lengths().data[0].x) == 2


def test_time_is_counted_with_the_videos_rate(occluded):
    (length,) = set(analyze(occluded, "pred", "gt").analysis.sequence_lengths)
    assert length == int((T - 1) * 6 / 10) + 1  # 10 frames a second


def test_analysis_needs_truth(occluded):
    with pytest.raises(HS2SError, match="give an eval_key, or pred_field and gt_field"):
        analyze(occluded, "pred")
    occluded.add_frame_field("none", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    with pytest.raises(HS2SError, match="nothing can be analyzed"):
        analyze(occluded, "pred", "none")


def test_comparison_is_on_shared_objects(occluded, video, capsys):
    occluded.add_sample(labeled_sample(video))
    evaluate_propagation(occluded, "pred", "gt", "everything")
    evaluate_propagation(occluded.limit(1), "pred", "gt", "first")
    comparison = compare_evaluations(occluded, ["everything", "first"], paper=True)
    everything, first, *paper = comparison.rows
    assert everything["JF"] == first["JF"]
    assert (everything["objects"], everything["of"], first["of"]) == (2, 4, 2)
    assert paper[-1] == {"name": "HS2S (paper)", "J": 0.661, "F": 0.717, "JF": 0.689}
    (note,) = comparison.notes
    assert (
        note
        == "not all evaluations scored the same objects (everything 4, first 2): compared on the 2 that all"
        " scored"
    )
    comparison.print()
    own, printed_paper = capsys.readouterr().out.split("reported in the HS2S paper, on other data")
    assert "everything" in own and note in own and "(paper)" not in own
    assert len({len(line.split()) for line in printed_paper.splitlines()[3:]}) == 1, "no column is blank"
    assert [trace.name for trace in comparison.plot().data] == ["J", "F", "JF"]
    evaluate_propagation(occluded, "pred", "gt", "third", protocol="all")
    with pytest.raises(HS2SError, match="different protocol cannot be compared"):
        compare_evaluations(occluded)


def test_comparison_is_on_shared_frames(scored_dataset):
    """The second run has a correction on frame 9, where the first one is at its worst: it tells nothing of
    either."""
    evaluate_propagation(scored_dataset, "pred", "gt", "before")
    corrected = [predicted_labels(n) if n != 9 else true_labels(n) for n in range(1, T + 1)]
    corrected[8].detections[1]["keyframe"] = True
    scored_dataset.set_values("frames.corrected", [corrected])
    evaluate_propagation(scored_dataset, "corrected", "gt", "after")
    before, after = compare_evaluations(scored_dataset, ["before", "after"]).rows
    results = {key: scored_dataset.load_evaluation_results(key) for key in ("before", "after")}
    assert results["after"].JF > results["before"].JF + 0.01  # what the two say apart
    assert after["change"] == pytest.approx(0)
    assert before["J"] == pytest.approx((1 + (5 + 4 * 0.6) / 9) / 2)
    (note,) = compare_evaluations(scored_dataset, ["before", "after"]).notes
    assert note == "1 frame is left out that not all evaluations scored, such as prompts"


def test_numbers_of_true_objects_do_not_depend_on_the_prediction(dataset, video):
    """Truth has instances, and objects in another order than by index; not all predictions share the
    instances."""
    instances = {0: fo.Instance(), 1: fo.Instance()}

    def named(number, masks, instance=True):
        found = labels(masks)
        found.detections.reverse()
        for d in found.detections if instance else ():
            d.instance = instances[d.index]
        return found

    sample = labeled_sample(video)
    for number, frame in sample.frames.items():
        frame["gt"], frame["pred"] = (named(number, truth(number)) for _ in range(2))
        frame["bare"] = named(number, {0: truth(number)[0], 1: shifted(truth(number)[1], 4)}, instance=False)
    dataset.add_sample(sample)
    for field in ("pred", "bare"):
        results = evaluate_propagation(dataset, field, "gt", f"{field}_eval")
        assert [row["name"] for row in results.objects] == ["square 0", "square 1"]
    assert compare_evaluations(dataset, ["pred_eval", "bare_eval"]).rows[1]["change"] == pytest.approx(
        results.JF - 1
    )


def test_masks_of_another_size_are_fitted(dataset, video):
    small = labeled_sample(video)
    for frame in small.frames.values():
        for detection in frame.pred.detections:
            detection.mask = np.kron(detection.mask, np.ones((2, 2), bool))
    dataset.add_sample(small)
    assert evaluate_propagation(dataset, "pred", "gt", protocol="all").objects[0]["J"] == 1
    assert (H, W) == (64, 96)
