from __future__ import annotations

import pytest
from evaluation_kit import labeled_sample, predicted_labels, true_labels
from fiftyone_kit import T
from panel_kit import PLOTS, Panel

from fiftyone_hs2s import evaluate_propagation, find_failures

pytestmark = pytest.mark.usefixtures("plugin")


def test_curves_of_the_open_sample(evaluated):
    panel = Panel(evaluated, current_sample=evaluated.first().id)
    panel.do("on_load")
    _, *curves = panel.data["curves"]
    assert [curve["name"] for curve in curves] == [f"{s} square {i}" for i in range(2) for s in "JF"]
    assert curves[2]["y"] == [1] * 6 + [pytest.approx(0.6)] * 6
    (shade,) = panel.state["layouts"]["curves"]["shapes"]
    assert (shade["x0"], shade["x1"]) == (6.5, 12.5)
    (row,) = panel.data["events"]
    assert (row["event"], row["frames"]) == ("drift: square 1 (0.20)", "7-12")
    assert row["why"] == "J is 0.40 below its best level"
    panel.do("click_event", row=0, column=0)
    assert panel.requests == {"go_to_frame": {"sample_id": evaluated.first().id, "frame_number": 7}}
    assert panel.data["playhead"]["frames"][T] == [T, T]
    panel.do("click_curve", x=9, y=0.6)
    assert panel.requests["go_to_frame"]["frame_number"] == 9


def test_prompts_are_marked_and_no_part_of_the_curves(evaluated):
    sample = evaluated.first()
    for number in (1, 9):
        sample.frames[number].pred.detections[1]["keyframe"] = True
    sample.save()
    evaluate_propagation(evaluated, "pred", "gt", "ev")
    panel = Panel(evaluated, current_sample=sample.id)
    panel.do("on_load")
    *curves, marks = panel.data["curves"][1:]
    assert curves[0]["x"] == [*range(1, T + 1)]
    assert curves[2]["x"] == [n for n in range(1, T + 1) if n not in (1, 9)]
    assert (marks["name"], marks["x"]) == ("prompts", [1, 9])


def test_what_the_app_calls_a_change_of_the_view_leaves_curves_and_playhead_alone(evaluated):
    panel = Panel(evaluated, current_sample=evaluated.first().id)
    panel.do("on_load")
    panel.data["curves"][0]["x"] = [5, 5]  # as the App does where the player is at frame 5
    panel.do("on_change_view")
    assert panel.data["curves"][0]["x"] == [5, 5]
    panel.context["current_sample"] = None
    panel.do("on_change_view")
    assert set(panel.shown) >= PLOTS


def test_playhead_follows_each_sample_on_a_timeline_of_its_own(evaluated, video):
    first, second = evaluated.first().id, evaluated.add_sample(labeled_sample(video))
    evaluate_propagation(evaluated, "pred", "gt", "ev")
    panel = Panel(evaluated, current_sample=first)
    always = {"eval_key", "headline", "curves", "events", "worst", "reload", "attention", "redo", "similar"}
    for sample_id, event in ((first, "on_load"), (second, "on_change_current_sample"), (first, "on_load")):
        panel.context["current_sample"] = sample_id
        panel.do(event)
        assert set(panel.shown) == {*always, "hidden", "soon"}
        made = panel.shown["hidden"].type.properties["timeline"].view.to_json()
        panel.do("follow")
        assert set(panel.shown) == {*always, "playhead"}
        followed = panel.shown["playhead"].view.to_json()
        assert made["timeline_name"] == followed["timeline_name"] == f"timeline-{sample_id}"
    panel.do("reload")
    assert "hidden" in panel.shown, "new curves, whose playhead has to follow again"


def test_open_sample_without_scores(evaluated, video):
    sample = labeled_sample(video)
    evaluated.add_sample(sample)
    panel = Panel(evaluated, current_sample=sample.id)
    panel.do("on_load")
    assert "was not scored" in panel.text
    assert "curves" not in panel.shown


