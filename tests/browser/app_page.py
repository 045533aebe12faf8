"""The App in a headless browser: what a user does, in words."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

HERE = Path(__file__).parent
OPEN_MODAL = "#modal.modalon"
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
    environment = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins), "PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, str(HERE / "app_server.py"), "--port", str(port), "--address", "127.0.0.1"]
    with log.open("w") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{url}/fiftyone"), 120, f"the App's server answers, see {log}")
            yield url
        finally:
            server.terminate()


def answers(url: str) -> bool:
    """Whether a server answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def wait_until(
    condition: Callable[[], object], seconds: float, what: str, pause: Callable[[], None] = lambda: time.sleep(1)
) -> None:
    """Waits for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain until {what}"
        pause()


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
        allowed = (url, "data:", "blob:")
        page.route("**/*", lambda r: r.continue_() if r.request.url.startswith(allowed) else r.abort())

    def open(self, saved_view: str | None = None) -> None:
        """Loads the page; the first load after a server's start may hang."""
        for _ in range(4):
            query = f"?view={saved_view}" if saved_view else ""
            self.page.goto(f"{self.url}/datasets/{self.dataset}{query}", wait_until="domcontentloaded")
            try:
                self.page.wait_for_selector("[data-cy=panel-container]", timeout=45_000)
                break
            except Exception:
                self.page.goto("about:blank")
        self.page.wait_for_selector("[data-cy=new-panel-btn]")

    def show_samples(self) -> None:
        """Waits for the grid."""
        self.page.wait_for_selector("[data-cy=looker]")

    def entries(self) -> str:
        """How many samples the grid says it has."""
        return self.page.locator("[data-cy=entry-counts]").inner_text()

    def run_operator(self, label: str) -> None:
        """Runs an operator from the operator browser, with its form's defaults."""
        choice = self.page.locator("[data-cy=operators-browser]").get_by_text(label)
        for _ in range(20):  # plugins are there some seconds after the page
            self.page.keyboard.press("`")
            self.page.wait_for_selector("[data-cy=operators-browser-search]")
            self.page.keyboard.type(label)
            self.page.wait_for_timeout(3000)
            if choice.count():
                break
            self.page.keyboard.press("Escape")
            self.page.wait_for_timeout(2000)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("[data-cy=operators-prompt-modal]")
        self.page.wait_for_timeout(4000)
        self.page.get_by_role("button", name="Execute").click()

    def dismiss(self) -> None:
        """Closes an operator's progress once the operator is done; after a quick one there is none to close."""
        self.page.wait_for_timeout(5000)
        done = self.page.get_by_role("button", name="Done")
        if done.count():
            done.first.click()
        self.page.wait_for_timeout(2000)

    def open_panel(self, name: str) -> None:
        """Opens a panel beside the samples; plugins are there some seconds after the page."""
        option = self.page.locator(f"[data-cy=new-panel-option-{name}]")
        for _ in range(30):
            self.page.locator("[data-cy=new-panel-btn]").first.click()
            self.page.wait_for_timeout(1500)
            if option.count():
                option.first.click()
                return
            self.page.keyboard.press("Escape")
            self.page.wait_for_timeout(2000)
        raise AssertionError(f"the panel {name} is not offered")

    def click_bar(self, selector: str, place: int) -> None:
        """Clicks a bar of a plot, which listens to the mouse's steps."""
        box = self.page.locator(selector).nth(place).bounding_box()
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.page.wait_for_timeout(1000)
        self.page.mouse.down()
        self.page.mouse.up()

    def wait_for_video(self) -> None:
        """Waits until the open sample shows its picture."""
        self.page.wait_for_selector(OPEN_MODAL)
        time_text = self.page.locator("#modal [data-cy=looker-video-time]")
        self.wait_until(
            lambda: time_text.count() and time_text.first.inner_text().strip() != "", 90, "the video has a time"
        )
        self.page.wait_for_timeout(6000)

    def wait_until(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Waits for something to become true; the page's requests pass through this process, so it must not sleep."""
        wait_until(condition, seconds, what, lambda: self.page.wait_for_timeout(1000))

    def screenshot(self, name: str) -> None:
        """Keeps a picture of the page, with 128 colours so that it stays small."""
        path = self.shots / f"{name}.png"
        self.page.screenshot(path=path)
        with Image.open(path) as picture:
            picture.convert("RGB").quantize(128).save(path, optimize=True)
