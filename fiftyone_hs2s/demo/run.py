"""The demo's story: a video into a dataset, masks through the video, scores, pictures."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import fiftyone as fo
import numpy as np
from PIL import Image

from fiftyone_hs2s.dataset.diagnose.find_failures import find_failures
from fiftyone_hs2s.dataset.evaluate.evaluate import evaluate_propagation
from fiftyone_hs2s.dataset.propagate.model import load_model
from fiftyone_hs2s.dataset.propagate.propagate import propagate
from fiftyone_hs2s.dataset.workspace import save_workspace
from fiftyone_hs2s.demo import demo_clip as clip
from fiftyone_hs2s.demo.app import open_app
from fiftyone_hs2s.demo.clip_files import make_clip
from fiftyone_hs2s.demo.dataset import TRACKED, TRUTH, open_dataset, put_video, read_label_maps
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import new_file, prepare_folder
from fiftyone_hs2s.masks import join_masks, list_label_maps, read_label_map
from fiftyone_hs2s.overlay import contact_sheet, draw_overlay, write_overlay
from fiftyone_hs2s.tables import percent, text_table
from fiftyone_hs2s.tracking import Frames, open_frames
from fiftyone_hs2s.tracking.folders import MaskFiles

EVALUATION = f"{TRACKED}_eval"
SHEET_FRAMES, SHEET_WIDTH = 12, 480  # pictures on the contact sheet, pixels of each


def run(args: argparse.Namespace) -> None:
    """Does what the arguments of :mod:`fiftyone_hs2s.demo.__main__` say.

    Raises:
        HS2SError: if the input cannot be used
    """
    if (args.video is None) != (args.mask is None):
        raise HS2SError("--video and --mask (VIDEO= and MASK= of make) go together: give both or neither")
    if not args.app or args.video or not len(open_dataset(args.dataset)):
        track_and_show(args)
    if args.app:
        dataset = fo.load_dataset(args.dataset)
        open_app(dataset, save_workspace(dataset))


def track_and_show(args: argparse.Namespace) -> None:
    """Tracks the video, prints scores and speed, writes pictures.

    Raises:
        HS2SError: if the input cannot be used, or nothing could be tracked
    """
    model = load_model(args.model)
    prepare_folder(args.out)
    video, truth, labels = _own_video(args) if args.video else _demo_clip(args.out)
    dataset, sample = put_video(args.dataset, video, truth, labels)
    model.tracker.prepare(open_frames(video).size)
    start = time.perf_counter()
    report = propagate(
        dataset.select(sample.id),
        model,
        prompt_field=f"frames.{TRUTH}",
        label_field=TRACKED,
        skip_failures=False,
        progress=sys.stdout.isatty(),
    )
    speed = report.frames / (time.perf_counter() - start)
    frames = open_frames(video)
    label_maps = list(read_label_maps(dataset[sample.id], TRACKED, frames.size))
    if len(truth) > 1:
        score(dataset.select(sample.id))
    size, device = "x".join(map(str, frames.size[::-1])), model.tracker.device
    print(f"\n{report.frames} frames of {size} at {speed:.1f} frames per second on {device}, labels stored")
    print(f"dataset:       {dataset.name}, field frames.{TRACKED} (make app shows it)")
    _draw(frames, label_maps, args.out / video.stem)


def score(sample: fo.DatasetView) -> None:
    """Scores the tracked masks, looks for failures, and prints J, F and J&F of each object, over all frames
    but the first and the last, as DAVIS does."""
    results = evaluate_propagation(sample, TRACKED, TRUTH, EVALUATION)
    report = find_failures(sample, TRACKED, eval_key=EVALUATION)
    rows = [[row["name"], *map(percent, (row["J"], row["F"], row["JF"]))] for row in results.objects]
    mean = ["mean", *map(percent, (results.J, results.F, results.JF))]
    print("\n" + text_table([["object", "J", "F", "J&F"], *rows, mean]))
    print(f"\nevents:        {report}")


def _demo_clip(folder: Path) -> tuple[Path, list[np.ndarray], dict[int, str]]:
    video, masks = make_clip(folder)
    return video, [read_label_map(file) for file in list_label_maps(masks).values()], clip.OBJECTS


def _own_video(args: argparse.Namespace) -> tuple[Path, list[np.ndarray], dict[int, str]]:
    if args.mask.is_dir():
        raise HS2SError(f"{args.mask} is a folder: give the mask of the first frame, an indexed PNG")
    frames = open_frames(args.video)
    return args.video, [join_masks(MaskFiles(args.mask, frames).masks(0), frames.size)], {}


def _draw(frames: Frames, label_maps: list[np.ndarray | None], name: Path) -> None:
    """Writes and names the overlay video and the contact sheet."""
    overlay, sheet = (
        name.with_name(f"{name.name}_overlay.mp4"),
        name.with_name(f"{name.name}_contact_sheet.png"),
    )
    write_overlay(overlay, frames, label_maps, frames.fps or clip.FPS)
    chosen = set(np.linspace(0, len(label_maps) - 1, min(SHEET_FRAMES, len(label_maps))).astype(int).tolist())
    shown = [
        draw_overlay(f, m)
        for i, (f, m) in enumerate(zip(frames, label_maps, strict=False))
        if i in chosen and m is not None
    ]
    factor = min(1, SHEET_WIDTH / frames.size[1])
    tiles = [cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) for image in shown]
    with new_file(sheet) as part:
        Image.fromarray(contact_sheet(tiles)).save(part)
    print(f"overlay video: {overlay}\ncontact sheet: {sheet}")
