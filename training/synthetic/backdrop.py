"""What is behind the objects: a photograph far away, and the ground with the shadows on it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fiftyone_hs2s.training.synthetic.camera import Camera, to_pixels
from fiftyone_hs2s.training.synthetic.textures import clouds

LEVELS = 4  # of the ground's texture, each half as large
SIDE = 512  # of the ground's texture, pixels
HORIZON = 1e-3  # ground is not drawn beyond the inverse of it


class Background:
    """A photograph so far away that it only turns with the camera, and grows a little as the camera comes
    near.

    Args:
        rng: where the part of the picture comes from
        picture: uint8 RGB (H, W, 3)
        size: (height, width) of a frame
    """

    def __init__(self, rng: np.random.Generator, picture: np.ndarray, size: tuple[int, int]) -> None:
        self.size = size
        fit = max(size[0] / picture.shape[0], size[1] / picture.shape[1]) * rng.uniform(1.15, 2)
        method = cv2.INTER_AREA if fit < 1 else cv2.INTER_CUBIC
        picture = cv2.resize(picture, None, fx=fit, fy=fit, interpolation=method)
        self.picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6))
        self.center = np.array(self.picture.shape[1::-1]) * rng.uniform(0.35, 0.65, 2)
        self.mean = self.picture.reshape(-1, 3).mean(0)

    def seen(self, camera: Camera, step: int) -> np.ndarray:
        """What a frame shows of it, float32 (H, W, 3)."""
        height, width = self.size
        yaw, tilt, reach = _direction(camera, step)
        yaw0, tilt0, reach0 = _direction(camera, 0)
        shift = camera.focal(height) * np.array([(yaw - yaw0 + np.pi) % (2 * np.pi) - np.pi, -(tilt - tilt0)])
        scale = (reach0 / reach) ** 0.1
        c, s = np.cos(camera.roll[step]) / scale, np.sin(camera.roll[step]) / scale
        turn = np.array([[c, s], [-s, c]])
        place = self.center + shift - turn @ np.array([width / 2, height / 2])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        matrix = np.column_stack([turn, place])
        seen = cv2.warpAffine(
            self.picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
        return seen.astype(np.float32)


def _direction(camera: Camera, step: int) -> tuple[float, float, float]:
    x, y, z = camera.aim[step] - camera.eye[step]
    return (
        float(np.arctan2(x, y)),
        float(np.arctan2(z, np.hypot(x, y))),
        float(np.sqrt(x * x + y * y + z * z)),
    )


@dataclass(frozen=True)
class Lamp:
    """A light, and the cameras that see what it lights: from itself, and from straight above (for contact
    shadows).

    Attributes:
        direction: (3,), to the light
        ambient: share of the light that comes from everywhere
        views: view-projection matrices
        softness: of the two shadows' edges, pixels of their maps
    """

    direction: np.ndarray
    ambient: float
    views: tuple[tuple[np.ndarray, np.ndarray], ...]
    softness: tuple[float, float]


def random_lamp(rng: np.random.Generator, middle: np.ndarray, radius: float) -> Lamp:
    """A light from anywhere above, whose maps cover what is within ``radius`` of a place (3,)."""
    direction = np.array([*rng.uniform(-1, 1, 2), rng.uniform(0.8, 2)])
    high = np.array([0.001, 0.001, 1.0])
    views = []
    for way in (direction / np.linalg.norm(direction), high):
        eye = np.array([*middle[:2], 0]) + 25 * way
        camera = Camera(
            eye[None], np.array([[*middle[:2], 0.0]]), np.zeros(1), 2 * np.degrees(np.arctan(radius / 25))
        )
        views.append((camera.view(0), camera.projection((1, 1))))
    return Lamp(direction, rng.uniform(0.42, 0.65), tuple(views), (rng.uniform(0.8, 3), rng.uniform(3, 6)))


class Ground:
    """A plane at z = 0 with a texture, as far as ``edge`` units from a place, where it fades into the
    photograph.

    Args:
        rng: for the texture's size and turn, and the edge
        picture: uint8 RGB, of a material
        middle: (3,), the middle of the ground
        gain: (3,), the light's color
    """

    def __init__(
        self, rng: np.random.Generator, picture: np.ndarray, middle: np.ndarray, gain: np.ndarray
    ) -> None:
        texture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) * gain
        self.levels = [np.clip(texture, 0, 255).astype(np.uint8)]
        for _ in range(LEVELS - 1):
            self.levels.append(cv2.pyrDown(self.levels[-1]))
        self.density = rng.uniform(90, 260)  # texels a unit
        turn = rng.uniform(0, 2 * np.pi)
        c, s = np.cos(turn), np.sin(turn)
        self.to_texture = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) * [[self.density], [self.density], [1]]
        self.to_texture[:2, 2] = rng.uniform(0, SIDE, 2)
        edge = float(np.exp(rng.uniform(np.log(6), np.log(40))))
        self.cover = _island(rng, rng.uniform(0.1, 0.5))
        half = len(self.cover) / 2
        scale = half / edge
        self.to_cover = np.array(
            [[scale, 0, half - scale * middle[0]], [0, scale, half - scale * middle[1]], [0, 0, 1]]
        )

    def light(
        self, size: tuple[int, int], projected: np.ndarray, lamp: Lamp, shades: list[np.ndarray]
    ) -> np.ndarray:
        """How bright the ground is at each pixel, float32 (H, W), 1 where there is no shadow.

        Args:
            size: (height, width) of the frame
            projected: the camera's view-projection matrix
            lamp: the light
            shades: shadow maps of the light's views, 0 to 1
        """
        back, light = _to_ground(projected, size), np.ones(size, np.float32)
        depths = (1 - lamp.ambient) * 0.9, 0.35
        for shade, (view, projection), depth in zip(shades, lamp.views, depths, strict=True):
            onto = to_pixels(shade.shape) @ (projection @ view)[[0, 1, 3]][:, [0, 1, 3]]  # ground -> map
            light *= 1 - depth * _warped(shade, onto @ back, size)
        return light

    def paint(self, image: np.ndarray, projected: np.ndarray, focal: float, light: np.ndarray) -> None:
        """Paints it over a picture (H, W, 3), float32, in place; ``focal`` length in pixels."""
        height, width = image.shape[:2]
        back = _to_ground(projected, (height, width))
        nearness = (
            back[2, 0] * np.arange(width) + back[2, 1] * np.arange(height)[:, None] + back[2, 2]
        ).astype(np.float32)
        level = self.density / focal / np.maximum(nearness[:, width // 2], 1e-4)
        level = np.log2(np.maximum(level, 1)).round().clip(0, LEVELS - 1)
        for number in np.unique(level[nearness.max(1) > HORIZON]).astype(int):
            top, bottom = np.flatnonzero(level == number)[[0, -1]] + [0, 1]
            rows, lower = slice(top, bottom), back @ [[1, 0, 0], [0, 1, top], [0, 0, 1]]
            shrink = np.diag([0.5**number, 0.5**number, 1])
            size = bottom - top, width
            color = _warped(self.levels[number], shrink @ self.to_texture @ lower, size, cv2.BORDER_REFLECT)
            alpha = (nearness[rows] > HORIZON) * _warped(self.cover, self.to_cover @ lower, size)
            image[rows] += (color * light[rows, :, None] - image[rows]) * alpha[..., None]


def _island(rng: np.random.Generator, soft: float) -> np.ndarray:
    """Where there is ground: a ragged disk with soft edges, float32 (256, 256), 0 to 1."""
    y, x = np.mgrid[:256, :256] / 127.5 - 1
    radius = np.hypot(x, y) + rng.uniform(0, 0.4) * clouds(rng, 256)
    cover = np.clip((0.95 - radius) / soft, 0, 1)
    return (cover * (np.maximum(np.abs(x), np.abs(y)) < 0.99)).astype(np.float32)


def _to_ground(projected: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The 3x3 matrix from pixels to the ground's homogeneous (x, y); the third is 1 / depth."""
    return np.linalg.inv(to_pixels(size) @ projected[[0, 1, 3]][:, [0, 1, 3]])


def _warped(
    image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int = cv2.BORDER_CONSTANT
) -> np.ndarray:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(image, matrix, size[::-1], flags=flags, borderMode=border)
