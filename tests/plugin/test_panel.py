from __future__ import annotations

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from evaluation_kit import labeled_sample, labels, shifted
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_kit import T, truth

from fiftyone_hs2s import evaluate_propagation

URI = "@hs2s/hs2s/hs2s_panel"
PLOTS = {"histogram", "time", "scatter"}


pytestmark = pytest.mark.usefixtures("plugin")


class Panel:
    """The panel with its state, as the App keeps it between events."""

    def __init__(self, dataset, **context):
        self.panel = foo.get_operator(URI)
        self.context = {"dataset_name": dataset.name, **context} if dataset is not None else context
        self.state: dict = {}
        self.data: dict = {}
        self.requests: dict = {}
        self.shown: dict = {}

    def do(self, event: str, **params) -> None:
        """Runs an event, then renders."""
        executor = Executor()
        request = {**self.context, "params": {"panel_id": "x", "panel_state": self.state, **params}}
        ctx = ExecutionContext(request, executor=executor, operator_uri=URI)
        getattr(self.panel, event)(ctx)
        self.requests = {r.operator_uri.rpartition("/")[2]: r.params for r in executor._requests}
        self.data |= ctx.panel.data._data
        self.shown = self.panel.render(ctx).type.properties

    @property
    def text(self) -> str:
        return self.state["message"]


@pytest.fixture
def evaluated(scored_dataset) -> fo.Dataset:
    evaluate_propagation(scored_dataset, "pred", "gt", "ev")
    return scored_dataset


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


def test_curves_of_the_open_sample(evaluated):
    panel = Panel(evaluated, current_sample=evaluated.first().id)
    panel.do("on_load")
    _, *curves = panel.data["curves"]
    assert [curve["name"] for curve in curves] == [f"{s} square {i}" for i in range(2) for s in "JF"]
    assert curves[2]["y"] == [1] * 6 + [pytest.approx(0.6)] * 6
    (shade,) = panel.state["layouts"]["curves"]["shapes"]
    assert (shade["x0"], shade["x1"]) == (6.5, 12.5)
    assert "- drift: square 1, frames 7-12: J is 0.40 below its best level" in panel.text
    assert panel.data["playhead"]["frames"][T] == [T, T]


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
    always = {"eval_key", "headline", "curves", "reload", "attention", "redo"}
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
    assert "hidden" in panel.shown, "new curves, whose playhead has to follow anew"


def test_open_sample_without_scores(evaluated, video):
    sample = labeled_sample(video)
    evaluated.add_sample(sample)
    panel = Panel(evaluated, current_sample=sample.id)
    panel.do("on_load")
    assert "was not scored" in panel.text
    assert "curves" not in panel.shown


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
    assert "is no evaluation" in panel.text
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
    assert "beside_video" in panel.requests
    assert "curves" not in panel.data, "the panel beside the grid is covered"
    assert overview.keys() >= PLOTS
    modal = Panel(evaluated, current_sample=sample_id, spaces=beside_grid("ev"))
    modal.do("on_load", panel_id="hs2s_panel")
    assert "beside_video" in modal.requests


def test_notes_are_by_file_name_and_once(evaluated, video):
    unlabeled = fo.Sample(filepath=str(video))
    evaluated.add_sample(unlabeled)
    evaluate_propagation(evaluated, "pred", "gt", "ev")
    panel = Panel(evaluated)
    panel.do("on_load")
    assert len(evaluated.load_evaluation_results("ev").problems) == 1
    assert panel.state["table_text"].count(f"- {video.name}: has no predictions in 'pred'") == 1
    assert unlabeled.id not in panel.text + panel.state["table_text"]
