from __future__ import annotations

import fiftyone as fo
import pytest
from evaluation_kit import labeled_sample, labels, shifted, true_labels
from fiftyone_kit import T, truth
from panel_kit import PLOTS, Panel

from fiftyone_hs2s import evaluate_propagation, find_failures

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
    assert "others" not in panel.shown


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
    assert [c.value for c in panel.shown["others"].view.choices] == ["worse_eval", "everything"]
    assert "comparison" not in panel.shown
    panel.do("choose_others", value=["worse_eval"])
    text = panel.state["comparison"]
    assert "**Compared with worse_eval**, on the 2 objects that all scored" in text
    own = float(next(line for line in text.splitlines() if line.startswith("| ev |")).split("|")[-2])
    assert own == pytest.approx(0.884 - evaluated.load_evaluation_results("worse_eval").JF, abs=1e-3)
    assert "(worse_eval 2, ev 4)" in text
    panel.do("choose_others", value=["worse_eval", "everything"])
    assert "Not compared" in panel.state["comparison"]
    assert "differences" not in panel.shown
    panel.do("choose_others", value=[])
    assert "comparison" not in panel.shown


@pytest.fixture
def compared(evaluated, video):
    """The panel on evaluations of two samples; in the second one "other" has lost both squares."""
    evaluated.add_sample(labeled_sample(video, pred=true_labels))
    first = evaluated.first()
    kept = [labels({i: m for i, m in truth(n).items() if n < 8}) for n in range(1, T + 1)]
    evaluated.set_values("frames.other", [[true_labels(n) for n in range(1, T + 1)], kept])
    for key, field in (("ev", "pred"), ("third", "pred"), ("other_eval", "other")):
        evaluate_propagation(evaluated, field, "gt", key)
    panel = Panel(evaluated)
    panel.do("choose", value="other_eval")
    panel.do("choose_others", value=["ev", "third"])
    return panel, first.id, evaluated.last().id


def test_differences_by_sample_and_by_object(compared):
    panel, _, worse = compared
    assert list(panel.state["difference_columns"]) == [
        *("sample", "change", "ev_JF", "third_JF", "other_eval_JF")
    ]
    assert [row["change"][0] for row in panel.data["differences"]] == ["-", "+"]
    assert panel.state["difference_targets"][0] == (worse, 8)
    panel.do("choose_rows", value="object")
    assert [row["object"] for row in panel.data["differences"]][2:] == ["square 0", "square 1"]
    assert panel.data["differences"][-1]["change"] == "+0.233"
    assert [c.key for c in panel.shown["differences"].view.columns][:3] == ["sample", "object", "change"]


def test_differences_are_sorted_by_a_click_on_the_head(compared):
    panel, better, worse = compared
    for reverse in (True, False):  # of the change, which was the first to go by
        panel.do("click_difference", row=-1, column=1)
        assert [target[0] for target in panel.state["difference_targets"]] == [worse, better][
            :: 1 - 2 * reverse
        ]
    panel.do("click_difference", row=-1, column=2)
    assert panel.state["difference_columns"]["ev_JF"] == "ev ↑"
    assert [row["ev_JF"] for row in panel.data["differences"]] == ["0.884", "1.000"]


def test_a_difference_opens_its_sample_at_the_worst_frame(compared):
    panel, _, worse = compared
    panel.do("click_difference", row=0, column=0)
    assert panel.requests["open_sample"]["id"] == worse
    assert panel.requests["go_to_frame"] == {"sample_id": worse, "frame_number": 8}


def test_views_of_the_samples_that_changed(compared):
    panel, better, worse = compared
    for event, sample_id in (("show_worse", worse), ("show_better", better)):
        panel.do(event)
        (stage,) = panel.requests["set_view"]["view"]
        assert [better, worse][better != sample_id] in str(stage)
        assert (better in str(stage)) != (worse in str(stage))


def test_an_evaluation_of_corrections_is_shown_beside_what_it_corrects(evaluated):
    panel = Panel(evaluated)
    panel.do("on_load")
    evaluate_propagation(evaluated, "pred", "gt", "ev_corrected")
    panel.do("on_change_view")
    assert (panel.state["eval_key"], panel.state["others"]) == ("ev_corrected", ["ev"])
    assert "Compared with ev" in panel.state["comparison"]
    panel.do("choose", value="ev")
    panel.do("reload")
    assert panel.state["eval_key"] == "ev", "a choice holds"
    evaluate_propagation(evaluated, "pred", "gt", "ev_corrected")
    panel.do("reload")
    assert panel.state["eval_key"] == "ev_corrected", "of more corrections"


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


def test_dot_opens_its_sample_at_the_worst_frame(evaluated):
    panel = Panel(evaluated)
    panel.do("on_load")
    panel.do("show_object", id=panel.data["scatter"][0]["ids"][1])
    sample_id = evaluated.first().id
    assert panel.requests["open_sample"]["id"] == sample_id
    assert panel.requests["go_to_frame"] == {"sample_id": sample_id, "frame_number": T // 2 + 1}
    assert "set_view" not in panel.requests


def test_events_of_the_dataset(evaluated):
    panel = Panel(evaluated)
    panel.do("on_load")
    assert "events" not in panel.shown, "nobody has looked for them"
    find_failures(evaluated, "pred", eval_key="ev")
    panel.do("reload")
    (row,) = panel.data["events"]
    assert row["event"] == "drift: square 1 (0.20)"
    assert (row["frames"], row["why"]) == ("7-12", "J is 0.40 below its best level")
    panel.do("click_event", row=-1)
    assert not panel.requests, "the head of the table leads nowhere"
    panel.do("click_event", row=0)
    assert panel.requests["open_sample"]["id"] == evaluated.first().id
    assert panel.requests["go_to_frame"]["frame_number"] == 7


def test_events_without_an_evaluation(scored_dataset):
    vanished = [labels({0: truth(n)[0]} if n < 9 else {}) for n in range(1, T + 1)]
    scored_dataset.set_values("frames.pred", [vanished])
    find_failures(scored_dataset, "pred")
    panel = Panel(scored_dataset)
    panel.do("on_load")
    assert "no evaluation yet" in panel.text
    assert [row["event"] for row in panel.data["events"]] == ["vanished: square 0 (0.33)"]
    panel.do("click_event", row=0)
    assert panel.requests["go_to_frame"]["frame_number"] == 9


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
