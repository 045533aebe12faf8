"""What a short fine-tuning does on a domain that the weights never saw: ``python benchmarks/finetune.py
--minutes 5``.

The domain is made here: cells under a phase-contrast microscope, gray in gray, in little light. They creep,
swell, bend and pass over each other; all look alike but for the granules inside. Some of a clip's cells are
labeled. The clips to train on and the held-out ones that are scored come from different seeds and share
nothing but the way they are made. Printed are J, F and J&F (DAVIS rules) on the held-out clips, tracked from
their first masks, before and after.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

HEIGHT, WIDTH, FPS = 240, 416, 12
CELLS, LABELED = 14, 4  # of a clip
# How much each shows, in gray levels: dim and noisy.
GRAIN, SPOT, RIM, HALO, DISH, NOISE = (
    6,
    10,
    12,
    10,
    6,
    6,
)


class Cell:
    """A cell of a changing outline on a winding path.

    Args:
        rng: what it is made from
        home: where it starts, (x, y) in pixels
    """

    def __init__(self, rng: np.random.Generator, home: tuple[float, float]) -> None:
        self.rng, self.at = rng, np.array(home)
        self.heading, self.speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 2.6)
        self.turn, self.spin = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.02)
        self.radius = rng.uniform(22, 38)
        self.waves = rng.normal(0, [[0.16], [0.1], [0.05]], (3, 2))  # of the outline, 2 to 4 a turn
        grain = rng.normal(0, 1, (96, 96)).astype(np.float32)
        spots = cv2.GaussianBlur(grain, (0, 0), rng.uniform(1.6, 3.5))
        self.texture = spots / spots.std() * rng.uniform(0.7, 1.3) * GRAIN
        nucleus, tone = tuple(map(int, rng.integers(36, 60, 2))), float(rng.choice([-SPOT, SPOT]))
        cv2.circle(self.texture, nucleus, 11, tone, -1, cv2.LINE_AA)

    def move(self) -> None:
        """One frame on."""
        self.heading += self.rng.normal(0, 0.25)
        self.at = self.at + self.speed * np.array([np.cos(self.heading), np.sin(self.heading)])
        margin = self.radius
        for axis, size in enumerate((WIDTH, HEIGHT)):  # turns at the edge of the dish
            if not margin < self.at[axis] < size - margin:
                self.heading = np.arctan2(*(np.array([HEIGHT, WIDTH]) / 2 - self.at[::-1]))
        self.turn += self.spin + self.rng.normal(0, 0.01)
        self.waves = 0.98 * self.waves + self.rng.normal(0, 0.018, (3, 2))

    def mask(self) -> np.ndarray:
        """bool (H, W)"""
        angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        swell = sum(a * np.cos(k * angle) + b * np.sin(k * angle) for k, (a, b) in enumerate(self.waves, 2))
        reach = self.radius * np.clip(1 + swell, 0.45, 1.7)
        outline = self.at + reach[:, None] * np.stack(
            [np.cos(angle + self.turn), np.sin(angle + self.turn)], 1
        )
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 1, shift=4)
        return mask > 0

    def draw(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Over a float32 picture: granules inside, a dark rim, a bright halo around it."""
        rows, columns = (
            slice(max(0, int(c - 1.7 * self.radius - 9)), int(c + 1.7 * self.radius + 9))
            for c in self.at[::-1]
        )
        mask, image = mask[rows, columns], image[rows, columns]
        matrix = cv2.getRotationMatrix2D((48, 48), -np.rad2deg(self.turn), self.radius / 30)
        matrix[:, 2] += self.at - 48 - (columns.start, rows.start)
        inside = cv2.warpAffine(self.texture, matrix, mask.shape[::-1], borderMode=cv2.BORDER_REFLECT)
        into = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
        out = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
        image += np.where(mask, 0, HALO * np.exp(-((out / 3) ** 2)))
        image[mask] = (118 + inside - RIM * np.exp(-(((into - 2) / 2) ** 2)))[mask]


