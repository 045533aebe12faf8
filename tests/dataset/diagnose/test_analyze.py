from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest
from evaluation_kit import labeled_sample
from fiftyone_kit import H, T, W

from fiftyone_hs2s import HS2SError, analyze, evaluate_propagation


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


def test_masks_of_another_size_are_fitted(dataset, video):
    small = labeled_sample(video)
    for frame in small.frames.values():
        for detection in frame.pred.detections:
            detection.mask = np.kron(detection.mask, np.ones((2, 2), bool))
    dataset.add_sample(small)
    assert evaluate_propagation(dataset, "pred", "gt", protocol="all").objects[0]["J"] == 1
    assert (H, W) == (64, 96)
