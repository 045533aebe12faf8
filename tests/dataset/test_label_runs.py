"""Runs, listed, grouped, renamed and deleted with all that was written for them."""

from __future__ import annotations

from importlib.metadata import version

import fiftyone as fo
import pytest
from evaluation_kit import labeled_sample, labels
from fiftyone_kit import T, color_model, detection, prompted_sample, prompts, truth

from fiftyone_hs2s import (
    HS2SError,
    compare_evaluations,
    delete_run,
    evaluate_propagation,
    find_failures,
    list_runs,
    propagate,
    rename_run,
    suggest_frames,
)
from fiftyone_hs2s.dataset.claims import Claim
from fiftyone_hs2s.dataset.sidebar import group_fields, sidebar_groups


def make_run(dataset, field: str) -> None:
    """Propagates to a field, evaluates it with half of it lost, finds the failures and the next frame."""
    propagate(dataset, color_model(), prompt_field="gt", label_field=field, progress=False)
    sample = dataset.first()
    for number in range(6, T + 1):
        sample.frames[number][field].detections = []
    sample.save()
    evaluate_propagation(dataset, field, "gt", f"{field}_eval")
    find_failures(dataset, field, eval_key=f"{field}_eval", save_views=True)
    suggest_frames(dataset, field)


@pytest.fixture
def one(dataset, video) -> fo.Dataset:
    dataset.add_sample(prompted_sample(video, "gt"))
    make_run(dataset, "one")
    return dataset


def paths(dataset) -> set[str]:
    frames = (f"frames.{path}" for path in dataset.get_frame_field_schema(flat=True))
    return {*dataset.get_field_schema(flat=True), *frames}


def groups(dataset) -> dict[str, set[str]]:
    return {group.name: set(group.paths) for group in dataset.app_config.sidebar_groups}


def test_a_run_is_all_that_was_written_for_its_field(one):
    (run,) = list_runs(one)
    assert (run.name, run.label_field, list(run.evaluations)) == ("one", "frames.one", ["one_eval"])
    assert run.fields == ["one_status", "one_events", "one_next_frame"]
    assert {"one_eval_JF", "frames.one_eval_JF", "one_eval_tp", "one_eval_worst_event"} < set(run.paths)
    assert run.views == [name for name in one.list_saved_views() if name.endswith("(one)")] != []
    written = {path for path in paths(one) if path.removeprefix("frames.").startswith("one")}
    assert {path for path in written if path.count(".") == path.startswith("frames.")} == set(run.paths)
    assert str(run).startswith("frames.one, one_status, one_events, one_next_frame, evaluation one_eval, ")


def test_each_run_is_a_group_of_the_sidebar_of_which_the_last_is_open(one):
    make_run(one, "two")
    runs = {run.name: set(run.paths) for run in list_runs(one)}
    shown = groups(one)
    assert (shown["run: one"], shown["run: two"]) == (runs["one"], runs["two"])
    assert not (runs["one"] | runs["two"]) & set().union(
        *(shown[name] for name in shown if not name.startswith("run: "))
    )
    assert not {"one_eval", "two_eval"} & shown.keys(), "FiftyOne's own groups"
    assert "frames.gt" in shown["frame labels"]
    names = list(shown)
    start = names.index("frame labels") + 1
    assert names[start : start + 2] == ["run: two", "run: one"]
    expanded = {group.name: group.expanded for group in one.app_config.sidebar_groups}
    assert (expanded["run: one"], expanded["run: two"]) == (False, True)


def test_a_group_of_ones_own_stays(one):
    mine = fo.SidebarGroupDocument(name="mine", paths=["one_eval_JF"])
    one.app_config.sidebar_groups = [*one.app_config.sidebar_groups, mine]
    for group in one.app_config.sidebar_groups:
        if group.name == "run: one":
            group.paths.remove("one_eval_JF")
    (run,) = list_runs(one)
    group_fields(one, "one", run.paths, run.evaluations)
    assert groups(one)["mine"] == {"one_eval_JF"}
    assert "one_eval_JF" not in groups(one)["run: one"]


