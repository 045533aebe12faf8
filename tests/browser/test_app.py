"""Propagate, evaluate, filter, click: the whole way in a real browser."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
from pathlib import Path

import cv2
import fiftyone as fo
import numpy as np
import pytest
from app_page import (
    COLORS,
    MODAL_PANEL,
    PANEL,
    SLOW,
    AppPage,
    app_server,
    browser_page,
    find_browser,
    wait_until,
)
from fiftyone.operators.delegated import DelegatedOperationService

from fiftyone_hs2s.dataset.evaluate.figures import histogram
from fiftyone_hs2s.dataset.objects import Identity, label_map_to_detections
from fiftyone_hs2s.demo.demo_clip import OBJECTS, render_clip
from fiftyone_hs2s.video_writer import write_video

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
sync_api = pytest.importorskip("playwright.sync_api", reason="browser test skipped: pip install playwright")

LENGTH, SIZE, FPS = 28, (428, 240), 8
"""At 12 frames a second the App's player loses steps: 7 * (1 / 12) * 12 comes out a little under 7, and it
stays."""
LOST = 13
"""From this frame on the saucer of one sample is lost."""


def shrink(picture: np.ndarray, interpolation: int) -> np.ndarray:
    return cv2.resize(picture, SIZE, interpolation=interpolation)


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> fo.Dataset:
    """The demo's story told three times: as it is, mirrored, and half of it there and back, without an
    occlusion."""
    clip = [(shrink(f, cv2.INTER_AREA), shrink(m, cv2.INTER_NEAREST)) for f, m in render_clip(LENGTH)]
    half = clip[: LENGTH // 2]
    stories = {
        "flowers": clip,
        "mirrored": [(f[:, ::-1], m[:, ::-1]) for f, m in clip],
        "back": half + half[::-1],
    }
    folder = tmp_path_factory.mktemp("demo")
    dataset = fo.Dataset("hs2s-browser", persistent=True, overwrite=True)
    for name, story in stories.items():
        sample = fo.Sample(filepath=str(folder / f"{name}.mp4"), tags=[name])
        write_video(Path(sample.filepath), (np.ascontiguousarray(frame) for frame, _ in story), FPS)
        identities = {i: Identity(label, i, str(fo.Instance().id)) for i, label in OBJECTS.items()}
        for number, (_, label_map) in enumerate(story, start=1):
            sample.frames[number] = fo.Frame(
                ground_truth=label_map_to_detections(label_map.copy(), identities)
            )
        dataset.add_sample(sample)
    dataset.compute_metadata()
    dataset.app_config.color_scheme = fo.ColorScheme(color_by="value", color_pool=COLORS)
    dataset.save()
    yield dataset
    dataset.delete()


def lose_saucer(sample: fo.Sample) -> None:
    """Takes an object out of the propagated masks."""
    for number, frame in sample.frames.items():
        if number >= LOST:
            frame.hs2s.detections = [label for label in frame.hs2s.detections if label.label != "saucer"]
    sample.save()


@pytest.fixture(scope="module")
def shots(tmp_path_factory) -> Path:
    folder = Path(os.environ.get("HS2S_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def app(demo, shots, tmp_path_factory, request):
    """The demo dataset, open in the App."""
    find_browser()  # or skip before anything is started
    plugins = tmp_path_factory.mktemp("plugins")
    (plugins / "hs2s").symlink_to(request.config.rootpath)
    log = tmp_path_factory.mktemp("server") / "server.log"
    with (
        app_server(plugins, log) as url,
        sync_api.sync_playwright() as playwright,
        browser_page(playwright) as page,
    ):
        try:
            yield AppPage(page, url, demo.name, shots)
        finally:
            shutil.copy(log, shots / "server.log")
            page.screenshot(path=shots / "end.png")  # shows where a failure left the App


def test_from_propagation_to_the_failing_sample(app, demo):
    app.open()

    app.run_operator("HS2S: propagate masks")
    wait_until(lambda: values(demo, "hs2s_status") == ["complete"] * 3, 300, "all samples are propagated")
    app.dismiss()
    app.page.locator("[data-cy='sidebar-group-run: hs2s-field']").wait_for()
    failing = demo.match_tags("mirrored").first()
    lose_saucer(failing)

    app.run_operator("HS2S: evaluate masks")
    wait_until(lambda: None not in values(demo, "hs2s_eval_JF"), 120, "all samples have scores")
    app.dismiss()
    wait_until(
        lambda: demo.reload() or "hs2s_eval" in demo.list_evaluations(), 60, "the evaluation is listed"
    )
    results = demo.load_evaluation_results("hs2s_eval", cache=False)

    app.run_operator("HS2S: find failures")
    wait_until(
        lambda: demo.reload() or demo.has_saved_view("HS2S: worst first (hs2s)"), 120, "views are saved"
    )
    app.dismiss()
    app.page.wait_for_timeout(3000)  # thumbnails are painted late
    app.screenshot("grid")

    app.choose_view("HS2S: lost (hs2s)")
    app.wait_for_entries(1)
    app.clear_view()
    app.wait_for_entries(3)

    app.open()  # the App's modal does not know fields that are new since the page was loaded
    app.open_panel("hs2s_panel")
    app.page.wait_for_selector(f"{PANEL} .scatterlayer .point", state="attached")
    assert f"J&F {results.JF:.3f}" in app.page.locator(PANEL).inner_text()
    app.screenshot("panel")

    worst = min(range(6), key=lambda k: results.objects[k]["JF"])
    app.click_mark(f"{PANEL} .scatterlayer .point", worst)
    app.wait_for_sample(failing.id)
    check_curves(app, demo.select(failing.id))
    app.close_sample()

    _, members = histogram(results.sample_scores())
    app.click_mark(f"{PANEL} .bars .point path", members.index([failing.id]))
    app.wait_for_entries(1)
    wait_until(lambda: {"Select", failing.id} <= app.view_bar(), SLOW / 1000, "the view bar shows the stage")
    app.open_sample(0)
    app.wait_for_sample(failing.id)
    app.close_sample()

    demo.delete_evaluation("hs2s_eval")
    app.page.locator(PANEL).get_by_role("button", name="Refresh").click()
    app.page.locator(PANEL).get_by_text("There is no evaluation yet").wait_for()
    assert app.page.get_by_text("Traceback").count() == 0
    app.clear_view()  # which the server remembers
    app.wait_for_entries(3)


def test_training_is_scheduled(app, demo):
    app.open()
    app.open_form("HS2S: train")
    app.page.locator("[data-cy=operators-prompt-modal] input").last.fill("flowers")
    app.page.get_by_role("button", name="Schedule").click()
    service = DelegatedOperationService()
    queue = functools.partial(service.list_operations, operator="@hs2s/hs2s/train", dataset_name=demo.name)
    wait_until(queue, SLOW / 1000, "the training is in the queue")
    (operation,) = queue()
    assert operation.run_state == "queued"
    params = operation.context.request_params["params"]
    assert (
        params.items() >= {"gt_field": "frames.ground_truth", "name": "flowers", "length": "minutes"}.items()
    )
    service.delete_operation(operation.id)


def test_selection_view_and_groups_each_into_a_new_field(app, demo, tmp_path):
    """The App's server has no singletons: the view's own dataset must learn of the field."""
    app.open()
    app.select_sample(1)
    app.run_operator("HS2S: propagate masks", {"frames.hs2s": "frames.selected"})
    wait_until(
        lambda: values(demo, "selected_status").count("complete") == 1,
        300,
        "the selected sample is propagated",
    )
    app.dismiss()
    assert demo.count("frames.selected") == LENGTH

    demo.save_view("some", demo.match_tags(["flowers", "back"]), overwrite=True)
    app.open()
    app.choose_view("some")
    app.wait_for_entries(2)
    app.run_operator("HS2S: propagate masks", {"frames.hs2s": "frames.viewed"})
    wait_until(lambda: values(demo, "viewed_status").count("complete") == 2, 300, "the view is propagated")
    app.dismiss()
    assert demo.match_tags("mirrored").values("viewed_status") == [None]

    images = image_groups(tmp_path)
    try:
        app.dataset = images.name
        app.open()
        app.choose_view("scenes")
        app.run_operator("HS2S: propagate masks", {"hs2s": "grouped"})
        wait_until(
            lambda: values(images, "grouped_status") == ["complete"] * 6, 300, "both groups are propagated"
        )
        app.dismiss()
        assert images.count("grouped") == 6
    finally:
        app.dataset = demo.name
        images.delete()


def image_groups(folder: Path) -> fo.Dataset:
    """Two sequences of three images, in order by a saved view."""
    images = fo.Dataset("hs2s-browser-images", persistent=True, overwrite=True)
    for scene in ("left", "right"):
        for number, (frame, label_map) in enumerate(itertools.islice(render_clip(LENGTH), 3)):
            path = folder / f"{scene}-{number}.png"
            cv2.imwrite(str(path), cv2.cvtColor(shrink(frame, cv2.INTER_AREA), cv2.COLOR_RGB2BGR))
            sample = fo.Sample(filepath=str(path), scene=scene, number=number)
            if number == 0:
                masks = shrink(label_map, cv2.INTER_NEAREST)
                sample["gt"] = label_map_to_detections(
                    masks, {i: Identity(name, i) for i, name in OBJECTS.items()}
                )
            images.add_sample(sample)
    images.save_view("scenes", images.group_by("scene", order_by="number"))
    return images


def check_curves(app: AppPage, failing: fo.DatasetView) -> None:
    """Opens the panel beside the video: curves of both objects, events shaded, and a line where the video
    is."""
    app.open_curves()
    plot = app.plot(MODAL_PANEL, 0)
    _, *curves, prompts = plot["data"]
    assert (prompts["name"], prompts["x"]) == ("prompts", [1, 1])
    assert [curve["name"] for curve in curves] == [
        f"{s} {name}" for name in ("dahlia 1", "saucer 2") for s in "JF"
    ]
    lost = dict(zip(curves[2]["x"], curves[2]["y"], strict=True))
    assert lost[LOST - 1] > 0.5 and lost[LOST] == 0
    shades = sorted([shape["x0"] + 0.5, shape["x1"] - 0.5] for shape in plot["layout"]["shapes"])
    assert shades == sorted(failing.values("hs2s_events.detections.support")[0])
    assert [LOST, LENGTH] in shades

    wait_until(lambda: app.frame(FPS) == LOST, SLOW / 1000, "the video is where the mask is worst")
    app.seek(0.75)
    wait_until(lambda: app.frame(FPS) > 1, SLOW / 1000, "the video has moved")
    wait_until(lambda: playhead(app) == [app.frame(FPS)] * 2, SLOW / 1000, "the line is where the video is")
    before = app.frame(FPS)
    app.page.keyboard.press(".")
    wait_until(lambda: playhead(app) == [before + 1] * 2, SLOW / 1000, "the line follows the keys")
    assert app.frame(FPS) == before + 1
    app.page.locator(MODAL_PANEL).get_by_role("button", name="Refresh").click()
    app.page.wait_for_timeout(2000)  # until the picture is painted, and the curves are drawn again
    wait_until(lambda: playhead(app) == [before + 1] * 2, SLOW / 1000, "the line is back where the video is")
    app.screenshot("modal")


def playhead(app: AppPage) -> list[int]:
    """Where the line is."""
    return app.plot(MODAL_PANEL, 0)["data"][0]["x"]


def values(dataset: fo.Dataset, field: str) -> list:
    """The values of a sample field as another process writes them."""
    dataset.reload()
    return dataset.values(field) if dataset.has_sample_field(field) else [None]
