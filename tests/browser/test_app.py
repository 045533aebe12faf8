"""Propagate, evaluate, filter, click: the whole way in a real browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import fiftyone as fo
import numpy as np
import pytest
from app_page import AppPage, app_server, find_browser

from fiftyone_hs2s.dataset.figures import histogram
from fiftyone_hs2s.dataset.labels import Identity, label_map_to_detections
from fiftyone_hs2s.demo.clip import OBJECTS, render_clip
from fiftyone_hs2s.overlay import write_video

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1500)]
sync_api = pytest.importorskip("playwright.sync_api", reason="browser test skipped: pip install playwright")

LENGTH, SIZE, FPS = 28, (428, 240), 12
PANEL = "[data-cy=panel-content-hs2s_panel]"
BARS = f"{PANEL} .bars .point path"


def shrink(picture: np.ndarray, interpolation: int) -> np.ndarray:
    return cv2.resize(picture, SIZE, interpolation=interpolation)


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> fo.Dataset:
    """The demo's story told three times: as it is, mirrored, and backward."""
    clip = [(shrink(f, cv2.INTER_AREA), shrink(m, cv2.INTER_NEAREST)) for f, m in render_clip(LENGTH)]
    folder = tmp_path_factory.mktemp("demo")
    dataset = fo.Dataset("hs2s-browser", persistent=True, overwrite=True)
    stories = {"flowers": clip, "mirrored": [(f[:, ::-1], m[:, ::-1]) for f, m in clip], "backward": clip[::-1]}
    for name, story in stories.items():
        sample = fo.Sample(filepath=str(folder / f"{name}.mp4"), tags=["demo"])
        write_video(Path(sample.filepath), (np.ascontiguousarray(frame) for frame, _ in story), FPS)
        identities = {i: Identity(label, i, fo.Instance()) for i, label in OBJECTS.items()}
        for number, (_, label_map) in enumerate(story, start=1):
            sample.frames[number] = fo.Frame(ground_truth=label_map_to_detections(label_map.copy(), identities))
        dataset.add_sample(sample)
    dataset.compute_metadata()
    yield dataset
    dataset.delete()


@pytest.fixture(scope="module")
def shots(tmp_path_factory) -> Path:
    folder = Path(os.environ.get("HS2S_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def app(demo, shots, tmp_path_factory, request):
    """The demo dataset, open in the App."""
    browser_path = find_browser()
    plugins = tmp_path_factory.mktemp("plugins")
    (plugins / "hs2s").symlink_to(request.config.rootpath)
    options = {"executable_path": browser_path, "headless": True}
    options["args"] = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    log = tmp_path_factory.mktemp("server") / "server.log"
    with app_server(plugins, log) as url, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        page = browser.new_context(viewport={"width": 1360, "height": 850}).new_page()
        try:
            yield AppPage(page, url, demo.name, shots)
        finally:
            page.screenshot(path=shots / "end.png")  # shows where a failure left the App
            shutil.copy(log, shots / "server.log")
            browser.close()


def test_from_propagation_to_the_failing_sample(app, demo):
    app.open()
    app.show_samples()

    app.run_operator("HS2S: propagate masks")
    app.wait_until(lambda: values(demo, "hs2s_status") == ["complete"] * 3, 600, "all samples are propagated")
    app.dismiss()

    app.run_operator("HS2S: evaluate masks")
    app.wait_until(lambda: demo.reload() or "hs2s_eval" in demo.list_evaluations(), 120, "the evaluation is listed")
    app.wait_until(lambda: None not in values(demo, "hs2s_eval_JF"), 120, "all samples have scores")
    results = demo.load_evaluation_results("hs2s_eval", cache=False)
    app.dismiss()

    app.run_operator("HS2S: find failures")
    app.wait_until(lambda: demo.reload() or demo.has_saved_view("HS2S: late frames"), 120, "views are saved")
    app.dismiss()
    app.page.wait_for_timeout(4000)
    app.screenshot("grid")

    app.open("hs2s-occlusions")
    app.show_samples()
    occluded = len(demo.load_saved_view("HS2S: occlusions"))
    assert occluded > 0
    app.wait_until(lambda: app.entries().startswith(str(occluded)), 60, "the view has the occluded samples")

    app.open()
    app.open_panel("hs2s_panel")
    app.page.wait_for_selector(BARS, state="attached")  # bars of no height are never "visible"
    assert f"J&F {results.JF:.3f}" in app.page.locator(PANEL).inner_text()
    app.page.wait_for_timeout(3000)
    app.screenshot("panel")
    _, members = histogram(results.sample_scores())
    place = next(k for k, ids in enumerate(members) if ids)
    app.click_bar(BARS, place)
    app.page.locator("[data-cy=panel-tab-samples]").first.click()
    app.show_samples()
    shown = f"{len(members[place])} sample"
    app.wait_until(lambda: app.entries().startswith(shown), 60, "the view has changed to the bar's samples")
    app.page.locator("[data-cy=looker]").first.click()
    app.wait_for_video()
    assert any(sample_id in app.page.url for sample_id in members[place])
    app.screenshot("modal")
    errors = app.page.locator("text=Traceback")
    assert errors.count() == 0


def values(dataset: fo.Dataset, field: str) -> list:
    """The values of a sample field as another process writes them."""
    dataset.reload()
    return dataset.values(field) if dataset.has_sample_field(field) else [None]