def beside_grid(key: str) -> dict:
    """The spaces that a user's App sends along, with the panel beside the grid."""
    panel = {"component_id": "grid", "type": "hs2s_panel", "state": {"state": {"eval_key": key}}}
    return {"children": [{"children": [{"type": "Samples"}]}, {"children": [panel]}]}


def test_open_sample_keeps_the_choice_or_takes_an_evaluation_that_scored_it(evaluated, video):
    first, second = evaluated.first().id, evaluated.add_sample(labeled_sample(video))
    evaluate_propagation(evaluated.select(second), "pred", "gt", "second_eval")
    for sample_id, key in ((first, "ev"), (second, "second_eval")):
        panel = Panel(evaluated, current_sample=sample_id, spaces=beside_grid("ev"))
        panel.do("on_load")
        assert panel.state["eval_key"] == key
        assert "curves" in panel.shown
    panel.do("choose", value="ev")
    assert "was not scored" in panel.text, "what was chosen for this very sample holds"


def test_each_user_has_a_choice_of_their_own(evaluated):
    evaluate_propagation(evaluated, "pred", "gt", "newer")
    sample_id = evaluated.first().id
    for key in ("ev", "newer"):  # two browsers of one server
        Panel(evaluated, spaces=beside_grid("ev")).do("choose", value=key)
        panel = Panel(evaluated, current_sample=sample_id, spaces=beside_grid(key))
        panel.do("on_load")
        assert panel.state["eval_key"] == key


def test_the_last_choice_holds_in_the_next_sample(evaluated, video):
    first, second = evaluated.first().id, evaluated.add_sample(labeled_sample(video))
    for key in ("ev", "newer"):
        evaluate_propagation(evaluated, "pred", "gt", key)
    panel = Panel(evaluated, current_sample=first, spaces=beside_grid("newer"))
    panel.do("on_load")
    panel.do("choose", value="ev")
    panel.context["current_sample"] = second
    panel.do("on_change_current_sample")
    assert panel.state["eval_key"] == "ev", "chosen beside the video"
    panel.context |= {"current_sample": first, "spaces": beside_grid("ev")}
    panel.do("on_change_current_sample")
    panel.context |= {"current_sample": second, "spaces": beside_grid("newer")}
    panel.do("on_change_current_sample")
    assert panel.state["eval_key"] == "newer", "chosen beside the grid since"


def test_a_sample_opens_with_the_panel_beside_its_video(evaluated):
    sample_id = evaluated.first().id
    panel = Panel(evaluated, spaces=beside_grid("ev"))
    panel.do("on_load", panel_id="grid")
    assert "beside_video" not in panel.requests
    overview = panel.shown
    panel.context["current_sample"] = sample_id
    panel.do("on_change_current_sample", panel_id="grid")
    assert panel.requests["beside_video"] == {}
    assert "curves" not in panel.data, "the panel beside the grid is covered"
    assert overview.keys() >= PLOTS
    modal = Panel(evaluated, current_sample=sample_id, spaces=beside_grid("ev"))
    modal.do("on_load", panel_id="hs2s_panel")
    assert modal.requests["beside_video"] == {"panel_id": "hs2s_panel"}, "whose line follows Annotate"


def test_curves_of_several_evaluations(evaluated):
    evaluated.set_values("frames.other", [[true_labels(n) for n in range(1, T + 1)]])
    evaluate_propagation(evaluated, "other", "gt", "other_eval")
    grid = beside_grid("ev")
    grid["children"][1]["children"][0]["state"]["state"]["others"] = ["other_eval"]
    panel = Panel(evaluated, current_sample=evaluated.first().id, spaces=grid)
    panel.do("on_load")
    curves = {curve["name"]: curve for curve in panel.data["curves"][1:]}
    assert list(curves) == [f"J&F square {i}{of}" for of in ("", " (other_eval)") for i in range(2)]
    scores = evaluated.load_evaluation_results("ev").scores(evaluated.first().id)
    assert curves["J&F square 1"]["y"] == scores.objects[2].JF.tolist()
    assert curves["J&F square 1 (other_eval)"]["y"] == [1] * T
    dashes = [curves[f"J&F square 1{of}"]["line"]["dash"] for of in ("", " (other_eval)")]
    assert dashes == ["solid", "dash"]
    assert (
        panel.state["layouts"]["curves"]["title"]["text"]
        == "J&F per frame<br><sub>ev; dash: other_eval</sub>"
    )
    assert "square 1: J&F **0.767** (other_eval 1.000)" in panel.text
    panel.do("choose_others", value=[])
    assert [curve["name"] for curve in panel.data["curves"][1:]][:2] == ["J square 0", "F square 0"]


