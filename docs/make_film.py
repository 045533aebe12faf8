"""Makes the README's moving picture: ``python docs/make_film.py``. Takes chromium, ffmpeg and minutes.

A real session in the App, a picture at a time: a flower is painted with the brush on the first frame,
propagated, looked at behind a column and after it, painted right on one frame, and propagated from there.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import fiftyone as fo
import numpy as np
from make_images import FPS, LENGTH, REPO, SIZE, clip_sample  # also finds the tests' and benchmarks' modules
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from app_page import OPEN_MODAL, AppPage, app_server, browser_page, wait_until  # isort: skip
from hard_clip import hard_layers  # isort: skip

WIDTH = 960
"""Of the picture, in pixels."""
LARGEST = 3_000_000
"""Bytes that it may have."""
RUN = 900_000
"""Milliseconds that a propagation may take on a busy machine."""
FIELD, OBJECT = "masks", "flower"
BEFORE, HIDDEN, AFTER = (12, 22), (27, 30), 36
"""Frames before the flower is hidden behind the column, while it is, and after."""
Point = tuple[float, float]


class Film:
    """Pictures of a page, each with a caption and the time for which it is shown.

    Args:
        page: playwright's page
    """

    def __init__(self, page) -> None:
        self.page = page
        self.pictures: list[Image.Image] = []
        self.seconds: list[float] = []

    def take(self, caption: str, seconds: float = 1.5) -> None:
        """Takes a picture of the page as it is now."""
        shot = Image.open(BytesIO(self.page.screenshot())).convert("RGB")
        picture = shot.resize((WIDTH, round(shot.height * WIDTH / shot.width)), Image.Resampling.LANCZOS)
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=22)
        draw.rectangle((0, picture.height - 40, WIDTH, picture.height), fill=(255, 109, 4))
        draw.text((16, picture.height - 33), caption, fill="white", font=font)
        self.pictures.append(picture)
        self.seconds.append(seconds)

    def write(self, path: Path) -> int:
        """Writes a WebP that plays for ever, in the best quality that is small enough; its bytes."""
        first, *others = self.pictures
        for quality in (80, 70, 60, 50, 40, 30):
            first.save(
                path,
                save_all=True,
                append_images=others,
                duration=[round(1000 * seconds) for seconds in self.seconds],
                loop=0,
                quality=quality,
                method=6,
            )
            if path.stat().st_size < LARGEST:
                return path.stat().st_size
        raise SystemExit(f"{path} has more than {LARGEST} bytes: take fewer pictures")


@contextmanager
def clip(folder: Path) -> Iterator[tuple[fo.Dataset, fo.Sample]]:
    """A dataset of one video without labels, whose class can be drawn; and the sample with the true masks."""
    truth = clip_sample(folder / "column.mp4", hard_layers(3.2))
    dataset = fo.Dataset("hs2s-film", persistent=True, overwrite=True)
    try:
        dataset.add_sample(fo.Sample(filepath=truth.filepath))
        dataset.compute_metadata()
        dataset.add_frame_field(FIELD, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
        schema = {"type": "detections", "attributes": [], "component": "dropdown", "classes": [OBJECT]}
        dataset.update_label_schema(f"frames.{FIELD}", schema)
        dataset.activate_label_schemas(f"frames.{FIELD}")
        dataset.app_config.color_scheme = fo.ColorScheme(color_by="instance")
        dataset.save()
        yield dataset, truth
    finally:
        dataset.delete()


class Annotate:
    """The open sample in the App's Annotate mode.

    Args:
        app: the App, with the sample open
        film: takes the pictures
        truth: where the flower is, so that the brush is led there
    """

    def __init__(self, app: AppPage, film: Film, truth: fo.Sample) -> None:
        self.app, self.page, self.film, self.truth = app, app.page, film, truth

    def look(self, number: int, caption: str, seconds: float) -> None:
        """Goes to a frame."""
        wait_until(lambda: self._reach(number), 300, f"frame {number} is shown")
        self.settle()
        self.film.take(caption, seconds)

    def _reach(self, number: int) -> bool:
        """Whether a frame could be gone to: not while the sample is shown anew after a run."""
        ruler = self.page.locator("#modal [data-testid=timeline-ruler]")
        with suppress(PlaywrightError):
            if ruler.count() and ruler.bounding_box():
                self.app.seek((number - 0.8) / LENGTH)  # the App goes to the nearest frame
                self.page.wait_for_timeout(3000)
                return ruler.count() > 0 and self.app.frame(FPS) == number
        return False

    def settle(self) -> None:
        """Waits until the video and its labels are there."""
        self.page.wait_for_timeout(5000)
        self.page.locator("#modal [data-testid=timeline-ruler]").wait_for()
        self.page.locator("#modal").get_by_text("Buffering").wait_for(state="hidden")
        self.page.wait_for_timeout(2000)

    def paint(self, number: int, arcs: list[tuple[float, int, int]], caption: str) -> None:
        """Paints with the brush, in one stroke.

        Args:
            number: the frame that is shown
            arcs: each from the flower's center: part of its radius, degrees from and to
            caption: below the pictures
        """
        self.page.locator("#modal [data-cy=brush]").click()
        larger = self.page.get_by_role("button", name="Increase brush size")
        for _ in range(32):
            if larger.is_disabled():
                break
            larger.click()
        self.page.wait_for_timeout(1000)
        self.film.take(caption, 0.8)
        center, radius = self._flower(number)
        points = [
            (center[0] + part * radius * math.cos(a), center[1] + part * radius * math.sin(a))
            for part, start, end in arcs
            for a in np.radians(np.linspace(start, end, max(4, round(9 * part))))
        ]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for place, point in enumerate(points[1:], start=1):
            self.page.mouse.move(*point)
            if place % 3 == 0:
                self.film.take(caption, 0.3)
        self.page.mouse.up()
        self.page.wait_for_timeout(4000)  # until it is saved
        self.film.take(caption, 1.5)
        self.page.locator("#modal [data-cy=close]").first.click()

    def _flower(self, number: int) -> tuple[Point, float]:
        """Where the flower is on the page: its center and radius."""
        canvas = self.page.locator("#modal [data-cy=imavid-frame-canvas]").bounding_box()
        scale = min(canvas["width"] / SIZE[0], canvas["height"] / SIZE[1])
        left, top, width, height = self.truth.frames[number]["ground_truth"].detections[0].bounding_box
        x, y = canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2
        x += (left + width / 2 - 0.5) * SIZE[0] * scale
        y += (top + height / 2 - 0.5) * SIZE[1] * scale
        return (x, y), width * SIZE[0] * scale / 2

    def run(self, button: str, caption: str) -> None:
        """Runs the operator of a button above the open sample."""
        icons = self.page.locator("#modal img[src*='/assets/']")
        for icon in icons.all():
            icon.hover()
            self.page.wait_for_timeout(1500)
            if self.page.get_by_text(button, exact=True).count():
                icon.click()
                break
        self.page.wait_for_selector("[data-cy=operators-prompt-modal]")
        self.page.wait_for_timeout(5000)
        self.film.take(caption, 1.5)
        self.page.get_by_role("button", name="Execute").click()
        self.page.wait_for_timeout(3000)
        self.film.take(caption, 0.7)
        self.page.get_by_text("Executing").wait_for(state="hidden", timeout=RUN)
        self.page.wait_for_timeout(8000)  # until the sample is shown anew
        self.settle()


def session(app: AppPage, film: Film, truth: fo.Sample) -> None:
    """Draws, propagates, looks, corrects, as a user does."""
    app.open()
    app.open_sample(0)
    app.page.wait_for_selector(OPEN_MODAL)
    app.page.locator("#modal [data-cy=annotate]").click()
    app.page.get_by_role("button", name="Dismiss").click()  # what FiftyOne says about its Enterprise version
    sample = Annotate(app, film, truth)
    sample.settle()
    film.take("A video without labels, in FiftyOne's Annotate mode", 1.5)
    app.page.locator("#modal [data-cy=segmentation-mode]").click()
    sample.paint(1, [(0.78, 0, 360), (0.4, 0, 270)], "Draw: paint an object on one frame")
    sample.run("Propagate this object", "Propagate: the mask is carried through the video")
    for number in BEFORE:
        sample.look(number, "The flower has a mask on every frame", 0.8)
    for number in HIDDEN:
        sample.look(number, "Look: it is hidden behind the column ...", 1)
    sample.look(AFTER, "... and after it a part of the mask is missing", 2)
    app.page.locator("#modal [data-cy=sidebar-column]").get_by_text(OBJECT).first.click()
    right = [(0.86, -110, 40), (0.6, 40, -110), (0.32, -110, 40)]
    sample.paint(AFTER, right, "Fix: paint what is missing, on one frame")
    sample.run("Propagate corrections", "Propagate corrections: the frames beside it are tracked again")
    for number in (AFTER - 2, AFTER + 2, LENGTH - 1):
        sample.look(number, "The mask follows the flower again", 1)


def main() -> None:
    """Makes the dataset, serves it, takes the pictures, writes the film."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=REPO / "docs" / "images" / "film.webp")
    args = parser.parse_args()
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
    fo.config.show_progress_bars = False
    with tempfile.TemporaryDirectory() as name, clip(Path(name)) as (dataset, truth):
        folder = Path(name)
        plugins = folder / "plugins"
        plugins.mkdir()
        (plugins / "hs2s").symlink_to(REPO)
        with (
            app_server(plugins, folder / "server.log") as url,
            sync_playwright() as playwright,
            browser_page(playwright) as page,
        ):
            app, film = AppPage(page, url, dataset.name, args.out.parent), Film(page)
            session(app, film, truth)
            print(f"{args.out}: {film.write(args.out)} bytes, {len(film.pictures)} pictures")


if __name__ == "__main__":
    main()
