"""Augmentation of clips: everything on uint8 arrays with OpenCV, drawn from one ``numpy`` generator."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Size = tuple[int, int]  # height, width
NEARER = 6.0  # how much nearer what is zoomed in on comes at most
FULL = 1.2  # how large it gets at most, as a share of the frame


@dataclass(frozen=True)
class Pose:
    """A similarity or affine transform about the picture's middle.

    Attributes:
        angle: degrees
        scale: factor
        shear: degrees
        shift: (x, y) as a fraction of the output's width and height
    """

    angle: float = 0.0
    scale: float = 1.0
    shear: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)

    def matrix(self, source: tuple[float, float], target: Size) -> np.ndarray:
        """The 2x3 matrix that brings point ``source`` (x, y) to the target's middle, moved by the shift."""
        angle, shear = np.deg2rad(self.angle), np.tan(np.deg2rad(self.shear))
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = self.scale * rotation @ np.array([[1.0, shear], [0.0, 1.0]])
        height, width = target
        middle = np.array([width * (0.5 + self.shift[0]), height * (0.5 + self.shift[1])])
        return np.column_stack([linear, middle - linear @ np.asarray(source)])


def random_pose(
    rng: np.random.Generator, angle: float, scale: tuple[float, float], shear: float, shift: float
) -> Pose:
    """Draws a pose: angle and shear in degrees and shift as a fraction, each up to +- the bound."""
    low, high = np.log(scale)
    return Pose(
        rng.uniform(-angle, angle),
        float(np.exp(rng.uniform(low, high))),
        rng.uniform(-shear, shear),
        (rng.uniform(-shift, shift), rng.uniform(-shift, shift)),
    )


def pose_path(rng: np.random.Generator, start: Pose, length: int, speed: float = 1.0) -> list[Pose]:
    """A smooth path of poses from ``start``: constant velocity with a little noise, in random strength."""
    strength = speed * rng.uniform(0.2, 1.0)
    velocity = rng.normal(size=5) * np.array([4.0, 0.04, 2.0, 0.04, 0.03]) * strength
    poses, at = [start], np.array([start.angle, np.log(start.scale), start.shear, *start.shift])
    for _ in range(length - 1):
        at = at + velocity + rng.normal(size=5) * np.array([1.0, 0.01, 0.5, 0.008, 0.006]) * strength
        poses.append(Pose(at[0], float(np.exp(at[1])), at[2], (at[3], at[4])))
    return poses


def crossing_path(
    rng: np.random.Generator, start: Pose, meet: tuple[float, float], length: int
) -> list[Pose]:
    """A path that comes from the side with more room and passes the place ``meet``, a shift as in
    :class:`Pose`."""
    side = np.where(np.asarray(meet) > 0, -1.0, 1.0)
    away = side * (rng.uniform(0.25, 0.55), rng.uniform(0.0, 0.25))
    begin = np.clip(meet + away, -0.42, 0.42)
    step = (np.asarray(meet) - begin) / max(1.0, rng.uniform(0.3, 0.9) * (length - 1))
    poses = pose_path(
        rng, Pose(start.angle, start.scale, start.shear, (begin[0], begin[1])), length, speed=0.3
    )
    return [
        Pose(pose.angle, pose.scale, pose.shear, (pose.shift[0] + t * step[0], pose.shift[1] + t * step[1]))
        for t, pose in enumerate(poses)
    ]


def draw_zoom(rng: np.random.Generator, most: float, length: int) -> np.ndarray | None:
    """Factors (T,) of something that comes nearer, from 1 to up to ``most`` and ``NEARER``, or goes away
    likewise.

    Returns:
        None if ``most`` is too little to be worth it
    """
    if most < 1.5:
        return None
    factors = np.exp(np.log(rng.uniform(1.5, min(most, NEARER))) * np.linspace(0, 1, length))
    return factors if rng.random() < 0.6 else factors[::-1]