def test_scores_beside_each_other_are_those_of_the_frames_that_all_scored(evaluated):
    sample = evaluated.first()
    for number in (8, 9):  # prompts, which do not count, of the first run alone
        sample.frames[number].pred.detections[1]["keyframe"] = True
    sample.save()
    evaluate_propagation(evaluated, "pred", "gt", "ev")
    evaluated.set_values("frames.other", [[predicted_labels(n) for n in range(1, T + 1)]])
    evaluate_propagation(evaluated, "other", "gt", "other_eval", protocol="all")
    panel = Panel(evaluated, current_sample=sample.id)
    panel.do("choose", value="ev")
    own = next(o["JF"] for o in evaluated.load_evaluation_results("ev").objects if o["name"] == "square 1")
    panel.do("choose_others", value=["other_eval"])
    assert f"square 1: J&F **{own:.3f}**. Not compared: evaluations of different protocol" in panel.text
    evaluate_propagation(evaluated, "other", "gt", "other_eval")
    panel.do("reload")
    assert "0.767" not in panel.text, "J&F of the second run on all frames"
    assert f"square 1: J&F **{own:.3f}** (other_eval {own:.3f}), on the frames that all scored" in panel.text


def test_what_the_app_puts_back_of_another_sample_is_not_shown(evaluated, video):
    first, second = evaluated.first().id, evaluated.add_sample(labeled_sample(video, pred=true_labels))
    evaluate_propagation(evaluated, "pred", "gt", "ev")
    panel = Panel(evaluated, current_sample=first)
    panel.do("on_load")
    before, text = dict(panel.state), panel.text
    panel.context["current_sample"] = second
    panel.do("on_change_current_sample")
    assert panel.text != text
    panel.state = before
    panel.do("follow")
    assert panel.text != text
    assert panel.data["curves"][3]["y"] == [1] * T
    assert panel.state["curves"] is None, "else the App merges the two, and keeps the end of the longer one"


def test_the_worst_frame_of_the_sample_and_of_a_clip(evaluated):
    sample_id = evaluated.first().id
    find_failures(evaluated, "pred", eval_key="ev")
    panel = Panel(evaluated, current_sample=sample_id)
    panel.do("on_load")
    panel.do("go_to_worst")
    assert panel.requests == {"go_to_frame": {"sample_id": sample_id, "frame_number": 7}}
    assert "video" not in panel.shown

    evaluated.set_values("pred_events.detections.worst_frame", [[9]])
    clips = evaluated.to_clips("pred_events")
    assert clips.values("pred_events.label") == ["drift: square 1 (0.20)"]
    clip = clips.first().id
    panel = Panel(evaluated, current_sample=clip, view=clips._serialize())
    panel.do("on_load")
    panel.do("go_to_worst")
    assert panel.requests == {"go_to_frame": {"sample_id": clip, "frame_number": 9}}
    panel.do("open_video")
    assert sample_id in str(panel.requests["set_view"]["view"])
    assert panel.requests["go_to_frame"] == {"sample_id": sample_id, "frame_number": 9, "open": True}
    assert "open_sample" not in panel.requests, "which would look for it among the clips"


def test_buttons_have_the_evaluations_fields_filled_in(evaluated):
    panel = Panel(evaluated, current_sample=evaluated.first().id)
    panel.do("on_load")
    assert panel.shown["redo"].view.params == {"label_field": "frames.pred", "eval_key": "ev"}
    panel = Panel(evaluated)
    panel.do("on_load")
    assert panel.shown["failures"].view.params == {"pred_field": "frames.pred", "eval_key": "ev"}
    assert panel.shown["evaluate"].view.params == {"pred_field": "frames.pred", "gt_field": "frames.gt"}
