"""Makes the pictures of the App, dark and light: ``python docs/make_images.py``. Takes chromium, ffmpeg
and minutes.

The demo clip and harder forms of it (``benchmarks/hard_clip.py``), tracked with the shipped weights: the
failures that show are the tracker's own.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import cv2
import fiftyone as fo
from playwright.sync_api import sync_playwright

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO), str(REPO / "tests" / "browser"), str(REPO / "benchmarks")]

from app_page import COLORS, OPEN_MODAL, PANEL, AppPage, app_server, browser_page, wait_until  # noqa: E402
from hard_clip import hard_layers  # noqa: E402

import fiftyone_hs2s as hs2s  # noqa: E402
from fiftyone_hs2s.dataset.video_samples import video_sample  # noqa: E402
from fiftyone_hs2s.demo.demo_clip import OBJECTS, Layer, make_layers, render_clip  # noqa: E402
from fiftyone_hs2s.video_writer import write_video  # noqa: E402

LENGTH, FPS, SIZE = 42, 8, (640, 360)
"""Frames, frames a second and pixels of the clips: half of the demo's, so that the pictures take minutes."""
LOST = 0.84
"""Where to click on the ruler, a part of its width, to see an object that is lost."""
CLIPS: dict[str, list[Layer]] = {
    "flowers": make_layers(),
    "wide-column": hard_layers(2.4),
    "wider-column": hard_layers(3.2),
    "widest-column": hard_layers(4.0),
}


def clip_sample(video: Path, layers: list[Layer]) -> fo.Sample:
    """Renders a clip to a video; its sample, with true masks in ``ground_truth``."""
    frames, truths = zip(*render_clip(LENGTH, layers), strict=True)
    write_video(video, (cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA) for frame in frames), FPS)
    masks = (cv2.resize(truth, SIZE, interpolation=cv2.INTER_NEAREST) for truth in truths)
    return video_sample(video, enumerate(masks, start=1), "ground_truth", OBJECTS)


def make_dataset(folder: Path) -> fo.Dataset:
    """The clips, tracked, scored, and searched for failures."""
    dataset = fo.Dataset("hs2s-flowers", overwrite=True)
    for name, layers in CLIPS.items():
        dataset.add_sample(clip_sample(folder / f"{name}.mp4", layers))
    dataset.compute_metadata()
    dataset.app_config.color_scheme = fo.ColorScheme(color_by="value", color_pool=COLORS)
    dataset.save()
    print(hs2s.propagate(dataset, prompt_field="ground_truth", label_field="hs2s"))
    hs2s.evaluate_propagation(dataset, "hs2s", "ground_truth", eval_key="hs2s_eval").print_report()
    print(hs2s.find_failures(dataset, "hs2s", eval_key="hs2s_eval", save_views=True))
    return dataset


def shoot(app: AppPage, dataset: fo.Dataset, suffix: str) -> None:
    """The grid, the panel beside it, and the sample that fails most with its curves."""
    app.open()
    app.page.wait_for_timeout(8000)  # thumbnails are painted late
    app.screenshot(f"grid{suffix}")
    app.open_panel("hs2s_panel")
    app.page.wait_for_selector(f"{PANEL} .scatterlayer .point", state="attached")
    app.page.wait_for_timeout(3000)
    app.screenshot(f"panel{suffix}")
    scores = dataset.values("hs2s_eval_JF")
    app.open_sample(scores.index(min(scores)))
    app.page.wait_for_selector(f"{OPEN_MODAL} [data-testid=timeline-ruler]")
    app.open_curves()
    app.seek(LOST)
    wait_until(lambda: app.frame(FPS) > 1, 60, "the video has moved")
    app.page.wait_for_timeout(5000)
    app.screenshot(f"modal{suffix}")


def main() -> None:
    """Makes the dataset, serves it, takes the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=REPO / "docs" / "images", help="folder for the pictures")
    args = parser.parse_args()
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"  # else the page asks
    fo.config.show_progress_bars = False
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder))
        plugins = Path(folder) / "plugins"
        plugins.mkdir()
        (plugins / "hs2s").symlink_to(REPO)
        log = Path(folder) / "server.log"
        for theme, suffix in (("dark", ""), ("light", "-light")):
            os.environ["FIFTYONE_APP_THEME"] = theme
            with (
                app_server(plugins, log) as url,
                sync_playwright() as playwright,
                browser_page(playwright) as page,
            ):
                shoot(AppPage(page, url, dataset.name, args.out), dataset, suffix)
        dataset.delete()


if __name__ == "__main__":
    main()
