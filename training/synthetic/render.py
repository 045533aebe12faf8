"""One frame of a clip and its label map: bodies, figures, ground, photograph, and what a real camera adds."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fiftyone_hs2s.training.data.augment import elastic, elastic_field
from fiftyone_hs2s.training.synthetic.backdrop import Background, Ground, random_lamp
from fiftyone_hs2s.training.synthetic.camera import Camera, project
from fiftyone_hs2s.training.synthetic.stage import Actor, Stage
from fiftyone_hs2s.training.synthetic.textures import backdrop, pattern
from fiftyone_hs2s.training.synthetic.world import STEPS_PER_FRAME

SHADE = 224  # side of a shadow map, pixels


@dataclass(frozen=True)
class Look:
    """What a camera and its surroundings do to a clip: light, tint, blur and noise."""

    gain: np.ndarray
    noise: tuple[float, float]
    blur: float
    shutter: float
    quality: int


class Renderer:
    """Draws the frames of a clip.

    Args:
        stage: after the clip has happened
        camera: from where it is seen
        size: (height, width)
        samples: moments within the shutter's time, each moved by a part of a pixel, that are averaged to a
            frame
        ground: a picture of a material for the ground, if there is any
    """

    def __init__(
        self, stage: Stage, camera: Camera, size: tuple[int, int], samples: int, ground: np.ndarray | None
    ) -> None:
        rng = self.rng = stage.rng
        self.stage, self.camera, self.size, self.samples = stage, camera, size, samples
        photograph = stage.photographs[0] if stage.photographs else backdrop(rng, (256, 448))
        self.background = Background(rng, photograph, size)
        self.look = _random_look(rng, self.background.mean)
        middle = camera.aim.mean(0)
        reach = (
            np.ptp(stage.motion[:, :, :2].reshape(-1, 2), axis=0).max(initial=2) if stage.motion.size else 2
        )
        self.lamp = random_lamp(rng, middle, float(np.clip(0.7 * reach, 2.2, 6)))
        if ground is None or (stage.photographs and rng.random() < 0.35):
            ground = pattern(rng, stage.photographs)
        gain = self.look.gain * rng.uniform(0.7, 1.1)
        self.ground = Ground(rng, ground, middle, gain) if stage.has_ground else None
        self.sway = {i: elastic_field(rng, (64, 48), 0.05) for i, a in enumerate(stage.actors) if a.figure}

    def frame(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """A frame, uint8 RGB (H, W, 3), and its actors, int32 (H, W): 1 for the first of the stage, 0 for
        none.

        The actors are those of the moment in the middle of the shutter's time.
        """
        shutter = self.look.shutter * STEPS_PER_FRAME / self.samples
        steps = [number * STEPS_PER_FRAME + int(shutter * sample) for sample in range(self.samples)]
        middle, total, actors = (
            self.samples // 2,
            np.zeros((*self.size, 3), np.float32),
            np.zeros(self.size, np.int32),
        )
        light = self._light(steps[middle])
        for sample, step in enumerate(steps):
            shift = self.rng.random(2) - 0.5
            if sample == middle:
                image, actors = self._shot(step, (0.0, 0.0), light)
            else:
                image, _ = self._shot(step, (shift[0], shift[1]), light)
            total += image / self.samples
        return self._developed(total), actors

    def glimpse(self, step: int, shrink: int = 4) -> np.ndarray:
        """The actors at a step in low resolution, int32 (H / shrink, W / shrink), quickly."""
        size = self.size[0] // shrink, self.size[1] // shrink
        view, projection = self.camera.view(step), self.camera.projection(size)
        image, actors, depth = self._bodies(step, view, projection, size)
        self._figures(image, actors, depth, step, projection @ view)
        return actors

    def _shot(
        self, step: int, shift: tuple[float, float], light: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        view, projection = self.camera.view(step), self.camera.projection(self.size, shift)
        bodies, actors, depth = self._bodies(step, view, projection, self.size)
        image = self.background.seen(self.camera, step)
        if self.ground:
            self.ground.paint(image, projection @ view, self.camera.focal(self.size[0]), light)
        image = np.where((depth < np.inf)[..., None], bodies * self.look.gain, image)
        self._figures(image, actors, depth, step, projection @ view)
        return image, actors

    def _bodies(
        self, step: int, view: np.ndarray, projection: np.ndarray, size: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.stage.world.move(self.stage.bodies, self.stage.motion[step])
        image, bodies, depth = self.stage.world.draw(
            size, view, projection, self.lamp.direction, self.lamp.ambient
        )
        numbers = np.zeros(max(self.stage.bodies, default=0) + 2, np.int32)  # the last one: no body
        for number, actor in enumerate(self.stage.actors, 1):
            if actor.body is not None:
                numbers[actor.body] = number
        actors = numbers[bodies]
        return image, actors, np.where(actors > 0, depth, np.inf)

    def _figures(
        self, image: np.ndarray, actors: np.ndarray, depth: np.ndarray, step: int, matrix: np.ndarray
    ) -> None:
        """Draws the figures where nothing is nearer, in place."""
        for number, actor in enumerate(self.stage.actors, 1):
            if actor.figure is None:
                continue
            corners, depths = project(matrix, self._corners(actor, step), actors.shape)
            if depths.min() < 0.2:
                continue
            seen = _placed(self._bent(number - 1, actor, step), corners, actors.shape)
            alpha = seen[..., 3] * (depths.mean() < depth)
            image += (seen[..., :3] * self.look.gain - image) * alpha[..., None] / 255
            solid = alpha > 127
            actors[solid], depth[solid] = number, depths.mean()

    def _corners(self, actor: Actor, step: int) -> np.ndarray:
        """The corners (4, 3) of an upright figure that faces the camera: top left, top right, bottom
        right, left."""
        assert actor.figure is not None and actor.path is not None
        x, y, sway = actor.path[step]
        height, width = actor.figure.image.shape[:2]
        toward = self.camera.eye[step, :2] - [x, y]
        right = np.array([-toward[1], toward[0]]) / np.linalg.norm(toward) * actor.height * width / height / 2
        lift = np.abs(sway) * actor.height
        corners = [(-1, actor.height, sway), (1, actor.height, sway), (1, 0, 0), (-1, 0, 0)]
        return np.array([[*([x, y] + right * (side + 2 * lean)), z + lift] for side, z, lean in corners])

    def _bent(self, number: int, actor: Actor, step: int) -> np.ndarray:
        """A figure's picture, bent more and less as it walks: uint8 RGBA."""
        assert actor.figure is not None and actor.path is not None
        image = actor.figure.image
        height, width = image.shape[:2]
        field = cv2.resize(self.sway[number], (width, height)) * [width / 48, height / 64]
        wave = np.sin(12 * step / len(actor.path) * (1 + number % 3)) * 0.6 + 0.4 * step / len(actor.path)
        return elastic(image, (field * wave).astype(np.float32))

    def _light(self, step: int) -> np.ndarray:
        """How bright the ground is, float32 (H, W): the shadows of bodies and figures, from the lamp's
        views."""
        if not self.ground:
            return np.ones(self.size, np.float32)
        self.stage.world.move(self.stage.bodies, self.stage.motion[step])
        shades = []
        for (view, projection), softness in zip(self.lamp.views, self.lamp.softness, strict=True):
            shade = self.stage.world.silhouette(SHADE, view, projection)
            for number, actor in enumerate(self.stage.actors):
                if actor.figure is not None:
                    corners, _ = project(projection @ view, self._corners(actor, step), shade.shape)
                    alpha = _placed(self._bent(number, actor, step)[..., 3], corners, shade.shape)
                    shade = np.maximum(shade, alpha / 255)
            shades.append(cv2.GaussianBlur(shade, (0, 0), softness))
        projected = self.camera.projection(self.size) @ self.camera.view(step)
        return self.ground.light(self.size, projected, self.lamp, shades)

    def _developed(self, image: np.ndarray) -> np.ndarray:
        """What the camera makes of the light: a little blur, noise, whole numbers."""
        if self.look.blur > 0.3:
            image = cv2.GaussianBlur(image, (0, 0), self.look.blur)
        gray = self.rng.normal(0, self.look.noise[0], (*self.size, 1))
        return np.clip(image + gray + self.rng.normal(0, self.look.noise[1], image.shape), 0, 255).astype(
            np.uint8
        )