def zoomed_views(
    rng: np.random.Generator, points: np.ndarray, factors: np.ndarray, source: Size, size: Size
) -> list[np.ndarray]:
    """The 2x3 matrices of a camera that looks at a point (x, y) of each picture and zooms, without leaving
    it.

    Args:
        rng: of the small turn and aim
        points: (T, 2), what to look at
        factors: (T,), 1 fills the frame with the picture
        source: (H, W) of the pictures
        size: (H, W) of the views
    """
    fit = max(size[0] / source[0], size[1] / source[1])
    aim = rng.uniform(-0.2, 0.2, size=2)
    angles = np.linspace(0, rng.uniform(-8, 8), len(points)) * (factors - 1) / (factors.max() - 1)
    matrices = []
    for point, factor, angle in zip(points, factors, angles, strict=True):
        half = np.array(size[::-1]) / (2 * fit * factor)
        middle = np.clip(point + aim * half, half, np.array(source[::-1]) - half)
        matrices.append(Pose(angle, fit * factor).matrix((middle[0], middle[1]), size))
    return matrices


def warp(
    image: np.ndarray, matrix: np.ndarray, size: Size, nearest: bool = False, border: int | None = None
) -> np.ndarray:
    """Warps a picture or a mask to ``size``; outside it is mirrored, or ``border`` where given."""
    mode = cv2.BORDER_REFLECT_101 if border is None else cv2.BORDER_CONSTANT
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    value = 0 if border is None else border
    return cv2.warpAffine(image, matrix, size[::-1], flags=flags, borderMode=mode, borderValue=(value,) * 4)


def elastic_field(rng: np.random.Generator, size: Size, strength: float) -> np.ndarray:
    """A smooth random displacement field (H, W, 2) in pixels, about ``strength`` of the picture's side."""
    height, width = size
    coarse = rng.normal(size=(4, 5, 2)).astype(np.float32) * strength * min(size)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def elastic(image: np.ndarray, field: np.ndarray, nearest: bool = False) -> np.ndarray:
    """Moves every pixel by the field."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return cv2.remap(image, x + field[..., 0], y + field[..., 1], flags, borderMode=cv2.BORDER_REFLECT_101)


def jitter_color(rng: np.random.Generator, frames: np.ndarray, strength: float = 0.2) -> np.ndarray:
    """One change of brightness, contrast, saturation and tint for a whole clip (T, H, W, 3)."""
    gain = 1 + rng.uniform(-strength, strength, size=3) * 0.3 + rng.uniform(-strength, strength)
    offset = rng.uniform(-strength, strength) * 90
    saturation = 1 + rng.uniform(-strength, strength) * 1.5
    to_gray = np.full((3, 3), 1 / 3) * (1 - saturation) + np.eye(3) * saturation
    matrix = np.column_stack([to_gray * gain[:, None], np.full(3, offset)])
    return np.stack([cv2.transform(frame, matrix) for frame in frames])


def blur_motion(rng: np.random.Generator, frame: np.ndarray, longest: int = 9) -> np.ndarray:
    """Blurs a frame along a random direction."""
    length = int(rng.integers(3, longest + 1))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), rng.uniform(0, 180), 1)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(frame, -1, kernel / max(kernel.sum(), 1e-6))


def degrade(rng: np.random.Generator, frames: np.ndarray, share: float = 0.3) -> np.ndarray:
    """In a share of the calls: low light with noise, compression, or blur, for a whole clip."""
    kind = rng.choice(["none", "dark", "jpeg", "blur"], p=[1 - share, share / 3, share / 3, share / 3])
    if kind == "dark":
        dark = frames * rng.uniform(0.25, 0.6) + rng.normal(scale=rng.uniform(2, 8), size=frames.shape)
        return np.clip(dark, 0, 255).astype(np.uint8)
    if kind == "jpeg":
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 50))]
        coded = [cv2.imencode(".jpg", frame, quality)[1] for frame in frames]
        return np.stack([np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR)) for code in coded])
    if kind == "blur":
        return np.stack([blur_motion(rng, frame, 7) for frame in frames])
    return frames
