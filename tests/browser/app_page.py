"""The App in a headless browser: what a user does, in words."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

HERE = Path(__file__).parent
OPEN_MODAL = "#modal.modalon"
PANEL = "[data-cy=panel-content-hs2s_panel]"
MODAL_PANEL = f"#modal {PANEL}"
COLORS = ["#ff6d04", "#3f8fff", "#7a3cff", "#e0246c", "#10a860", "#b09000"]
NO_WEB = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""The page asks for fonts and analytics, and would wait for them."""
SLOW = 120_000
"""Milliseconds that a step may take on a busy machine."""


def find_browser() -> str:
    """Chromium's path; skips the test aloud if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    return path or pytest.skip("browser test skipped: chromium is missing (apt-get install chromium)")


@contextmanager
def app_server(plugins: Path, log: Path) -> Iterator[str]:
    """The App's server; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"FIFTYONE_PLUGINS_DIR": str(plugins), "FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS": "true"}
    environment = {**os.environ, **settings, "PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, str(HERE / "app_server.py"), "--port", str(port), "--address", "127.0.0.1"]
    with (
        log.open("w") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{url}/fiftyone"), 120, f"the App's server answers, see {log}")
            yield url
        finally:
            server.terminate()


@contextmanager
def browser_page(playwright) -> Iterator[Any]:
    """A page in a headless browser."""
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", NO_WEB]
    browser = playwright.chromium.launch(executable_path=find_browser(), headless=True, args=arguments)
    try:
        yield browser.new_context(viewport={"width": 1360, "height": 850}).new_page()
    finally:
        browser.close()


def answers(url: str) -> bool:
    """Whether a server answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Waits for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain until {what}"
        time.sleep(0.5)


class AppPage:
    """A dataset in the App.

    Args:
        page: playwright's page
        url: address of the server
        dataset: the dataset's name
        shots: folder for screenshots
    """

    def __init__(self, page, url: str, dataset: str, shots: Path) -> None:
        self.page, self.url, self.dataset, self.shots = page, url, dataset, shots
        page.set_default_timeout(SLOW)
        page.add_init_script("try{localStorage.setItem('fiftyone-enterprise-tooltip-seen','true')}catch(e){}")

    def open(self) -> None:
        """Loads the page; the first load after a server's start may hang."""
        for _ in range(4):
            self.page.goto(f"{self.url}/datasets/{self.dataset}", wait_until="domcontentloaded")
            with suppress(Exception):
                self.page.wait_for_selector("[data-cy=panel-container]", timeout=45_000)
                break
            self.page.goto("about:blank")
        self.page.wait_for_selector("[data-cy=looker]")

    def wait_for_entries(self, count: int) -> None:
        """Waits until the grid says that it has so many samples."""
        entries, text = self.page.locator("[data-cy=entry-counts]"), f"{count} sample{'s' * (count != 1)}"
        wait_until(lambda: entries.inner_text().startswith(text), SLOW / 1000, f"the grid has {text}")

    def run_operator(self, label: str, texts: dict[str, str] | None = None) -> None:
        """Runs an operator with its form's defaults, but other texts in place of some (``{"hs2s":
        "new"}``)."""
        self.open_form(label)
        for field in self.page.locator("[data-cy=operators-prompt-modal] input").all():
            if (text := (texts or {}).get(field.input_value())) is not None:
                field.fill(text)
                self.page.wait_for_timeout(3000)  # until it has been to the server and back
        self.page.get_by_role("button", name="Execute").click()

    def open_form(self, label: str) -> None:
        """Opens an operator's form from the operator browser."""
        choice = self.page.locator("[data-cy=operators-browser]").get_by_text(label, exact=True)
        for _ in range(20):  # plugins are there some seconds after the page
            self.page.keyboard.press("`")
            self.page.wait_for_selector("[data-cy=operators-browser-search]")
            self.page.keyboard.type(label)
            with suppress(Exception):
                choice.first.wait_for(timeout=4000)
                break
            self.page.keyboard.press("Escape")
        choice.first.click()  # the first of the list may be another one whose name begins in this way
        self.page.wait_for_selector("[data-cy=operators-prompt-modal]")
        self.page.wait_for_timeout(3000)  # until the form's defaults have been to the server and back

    def dismiss(self) -> None:
        """Waits until the run is over and said so in the panel of the runs, and closes what is open of it."""
        panel = self.page.locator("[data-cy=panel-content-hs2s_runs]")
        panel.get_by_text(re.compile(r"Cancel|: (finished|failed)\.")).first.wait_for()
        panel.get_by_role("button", name="Cancel").wait_for(state="hidden")
        assert self.page.locator("[data-cy=operators-prompt-modal]").count() == 0, "the App is free meanwhile"
        done = self.page.get_by_role("button", name="Done")
        with suppress(Exception):  # a window only where there is something to say about a sample
            done.first.click(timeout=4000)
        self.page.locator("[data-cy=panel-tab-hs2s_runs]").get_by_test_id("CloseIcon").click()
        panel.wait_for(state="hidden")

    def select_sample(self, place: int) -> None:
        """Selects a sample of the grid, by the upper part of its picture."""
        sample = self.page.locator("[data-cy=looker]").nth(place)
        box = sample.bounding_box()
        sample.click(position={"x": box["width"] / 2, "y": 0.15 * box["height"]})

    def choose_view(self, name: str) -> None:
        """Chooses a saved view."""
        self.page.locator("[data-cy=saved-views-selection]").click()
        self.page.get_by_text(name, exact=True).first.click()

    def clear_view(self) -> None:
        """Goes back to all samples."""
        self.page.locator("[data-cy=btn-clear-view-bar]").click()

    def view_bar(self) -> set[str]:
        """The names and arguments of the view's stages."""
        get = (
            "bar => [...bar.innerText.split('\\n'), ...[...bar.querySelectorAll('input')].map(field =>"
            " field.value)]"
        )
        return {text.strip() for text in self.page.locator("[data-cy=view-bar]").evaluate(get)}

    def open_panel(self, name: str) -> None:
        """Opens a panel beside the samples; plugins are there some seconds after the page."""
        option = self.page.locator(f"[data-cy=new-panel-option-{name}]")
        for _ in range(20):
            self.page.locator("[data-cy=new-panel-btn]").first.click()
            with suppress(Exception):
                option.first.wait_for(timeout=3000)
                break
            self.page.keyboard.press("Escape")
        option.first.click()

    def click_mark(self, selector: str, place: int) -> None:
        """Clicks a mark of a plot, which takes clicks only on what it has found under the mouse and named."""
        mark = self.page.locator(selector).nth(place)
        mark.scroll_into_view_if_needed()
        named = mark.locator("xpath=ancestor::*[contains(@class, 'js-plotly-plot')][1]").locator(".hovertext")

        def point() -> bool:
            """Whether the plot names the mark, and stays where it is: the panel may still be drawn."""
            box = mark.bounding_box()
            for step in (1, 0):
                self.page.mouse.move(box["x"] + box["width"] / 2 + step, box["y"] + box["height"] / 2)
            self.page.wait_for_timeout(1000)
            return named.count() > 0 and mark.bounding_box() == box

        wait_until(point, SLOW / 1000, "the plot names the mark")
        self.page.mouse.down()
        self.page.mouse.up()

    def open_sample(self, place: int) -> None:
        """Opens a sample of the grid; the upper half of a picture would select it."""
        sample = self.page.locator("[data-cy=looker]").nth(place)
        box = sample.bounding_box()
        sample.click(position={"x": box["width"] / 2, "y": 0.75 * box["height"]})

    def wait_for_sample(self, sample_id: str) -> None:
        """Waits until a sample is open, and its video."""
        self.page.wait_for_selector(OPEN_MODAL)
        wait_until(lambda: sample_id in self.page.url, SLOW / 1000, f"the sample {sample_id} is open")
        self.page.wait_for_selector(f"{OPEN_MODAL} [data-testid=timeline-ruler]")

    def open_curves(self) -> None:
        """Waits until our panel is beside the open sample's video by itself; opens a track per object
        below this."""
        self.page.wait_for_selector(f"{MODAL_PANEL} .scatterlayer .trace", state="attached")
        wait_until(self._panel_is_beside, SLOW / 1000, "the panel is beside the video and covers none of it")
        self.page.locator("#modal [data-testid=timeline-controls-toggle]").click()
        self.page.locator("#modal [data-track-label]").first.wait_for()

    def _panel_is_beside(self) -> bool:
        names = ("#modal [data-testid=timeline-ruler]", MODAL_PANEL)
        video, panel = (self.page.locator(name).bounding_box() for name in names)
        return bool(video and panel) and video["x"] + video["width"] <= panel["x"] + 1

    def close_sample(self) -> None:
        """Clicks beside the open sample."""
        self.page.mouse.click(15, 500)
        self.page.wait_for_selector(OPEN_MODAL, state="hidden")

    def seek(self, part: float) -> None:
        """Moves the open video to a part of its length."""
        ruler = self.page.locator("#modal [data-testid=timeline-ruler]").bounding_box()
        self.page.mouse.click(ruler["x"] + part * ruler["width"], ruler["y"] + ruler["height"] / 2)

    def frame(self, fps: float) -> int:
        """The frame at the open video's time, of which the player shows whole hundredths of a second.

        The thousandths added are those that it may leave away where a frame begins, at 8 frames a second up
        to five.
        """
        minutes, seconds = (
            self.page.locator("[data-testid=timeline-playhead-time]").inner_text().split()[0].split(":")
        )
        return int((60 * int(minutes) + float(seconds) + 0.006) * fps) + 1

    def plot(self, panel: str, place: int) -> dict[str, Any]:
        """The traces and the layout of a panel's plot."""
        get = """plot => ({
            data: plot.data.map(({name, x, y}) => ({name, x, y})),
            layout: {shapes: plot.layout.shapes?.map(({x0, x1}) => ({x0, x1}))},
        })"""
        return self.page.locator(f"{panel} .js-plotly-plot").nth(place).evaluate(get)

    def screenshot(self, name: str) -> None:
        """Keeps a picture of the page, with 256 colors so that it stays small."""
        path = self.shots / f"{name}.png"
        self.page.screenshot(path=path)
        with Image.open(path) as picture:
            picture.convert("RGB").quantize(256).save(path, optimize=True)