def test_groups_as_an_open_app_takes_them(one):
    rows = {row["name"]: row for row in sidebar_groups(one) or ()}
    assert rows["run: one"] == {"name": "run: one", "paths": list_runs(one)[0].paths, "expanded": True}
    one.app_config.sidebar_groups = [fo.SidebarGroupDocument(name="mine", paths=["one_eval_JF"])]
    assert [row["name"] for row in sidebar_groups(one) or ()] == ["tags", "mine"]
    one.app_config.sidebar_groups = None
    assert sidebar_groups(one) is None


def test_rename(one):
    before, scores = paths(one), one.load_evaluation_results("one_eval").JF
    views = {name: len(one.load_saved_view(name)) for name in one.list_saved_views()}
    run = rename_run(one, "frames.one", "wide")
    assert (run.name, list(run.evaluations)) == ("wide", ["wide_eval"])
    assert paths(one) == {path.replace("one", "wide") for path in before}
    assert one.list_evaluations() == ["wide_eval"]
    assert scores == one.load_evaluation_results("wide_eval").JF
    renamed = {name.replace("(one)", "(wide)"): count for name, count in views.items()}
    assert {name: len(one.load_saved_view(name)) for name in one.list_saved_views()} == renamed
    assert groups(one)["run: wide"] == set(run.paths) and "run: one" not in groups(one)
    # what is done next finds it all
    find_failures(one, "wide", eval_key="wide_eval")
    assert compare_evaluations(one, ["wide_eval"]).rows[0]["JF"] == scores
    report = propagate(one, color_model(), prompt_field="gt", label_field="wide", progress=False)
    assert len(report.skipped) == 1


@pytest.mark.skipif(
    version("fiftyone").startswith("1.14."), reason="FiftyOne 1.14 has label schemas of samples alone"
)
def test_a_run_that_was_annotated_in_the_app_is_renamed_and_deleted(one):
    schema = {"type": "detections", "attributes": [], "component": "dropdown", "classes": ["square"]}
    one.update_label_schema("frames.one", schema)
    one.activate_label_schemas("frames.one")
    rename_run(one, "one", "two")
    assert one.active_label_schemas == ["frames.two"]
    assert one.label_schemas["frames.two"]["classes"] == ["square"]
    assert [run.name for run in list_runs(one)] == ["two"]
    delete_run(one, "two")
    assert (one.label_schemas, list_runs(one)) == ({}, [])


@pytest.mark.parametrize("gone", ["one", "gt"])
def test_labels_that_somebody_deleted(one, gone):
    """FiftyOne asks the labels' field what an evaluation wrote, and fails where it is gone."""
    one.delete_frame_field(gone)
    (run,) = list_runs(one)
    assert (run.label_field is None) == (gone == "one")
    assert {"one_eval_JF", "frames.one_eval_JF", "one_eval_tp"} < set(run.paths)
    run = rename_run(one, "one", "two")
    assert list(run.evaluations) == ["two_eval"] and "frames.two_eval_JF" in run.paths
    assert not [path for path in paths(one) if "one" in path]
    assert delete_run(one, "two") == "The run 'two' is deleted"
    assert not [path for path in paths(one) if "two" in path]


def test_names_that_cannot_be(one):
    evaluate_propagation(one, "one", "gt", "other")
    for new, why in (("gt", "'gt' is in use"), ("a b", "cannot name a run"), ("id", "'id' is in use")):
        with pytest.raises(HS2SError, match=why):
            rename_run(one, "one", new)
    one.add_sample_field("wide_status", fo.StringField)
    with pytest.raises(HS2SError, match="'wide_status' is in use"):
        rename_run(one, "one", "wide")
    with pytest.raises(HS2SError, match=r"'nothing' is not a run of the dataset .*: choose one of one"):
        rename_run(one, "nothing", "new")
    assert list(list_runs(one)[0].evaluations) == ["one_eval", "other"]


