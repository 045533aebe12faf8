"""Makes the README's moving picture: ``python docs/make_film.py``. Takes chromium, ffmpeg and minutes.

A real session in the App, a picture at a time: masks on the first frames, the operator that propagates and
checks them, the sample that fails, a corrected mask (imported, as drawing would leave it), and the frames
beside it redone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import fiftyone as fo
import numpy as np
from make_images import FPS, LENGTH, REPO, clip_sample  # also finds the tests' and benchmarks' modules
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import sync_playwright

from app_page import OPEN_MODAL, AppPage, app_server, browser_page, wait_until  # isort: skip
from hard_clip import hard_layers  # isort: skip

from fiftyone_hs2s.demo.demo_clip import make_layers

WIDTH = 960
"""Of the picture, in pixels."""
LARGEST = 3_000_000
"""Bytes that it may have."""
OPERATOR = "HS2S: propagate masks and check them"
CHECKS = "hs2s_eval_JF"


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
def clips(folder: Path) -> Iterator[fo.Dataset]:
    """The demo clip and its harder form, with true masks."""
    dataset = fo.Dataset("hs2s-film", persistent=True, overwrite=True)
    for name, layers in {"flowers": make_layers(), "wide-column": hard_layers(3.2)}.items():
        dataset.add_sample(clip_sample(folder / f"{name}.mp4", layers))
    dataset.compute_metadata()
    dataset.app_config.color_scheme = fo.ColorScheme(color_by="instance")
    dataset.save()
    try:
        yield dataset
    finally:
        dataset.delete()


def check(app: AppPage, film: Film, dataset: fo.Dataset) -> None:
    """Propagates and checks, as a user does."""
    app.open()
    app.page.wait_for_timeout(8000)  # thumbnails are painted late
    film.take("Videos with the masks of their objects on a first frame", 2)
    app.open_form(OPERATOR)
    form = app.page.locator("[data-cy=operators-prompt-modal]")
    form.get_by_role("combobox").last.click()
    app.page.get_by_role("option", name="frames.ground_truth").first.click()
    app.page.wait_for_timeout(4000)
    film.take(f"One operator: {OPERATOR}", 2)
    app.page.get_by_role("button", name="Execute").click()
    panel = app.page.locator("[data-cy=panel-content-hs2s_runs]")
    panel.wait_for()
    for _ in range(100):
        film.take("The masks are carried through the videos, then scored, then searched for failures", 0.3)
        dataset.reload()
        if dataset.has_sample_field("hs2s_events") and dataset.list_evaluations():
            break
        app.page.wait_for_timeout(6000)
    panel.get_by_text("Find failures: finished").wait_for()
    app.page.wait_for_timeout(9000)
    film.take("Finished: J&F of the whole, and what happened to whom", 2.5)
    app.page.locator("[data-cy=panel-tab-hs2s_runs]").get_by_test_id("CloseIcon").click()


def look(app: AppPage, film: Film, caption: str, frames: list[int], seconds: float) -> None:
    """Opens the sample that fails, and goes to some of its frames."""
    app.page.wait_for_selector(f"{OPEN_MODAL} [data-testid=timeline-ruler]")
    for number in frames:
        app.seek((number - 0.5) / LENGTH)
        wait_until(lambda: app.frame(FPS) > 1, 60, "the video has moved")
        app.page.wait_for_timeout(7000)  # until the video is there
        film.take(caption, seconds)


def correct(dataset: fo.Dataset, sample_id: str, number: int) -> None:
    """Puts the true masks in the place of the tracked ones on a frame, as a person's drawing would."""
    sample = dataset[sample_id]
    drawn = [label.copy() for label in sample.frames[number]["ground_truth"].detections]
    for label in drawn:
        label["keyframe"] = True
    sample.frames[number]["hs2s"] = fo.Detections(detections=drawn)
    sample.save()


def main() -> None:
    """Makes the dataset, serves it, takes the pictures, writes the film."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=REPO / "docs" / "images" / "film.webp")
    args = parser.parse_args()
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
    fo.config.show_progress_bars = False
    with tempfile.TemporaryDirectory() as name, clips(Path(name)) as dataset:
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
            check(app, film, dataset)
            fix(app, film, dataset)
            print(f"{args.out}: {film.write(args.out)} bytes, {len(film.pictures)} pictures")


def fix(app: AppPage, film: Film, dataset: fo.Dataset) -> None:
    """Looks at what is lost behind the column, corrects it, and has the frames beside it redone."""
    dataset.reload()
    place = int(np.argmin(dataset.values(CHECKS)))
    sample_id = dataset.values("id")[place]
    lost = next(e.support for e in dataset[sample_id].hs2s_events.detections if e.kind == "lost")
    middle = sum(lost) // 2
    # The tracked masks alone, or one would not see what they miss.
    dataset.app_config.active_fields = fo.ActiveFields(paths=["hs2s_events", "frames.hs2s"], exclude=False)
    dataset.save()
    app.open()
    app.open_sample(place)
    app.page.locator("#modal [data-cy=panel-tab-hs2s_panel]").click()
    app.page.wait_for_selector("#modal .scatterlayer .trace", state="attached")
    app.page.wait_for_timeout(4000)
    caption = "The video that fails, and where: the flower is hidden, and then lost"
    look(app, film, caption, [6, lost[0] - 4, middle], 1.8)
    correct(dataset, sample_id, middle)
    redo = app.page.get_by_role("button", name="Redo beside corrections")
    redo.scroll_into_view_if_needed()
    redo.click()
    app.page.wait_for_selector("[data-cy=operators-prompt-modal]")
    app.page.wait_for_timeout(4000)
    film.take("A mask is corrected on one frame: redo what lies beside it", 2)
    app.page.get_by_role("button", name="Execute").click()
    app.page.get_by_text("Executing").wait_for(state="hidden")
    app.open()
    app.open_sample(place)
    app.page.wait_for_timeout(6000)
    look(app, film, "It follows the flower again", [middle + 2, LENGTH - 2], 1.5)


if __name__ == "__main__":
    main()
