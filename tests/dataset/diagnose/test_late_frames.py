from __future__ import annotations

import fiftyone as fo
import numpy as np
import pytest

from fiftyone_hs2s import analyze, evaluate_propagation
from fiftyone_hs2s.dataset.evaluate import figures
from fiftyone_hs2s.dataset.sample_views import frame_rates
from fiftyone_hs2s.metrics.analysis import LATE
from fiftyone_hs2s.plugin.panel_content import overview


def fails_late(fps: int, start: int) -> fo.Sample:
    """A video whose only object appears on frame ``start`` and is tracked until it is late, never from
    then on."""
    metadata = fo.VideoMetadata(frame_width=8, frame_height=8, frame_rate=fps, total_frame_count=5 * fps)
    sample = fo.Sample(filepath=f"/nowhere/{fps}.mp4", metadata=metadata)
    for number in range(1, 5 * fps + 1):
        late = (number - start) * 6 / fps > LATE
        label = fo.Detection(label="a", index=1, bounding_box=[0, 0, 0.5, 0.5], mask=np.ones((4, 4), bool))
        there = fo.Detections(detections=[label] if number >= start else [])
        sample.frames[number] = fo.Frame(gt=there, pred=fo.Detections() if late else there.copy())
    return sample


@pytest.fixture
def two_rates(dataset):
    dataset.add_samples([fails_late(6, 3), fails_late(24, 5)])
    return dataset


def test_late_is_the_same_in_the_analysis_the_figure_and_the_panel(two_rates):
    results = evaluate_propagation(two_rates, "pred", "gt", "ev", protocol="all")
    table = analyze(two_rates, eval_key="ev", protocol="all").analysis.length
    assert (table.num_objects, table.J_early, table.J_late) == (2, 1, 0)
    figure, panel = results.plot_over_time().to_plotly_json(), overview(two_rates, "ev")
    for trace, layout in (
        (figure["data"][0], figure["layout"]),
        (panel.traces["time"][0], panel.layouts["time"]),
    ):
        early, late = layout["shapes"]
        scores = dict(zip(trace["x"], trace["y"], strict=True))
        assert {scores[t] for t in scores if early["x0"] <= t < early["x1"]} == {1}
        assert {scores[t] for t in scores if late["x0"] < t <= late["x1"]} == {0}
        assert scores[LATE] == pytest.approx((1 + 0.25) / 2), (
            "t = 20, and at 24 frames per second three more until 21"
        )
        assert max(scores) == late["x1"] > LATE


def test_each_object_counts_the_same_in_each_step():
    times = np.arange(8)
    curves = {"slow": (times[:2].astype(float), np.zeros(2)), "fast": (times / 4, np.ones(8))}
    assert figures.over_time(curves)[0]["y"] == [0.5, 0.5]


def test_rates(two_rates, tmp_path, caplog):
    two_rates.add_sample(fo.Sample(filepath=str(tmp_path / "gone.mp4")))
    ids = two_rates.values("id")
    assert frame_rates(two_rates, ids[:2]) == {ids[0]: 6, ids[1]: 24}
    assert not [record for record in caplog.records if record.name.startswith("fiftyone_hs2s")]
    assert frame_rates(two_rates, ids[2:]) == {ids[2]: 30}
    assert "gone.mp4 is not known: taken as 30" in caplog.text
