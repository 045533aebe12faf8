"""The camera: where it stands and looks at every step of a clip, and the projection of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAR, FAR = 0.05, 80.0


@dataclass
class Camera:
    """A moving pinhole camera.

    Attributes:
        eye: (S, 3), where it is at each step; the ground is z = 0
        aim: (S, 3), what it looks at
        roll: (S,), radians
        fov: degrees, vertical
    """

    eye: np.ndarray
    aim: np.ndarray
    roll: np.ndarray
    fov: float

    def view(self, step: int) -> np.ndarray:
        """The 4x4 matrix from the world to the camera, which looks along its -z."""
        eye, back = self.eye[step], self.eye[step] - self.aim[step]
        back = back / np.linalg.norm(back)
        right = np.cross([0, 0, 1], back)
        right /= np.linalg.norm(right)
        up = np.cross(back, right)
        c, s = np.cos(self.roll[step]), np.sin(self.roll[step])
        rotation = np.stack([c * right + s * up, c * up - s * right, back])
        return np.vstack([np.column_stack([rotation, -rotation @ eye]), [0, 0, 0, 1]])

    def focal(self, height: int) -> float:
        """The focal length in pixels."""
        return height / 2 / np.tan(np.deg2rad(self.fov) / 2)

    def projection(self, size: tuple[int, int], shift: tuple[float, float] = (0, 0)) -> np.ndarray:
        """The 4x4 matrix from the camera to clip space, the picture shifted by (x, y) pixels."""
        height, width = size
        f = 1 / np.tan(np.deg2rad(self.fov) / 2)
        matrix = np.zeros((4, 4))
        matrix[0, 0], matrix[1, 1] = f * height / width, f
        matrix[0, 2], matrix[1, 2] = 2 * shift[0] / width, 2 * shift[1] / height
        matrix[2, 2:] = (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR)
        matrix[3, 2] = -1
        return matrix


def to_pixels(size: tuple[int, int]) -> np.ndarray:
    """The 3x3 matrix from clip space's (x, y, w) to homogeneous pixels, whose centers are whole numbers."""
    height, width = size
    return np.array([[width / 2, 0, (width - 1) / 2], [0, -height / 2, (height - 1) / 2], [0, 0, 1.0]])


def project(matrix: np.ndarray, points: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) under a view-projection matrix: pixels (N, 2), and depths (N,), negative behind the
    camera."""
    clip = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    pixels = clip[:, [0, 1, 3]] @ to_pixels(size).T
    return pixels[:, :2] / pixels[:, 2:], clip[:, 3]


def orbit(aim: np.ndarray, yaw: np.ndarray, tilt: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Positions (S, 3) around the aim (S, 3); angles in degrees, yaw 0 looks along +y, tilt > 0 looks
    down."""
    yaw, tilt = np.deg2rad(yaw), np.deg2rad(tilt)
    direction = np.stack([np.sin(yaw) * np.cos(tilt), -np.cos(yaw) * np.cos(tilt), np.sin(tilt)], 1)
    return aim + direction * np.asarray(distance)[:, None]


def ramp(start: float, end: float, steps: int) -> np.ndarray:
    """From start to end, (steps,), slower at both ends."""
    t = np.linspace(0, 1, steps)
    return start + (end - start) * (0.5 * t + 0.5 * t * t * (3 - 2 * t))


def smoothed(path: np.ndarray, lag: int) -> np.ndarray:
    """A path (S, 3) as somebody follows it who sees it ``lag`` steps long: a running mean of the past."""
    padded = np.vstack([np.repeat(path[:1], lag, 0), path])
    sums = np.cumsum(padded, 0)
    return (sums[lag:] - sums[:-lag]) / lag


def tremor(rng: np.random.Generator, steps: int, rate: float) -> np.ndarray:
    """What a hand does to a camera, (S, 3): sums of slow and quick waves, about 1 high; ``rate`` steps a
    second."""
    seconds = np.arange(steps)[:, None] / rate
    total = np.zeros((steps, 3))
    for frequency, height in ((0.7, 0.7), (1.9, 0.4), (4.5, 0.2), (8.0, 0.1)):
        total += height * np.sin(
            2 * np.pi * frequency * rng.uniform(0.7, 1.4, 3) * seconds + rng.uniform(0, 6.3, 3)
        )
    return total


def shaken(rng: np.random.Generator, camera: Camera, degrees: float, rate: float) -> Camera:
    """The camera in a hand whose tremor turns it by about ``degrees``."""
    waves = np.deg2rad(degrees) * tremor(rng, len(camera.eye), rate)
    reach = np.linalg.norm(camera.aim - camera.eye, axis=1, keepdims=True)
    moved = camera.aim + reach * np.column_stack([waves[:, 0], 0 * waves[:, 0], waves[:, 1]])
    step = 0.02 * degrees * tremor(rng, len(camera.eye), rate / 0.6)
    return Camera(camera.eye + step, moved + step, camera.roll + waves[:, 2], camera.fov)
