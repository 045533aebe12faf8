"""Makes clips of three objects that cross: ``python benchmarks/crossing.py --data FOLDER --out OUT``, to be
scored by ``python benchmarks/quality.py --data OUT --sets crossing --each``.

Each sequence of the development split hosts an object of the next one, which passes in front, and a mirrored
twin, which passes behind: of the guest or, in every other clip, of the host's own object. Objects are cut out
and pasted frame by frame as in training (``training/data/cutouts.py``). FOLDER holds DAVIS2016-train; OUT
gets the DAVIS-layout folder ``crossing``. Nothing is drawn: the clips are always the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from quality import DEVELOPMENT

from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.training.data.annotated_video import open_video
from fiftyone_hs2s.training.data.augment import Pose
from fiftyone_hs2s.training.data.cutouts import Cutout, cut_out, paste
from fiftyone_hs2s.training.data.video_folders import read_video

LENGTH, HEIGHT = 60, 264  # frames, pixels
GUEST, TWIN = 2, 3
SIDE = 0.45  # longest side of what is pasted, in heights of the frame; at most its own


def read_sequence(root: Path, name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Frames, and bool masks of the object, ``HEIGHT`` high."""
    video = open_video(read_video(root, name))
    frames, masks = video.pictures(range(LENGTH)), video.label_maps(range(LENGTH))
    size = round(frames[0].shape[1] * HEIGHT / frames[0].shape[0]), HEIGHT
    return (
        [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames],
        [
            cv2.resize((mask == 1).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            for mask in masks
        ],
    )


def sway(places: np.ndarray, cycles: float, reach: float, cutout: Cutout) -> list[Pose]:
    """Moves to one side of the places (T, 2) and to the other; these are shifts as poses have them."""
    scale = min(1.0, SIDE * HEIGHT / max(max(image.shape[:2]) for image in cutout.images))
    x = places[:, 0] + reach * np.cos(2 * np.pi * cycles * np.linspace(0, 1, len(places)))
    shifts = np.clip(np.column_stack([x, places[:, 1]]), (-0.42, -0.3), (0.42, 0.3))
    return [Pose(scale=scale, shift=(x, y)) for x, y in shifts.tolist()]


def make_clip(root: Path, host: str, guest: str, twin_of_host: bool) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, H, W, 3) and label maps (T, H, W): 1 the host's object, 2 the guest in front, 3 the twin
    behind."""
    frames, masks = read_sequence(root, host)
    own, other = cut_out(frames, masks), cut_out(*read_sequence(root, guest))
    assert own is not None and other is not None
    twin = (own if twin_of_host else other).mirrored()
    size = np.array(masks[0].shape[::-1])
    places = np.array([np.argwhere(mask)[:, ::-1].mean(0) / size - 0.5 for mask in masks])
    side = -1.0 if places[0, 0] > 0 else 1.0  # the twin starts where there is more room, the guest opposite
    pictures, labels = np.stack(frames), np.stack(masks).astype(np.uint8)
    paste(pictures, labels, twin, sway(places, 1.0, 0.38 * side, twin), TWIN, behind=True)
    paste(pictures, labels, other, sway(places * (0.5, 1) + (0, 0.1), 0.75, -0.4 * side, other), GUEST)
    return pictures, labels


def main() -> None:
    """Makes and writes all clips."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    for number, host in enumerate(DEVELOPMENT):
        guest = DEVELOPMENT[(number + 1) % len(DEVELOPMENT)]
        clip = make_clip(args.data / "DAVIS2016-train", host, guest, twin_of_host=number % 2 == 1)
        folders = [args.out / "crossing" / kind / host for kind in ("JPEGImages", "Annotations")]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for t, (frame, labels) in enumerate(zip(*clip, strict=True)):
            Image.fromarray(frame).save(folders[0] / f"{t:05d}.jpg", quality=95)
            write_label_map(folders[1] / f"{t:05d}.png", labels)
        print(f"{host}: with {guest}")


if __name__ == "__main__":
    main()
