from __future__ import annotations

import fiftyone as fo
import pytest
from evaluation_kit import labeled_sample, labels, shifted
from fiftyone_kit import T, truth
from panel_kit import PLOTS, Panel

from fiftyone_hs2s import evaluate_propagation

pytestmark = pytest.mark.usefixtures("plugin")


def test_says_what_to_do_where_there_is_nothing(scored_dataset):
    for dataset in (scored_dataset, None):
        panel = Panel(dataset)
        panel.do("on_load")
        assert "no evaluation yet" in panel.text
        assert not PLOTS & set(panel.shown)
        assert "evaluate" in panel.shown


def test_overview(evaluated):
    panel = Panel(evaluated)
    panel.do("on_load")
    assert panel.state["eval_key"] == "ev"
    assert "J&F 0.884" in panel.text
    assert set(panel.shown) >= PLOTS
    assert sum(panel.data["histogram"][0]["y"]) == 1
    assert panel.data["scatter"][0]["y"] == [1, pytest.approx(0.767, abs=1e-3)]
    (row,) = (line for line in panel.state["table_text"].splitlines() if "all frames" in line)
    assert row == "| all frames | 2 | 0.900 | 0.867 | 0.884 |"  # the J&F of the headline
    assert "no object is in view for more than 20 steps" in panel.state["table_text"]
    assert "other_key" not in panel.shown


def test_two_evaluations_are_compared_on_what_both_scored(evaluated, video):
    def worse(number):
        masks = truth(number)
        return labels({0: masks[0], 1: shifted(masks[1], 8)})

    evaluated.set_values("frames.worse", [[worse(n) for n in range(1, T + 1)]])
    evaluate_propagation(evaluated, "worse", "gt", "worse_eval")
    evaluated.add_sample(labeled_sample(video))
    evaluate_propagation(evaluated, "pred", "gt", "ev")
    evaluate_propagation(evaluated, "pred", "gt", "everything", protocol="all")
    panel = Panel(evaluated)
    panel.do("choose", value="ev")
    assert panel.shown["other_key"].type.values == ["(none)", "worse_eval", "everything"]
    assert "comparison" not in panel.shown
    panel.do("choose_other", value="worse_eval")
    text = panel.state["comparison"]
    assert "**Compared with worse_eval**, on the 2 objects that both scored" in text
    own = float(next(line for line in text.splitlines() if line.startswith("| ev |")).split("|")[-2])
    assert own == pytest.approx(0.884 - evaluated.load_evaluation_results("worse_eval").JF, abs=1e-3)
    assert "(worse_eval 2, ev 4)" in text
    panel.do("choose_other", value="everything")
    assert "Not compared" in panel.state["comparison"]
    panel.do("choose_other", value="(none)")
    assert "comparison" not in panel.shown


def test_bar_becomes_the_view(evaluated, video):
    perfect = labeled_sample(video)
    for frame in perfect.frames.values():
        frame.pred = frame.gt.copy()
    evaluated.add_sample(perfect)
    evaluate_propagation(evaluated, "pred", "gt", "ev")
    panel = Panel(evaluated)
    panel.do("on_load")
    assert panel.data["histogram"][0]["y"] == [0] * 8 + [1, 1]
    panel.do("show_bar", id="8", x=0.85)
    (stage,) = panel.requests["set_view"]["view"]
    assert evaluated.first().id in str(stage)
    assert perfect.id not in str(stage)
    panel.do("show_bar", id="0")
    assert "set_view" not in panel.requests


def test_dot_opens_its_sample(evaluated):
    panel = Panel(evaluated)
    panel.do("on_load")
    panel.do("show_object", id=panel.data["scatter"][0]["ids"][1])
    assert panel.requests["open_sample"]["id"] == evaluated.first().id
    assert "set_view" not in panel.requests


def test_deleted_and_renamed_evaluations(evaluated):
    panel = Panel(evaluated)
    panel.do("on_load")
    evaluated.rename_evaluation("ev", "renamed")
    panel.do("on_change_view")
    assert panel.state["eval_key"] == "renamed"
    evaluated.delete_evaluation("renamed")
    panel.do("choose", value="renamed")
    assert "no evaluation yet" in panel.text
    panel.do("show_bar", id="3")
    assert "is not an evaluation" in panel.text
    assert not PLOTS & set(panel.shown)


def test_lost_results_and_fields(evaluated):
    evaluated.delete_frame_field("pred")
    evaluated.delete_sample_field("ev_JF")
    panel = Panel(evaluated)
    panel.do("on_load")
    assert "J&F 0.884" in panel.text
    evaluated._doc.evaluations["ev"].results.delete()
    evaluated._doc.evaluations["ev"].save()
    evaluated.clear_cache()
    panel.do("on_load")
    assert "run it again" in panel.text


def test_other_dataset(evaluated):
    panel = Panel(evaluated)
    panel.do("on_load")
    other = fo.Dataset()
    panel.context["dataset_name"] = other.name
    panel.do("on_change_dataset")
    assert "no evaluation yet" in panel.text
    other.delete()


def test_foreign_evaluations_are_not_offered(scored_dataset):
    scored_dataset.evaluate_detections("frames.pred", "frames.gt", eval_key="coco", use_masks=False)
    panel = Panel(scored_dataset)
    panel.do("on_load")
    assert "no evaluation yet" in panel.text


def test_opens_on_the_newest_evaluation(evaluated):
    evaluate_propagation(evaluated, "pred", "gt", "a_later_one", protocol="all")
    panel = Panel(evaluated)
    panel.do("on_load")
    assert panel.state["eval_key"] == "a_later_one"
    assert "The whole evaluation" in panel.text


def test_notes_are_by_file_name_and_once(evaluated, video):
    unlabeled = fo.Sample(filepath=str(video))
    evaluated.add_sample(unlabeled)
    evaluate_propagation(evaluated, "pred", "gt", "ev")
    panel = Panel(evaluated)
    panel.do("on_load")
    assert len(evaluated.load_evaluation_results("ev").problems) == 1
    assert panel.state["table_text"].count(f"- {video.name}: has no predictions in 'pred'") == 1
    assert unlabeled.id not in panel.text + panel.state["table_text"]
