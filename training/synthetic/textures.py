"""Made textures: patterns, crops of photographs, and clouds of color where there is no photograph."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

SIDE = 128  # pixels; PyBullet samples the nearest texel, so small textures alias less


def random_color(rng: np.random.Generator) -> np.ndarray:
    """A color (3,), 0 to 255, seldom garish."""
    return 255 * np.array(colorsys.hsv_to_rgb(rng.random(), rng.beta(2, 2.5), rng.uniform(0.25, 0.95)))


def pattern(rng: np.random.Generator, photographs: list[np.ndarray]) -> np.ndarray:
    """A texture, uint8 (SIDE, SIDE, 3): a crop of a photograph, or two colors in stripes, checks, dots or
    marble."""
    if photographs and rng.random() < 0.4:
        return crop(rng, photographs[rng.integers(len(photographs))], SIDE)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    turn, period = rng.uniform(0, np.pi), rng.integers(2, 9)
    along = (x * np.cos(turn) + y * np.sin(turn)) * period
    across = (y * np.cos(turn) - x * np.sin(turn)) * period
    share = {
        "stripes": lambda: along % 1 < rng.uniform(0.2, 0.8),
        "checks": lambda: (along % 1 < 0.5) ^ (across % 1 < 0.5),
        "dots": lambda: np.hypot(along % 1 - 0.5, across % 1 - 0.5) < rng.uniform(0.15, 0.4),
        "marble": lambda: 0.5 + 0.5 * np.sin(6 * along + 8 * clouds(rng, SIDE)),
        "clouds": lambda: clouds(rng, SIDE),
    }[str(rng.choice(["stripes", "checks", "dots", "marble", "clouds"]))]()
    share = cv2.GaussianBlur(np.asarray(share, np.float32), (3, 3), 0)[..., None]
    image = random_color(rng) * share + random_color(rng) * (1 - share)
    image = image * (0.85 + 0.3 * clouds(rng, SIDE)[..., None]) + rng.normal(0, 4, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def clouds(rng: np.random.Generator, side: int) -> np.ndarray:
    """Smooth noise of several scales, float32 (side, side), 0 to 1."""
    total = np.zeros((side, side), np.float32)
    for cells in (3, 7, 17, 41):
        noise = rng.random((cells, cells)).astype(np.float32) / np.sqrt(cells)
        total += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def crop(rng: np.random.Generator, image: np.ndarray, side: int) -> np.ndarray:
    """A random square crop of a picture, scaled to (side, side, 3)."""
    height, width = image.shape[:2]
    edge = int(min(height, width) * rng.uniform(0.3, 0.9))
    top, left = rng.integers(height - edge + 1), rng.integers(width - edge + 1)
    return cv2.resize(image[top : top + edge, left : left + edge], (side, side), interpolation=cv2.INTER_AREA)


def backdrop(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """What stands in for a photograph where there is none: colored clouds and patches, uint8 (*size, 3)."""
    height, width = size
    image = np.stack([clouds(rng, 256) for _ in range(3)], 2) * 120
    image = image + random_color(rng) * 0.6
    for _ in range(int(rng.integers(6, 20))):
        center, axes = rng.integers(0, 256, 2), rng.integers(5, 60, 2)
        color = [float(value) for value in random_color(rng)]
        spot = cv2.ellipse(
            image.copy(), center.tolist(), axes.tolist(), rng.uniform(0, 180), 0, 360, color, -1
        )
        image = 0.4 * image + 0.6 * spot
    image = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 255).astype(np.uint8)
