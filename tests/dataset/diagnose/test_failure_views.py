from __future__ import annotations

from pathlib import Path

from fiftyone_hs2s import evaluate_propagation, find_failures


def saved(dataset) -> dict[str, list[str]]:
    """The files of each saved view, in its order."""
    return {
        name: [Path(path).stem for path in dataset.load_saved_view(name).values("filepath")]
        for name in dataset.list_saved_views()
    }


def test_saved_views_are_those_of_what_occurred(three):
    find_failures(three, "pred", "gt", save_views=True)
    assert saved(three) == {
        "HS2S: worst first (pred)": ["switched", "lost"],
        "HS2S: occlusion (pred)": ["lost"],
        "HS2S: reappearance (pred)": ["lost"],
        "HS2S: lost (pred)": ["lost", "switched"],
        "HS2S: identity switch (pred)": ["switched"],
    }
    switches = three.load_saved_view("HS2S: identity switch (pred)")
    assert switches.distinct("pred_events.detections.kind") == ["identity switch"]
    three.clone_frame_field("gt", "other")
    # Which has no failure, and no view of the other field's.
    find_failures(three, "other", "gt", save_views=True)
    assert [name for name in three.list_saved_views() if "(other)" in name] == [
        "HS2S: occlusion (other)",
        "HS2S: reappearance (other)",
    ]
    three.save_view("HS2S: mine", three.limit(1))
    three.limit(2).set_values("frames.pred", three.limit(2).values("frames.gt"))
    find_failures(three, "pred", "gt", save_views=True)
    names = {
        "HS2S: mine",
        "HS2S: occlusion (other)",
        "HS2S: identity switch (pred)",
        "HS2S: worst first (pred)",
    }
    assert names < set(saved(three))
    assert all(saved(three).values()), "none is empty"
    assert saved(three)["HS2S: lost (pred)"] == ["switched"]


def test_worst_first_goes_by_the_scores_of_an_evaluation(three):
    results = evaluate_propagation(three, "pred", "gt", "ev")
    find_failures(three, "pred", eval_key="ev", save_views=True)
    scores = results.sample_scores()
    files = dict(zip(three.values("id"), ("good", "lost", "switched"), strict=True))
    worst = [files[sample_id] for sample_id in sorted(scores, key=scores.get)]
    assert saved(three)["HS2S: worst first (pred)"] == worst == ["switched", "lost", "good"]