def clip(seed: int, length: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Makes a clip.

    Yields:
        frame: uint8 (240, 416, 3)
        label_map: uint8 (240, 416), 1 to 4 for the labeled cells
    """
    rng = np.random.default_rng([7, seed])
    dish = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT + 80, WIDTH + 80)).astype(np.float32), (0, 0), 2.5)
    dish *= DISH / dish.std()
    homes = rng.permutation([(x, y) for x in np.linspace(45, WIDTH - 45, 5) for y in (50, 120, 190)])[:CELLS]
    cells = [Cell(rng, home + rng.normal(0, 8, 2)) for home in homes]
    labeled = rng.permutation(CELLS)[:LABELED]
    y, x = np.mgrid[:HEIGHT, :WIDTH] / HEIGHT - 0.5
    light = 1.08 - 0.25 * ((x - rng.uniform(0, 0.7)) ** 2 + (y - rng.uniform(-0.3, 0.3)) ** 2)
    drift, at = rng.normal(0, 0.3, 2), np.array([40.0, 40.0])
    for _ in range(length):
        at = np.clip(at + drift + rng.normal(0, 0.4, 2), 0, 79)
        image = 118 + dish[int(at[1]) :, int(at[0]) :][:HEIGHT, :WIDTH]
        label_map = np.zeros((HEIGHT, WIDTH), np.uint8)
        for number, cell in enumerate(cells):
            mask = cell.mask()
            cell.draw(image, mask)
            label_map[mask] = 1 + list(labeled).index(number) if number in labeled else 0
            cell.move()
        image = cv2.GaussianBlur(image * light, (0, 0), 0.8) + rng.normal(0, NOISE, image.shape)
        gray = np.clip(image, 0, 255).astype(np.uint8)
        yield np.repeat(gray[..., None], 3, axis=2), label_map


def fill(dataset, folder: Path, seeds: range, length: int) -> None:
    """Puts clips into a dataset: videos with masks on all frames."""
    from fiftyone_hs2s.dataset.video_samples import video_sample
    from fiftyone_hs2s.video_writer import write_video

    for seed in seeds:
        frames, label_maps = zip(*clip(seed, length), strict=True)
        video = folder / f"{seed}.mp4"
        write_video(video, frames, FPS)
        dataset.add_sample(video_sample(video, enumerate(label_maps, start=1), "ground_truth"))


def main() -> None:
    """Fine-tunes for some minutes, and prints the scores before and after."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--config", default="finetune")
    parser.add_argument("--train", type=int, default=8, help="clips to train on")
    parser.add_argument("--test", type=int, default=4, help="held-out clips")
    parser.add_argument("--length", type=int, default=32, help="frames of a clip")
    parser.add_argument("--run", type=Path, help="keep the run in this folder")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        os.environ["HS2S_MODELS"] = folder  # nobody's models but this run's
        import fiftyone as fo

        from fiftyone_hs2s import finetune

        known, held_out = fo.Dataset(), fo.Dataset()
        fill(known, Path(folder), range(args.train), args.length)
        fill(held_out, Path(folder), range(1000, 1000 + args.test), args.length)
        length = {"minutes": args.minutes, "steps": args.steps}
        start = time.process_time()
        result = finetune(
            known,
            "ground_truth",
            "cells",
            args.config,
            **length,
            validation=held_out,
            run=args.run,
            progress=True,
        )
    print(f"\n{result}; with the scoring {(time.process_time() - start) / 60:.1f} minutes of one core")
    print(f"{'':24s}{'J':>8s}{'F':>8s}{'J&F':>8s}")
    for name, scores in (("before", result.before), ("after", result.after)):
        print(f"{name:24s}{100 * scores.J:8.1f}{100 * scores.F:8.1f}{100 * scores.JF:8.1f}")
        for sequence in scores.sequences.values():
            print(f"  {'clip':22s}{100 * sequence.J:8.1f}{100 * sequence.F:8.1f}{100 * sequence.JF:8.1f}")


if __name__ == "__main__":
    main()