def test_delete(one):
    make_run(one, "two")
    own = set(next(run for run in list_runs(one) if run.name == "one").paths)
    before = paths(one)
    assert delete_run(one, "one") == "The run 'one' is deleted"
    left = paths(one)
    assert not {path for path in left if path.removeprefix("frames.").startswith("one")} and own <= before
    assert {path for path in left if ".one_eval" in path} == set(), "not on labels of the truth either"
    assert one.list_evaluations() == ["two_eval"]
    assert all(name.endswith("(two)") for name in one.list_saved_views())
    assert "run: one" not in groups(one) and "run: two" in groups(one)
    assert [run.name for run in list_runs(one)] == ["two"]
    assert one.count("frames.gt.detections") == 2 * T


def test_a_persons_masks_stay(dataset, video):
    sample = fo.Sample(filepath=str(video))
    sample.frames[4]["mine"] = prompts(4)
    dataset.add_sample(sample)
    propagate(dataset, color_model(), prompt_field="mine", label_field="mine", progress=False)
    assert dataset.count("frames.mine.detections") == 2 * (T - 3)
    assert "2 labels that no run of fiftyone-hs2s made stay in 'frames.mine'" in delete_run(dataset, "mine")
    sample.reload()
    assert {n: len(f.mine.detections) for n, f in sample.frames.items() if f.mine and f.mine.detections} == {
        4: 2
    }
    assert not dataset.has_sample_field("mine_status") and list_runs(dataset) == []


def test_corrections_stay(dataset, video):
    """What the App's brush changes keeps our signature; so does a result that is declared a keyframe."""
    sample = fo.Sample(filepath=str(video))
    sample.frames[4]["drawn"] = prompts(4)
    dataset.add_sample(sample)
    propagate(dataset, color_model(), prompt_field="drawn", label_field="mine", progress=False)
    sample.reload()
    painted, declared = sample.frames[6].mine.detections[0], sample.frames[8].mine.detections[1]
    painted.mask = ~painted.mask
    declared["keyframe"] = True
    sample.save()
    assert "2 labels that no run" in delete_run(dataset, "mine")
    sample.reload()
    left = {n: [d.id for d in f.mine.detections] for n, f in sample.frames.items() if f.mine}
    assert {n: ids for n, ids in left.items() if ids} == {6: [painted.id], 8: [declared.id]}


def test_labels_of_another_tracker_stay(dataset, video):
    dataset.add_sample(labeled_sample(video, pred=lambda n: labels(truth(n))))
    evaluate_propagation(dataset, "pred", "gt", "ev")
    assert "stay in 'frames.pred'" in delete_run(dataset, "pred")
    assert dataset.count("frames.pred.detections") == 2 * T
    assert dataset.list_evaluations() == []


def test_images(dataset):
    for number in range(1, 4):
        sample = fo.Sample(filepath=f"/{number}.png", sequence="a", number=number)
        sample.metadata = fo.ImageMetadata(width=96, height=64)
        for field in ("gt", "pred"):
            found = [detection(truth(number)[0], label="square 0", index=0)]
            found[0]["propagation"] = {"method": "hs2s"} if field == "pred" else None
            sample[field] = fo.Detections(detections=found)
        dataset.add_sample(sample)
    evaluate_propagation(dataset.group_by("sequence", order_by="number"), "pred", "gt", "pred_eval")
    assert rename_run(dataset, "pred", "new").label_field == "new"
    assert dataset.list_evaluations() == ["new_eval"]
    assert delete_run(dataset, "new") == "The run 'new' is deleted"
    assert not dataset.has_field("new") and dataset.has_field("gt")


def test_not_while_something_is_written(one):
    with Claim(one, "sample x in the field 'two'"):
        for refused in (lambda: delete_run(one, "one"), lambda: rename_run(one, "one", "new")):
            with pytest.raises(HS2SError, match="a run is writing to the dataset"):
                refused()
    assert [run.name for run in list_runs(one)] == ["one"]


def test_other_labels_in_a_field_of_such_a_name_are_no_run(dataset):
    own = fo.Detections(detections=[fo.Detection(label="goal", kind="corner")])
    dataset.add_sample(fo.Sample(filepath="/match.mp4", game_events=own), dynamic=True)
    assert dataset.has_field("game_events.detections.kind")
    assert "game" not in [run.name for run in list_runs(dataset)]