def _random_look(rng: np.random.Generator, mean: np.ndarray) -> Look:
    """Light of the photograph's color and brightness, in part."""
    tint = (mean + 20) / (mean.mean() + 20)
    bright = np.clip(mean.mean() / 115, 0.55, 1.35) ** 0.6
    gain = tint ** rng.uniform(0.3, 0.9) * bright * rng.uniform(0.9, 1.2)
    noise = rng.uniform(0.2, 2.5), rng.uniform(0.2, 1.8)
    return Look(
        gain.astype(np.float32), noise, rng.uniform(0, 0.8), rng.uniform(0.2, 0.6), int(rng.integers(78, 96))
    )


def _placed(image: np.ndarray, corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture brought to corners (4, 2) within a frame, zero around it; float32."""
    height, width = image.shape[:2]
    shrink = max(height / max(np.ptp(corners[:, 1]), 1), width / max(np.ptp(corners[:, 0]), 1))
    if shrink > 2:  # against aliasing
        scaled = max(int(2 * width / shrink), 1), max(int(2 * height / shrink), 1)
        image = cv2.resize(image, scaled, interpolation=cv2.INTER_AREA)
        height, width = image.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    return cv2.warpPerspective(image, matrix, size[::-1], flags=cv2.INTER_LINEAR).astype(np.float32)
