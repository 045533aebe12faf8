"""How objects, figures and the camera move, and where objects stand."""

from __future__ import annotations

import numpy as np

from fiftyone_hs2s.training.synthetic.camera import Camera, orbit, ramp, smoothed
from fiftyone_hs2s.training.synthetic.stage import Stage


def arc(
    stage: Stage,
    aim: np.ndarray,
    distance: tuple[float, float] = (2.6, 4.2),
    tilt: tuple[float, float] = (8, 35),
    pan: float = 45,
) -> Camera:
    """A camera on an arc; in half of the clips it follows an actor, in some it comes nearer or goes away."""
    rng, steps = stage.rng, stage.steps
    target = np.repeat((aim + rng.normal(0, 0.15, 3) * [1, 1, 0.5])[None], steps, 0)
    if stage.actors and rng.random() < 0.5:
        follow = stage.track(stage.actors[rng.integers(len(stage.actors))])
        target = target + 0.6 * (smoothed(np.clip(follow, -3, 3), 40) - target)
    target = target + np.linspace(0, 1, steps)[:, None] * rng.normal(0, 0.3, 3) * [1, 1, 0.3]
    far = rng.uniform(*distance)
    away = np.exp(ramp(np.log(far), np.log(far) + (rng.normal(0, 0.45) if rng.random() < 0.5 else 0), steps))
    yaw = ramp(0, rng.uniform(-pan, pan), steps) + rng.uniform(-8, 8)
    first, last = rng.uniform(*tilt, 2)
    eye = orbit(target, yaw, ramp(first, last, steps), np.maximum(away, 1.3))
    if stage.has_ground:
        eye[:, 2] = np.maximum(eye[:, 2], 0.12)
    return Camera(eye, target, np.full(steps, rng.normal(0, 0.03)), rng.uniform(36, 58))


def line(steps: int, start: np.ndarray | tuple, end: np.ndarray | tuple, turned: float) -> np.ndarray:
    """A straight path (steps, 3) of x, y and a heading that changes by ``turned`` radians."""
    return np.column_stack([ramp(a, b, steps) for a, b in zip((*start, 0.0), (*end, turned), strict=True)])


def stroll(stage: Stage, depth: float) -> np.ndarray:
    """A walk across the picture at a depth; for the heading of a path, the sway of a figure's steps."""
    rng, steps = stage.rng, stage.steps
    start, way = rng.uniform(-1.8, 1.8), rng.choice([-1, 1]) * rng.uniform(0.1, 2.2)
    path = line(steps, (start, depth), (start + way, depth + rng.normal(0, 0.3)), 0)
    path[:, 2] = rng.uniform(0.01, 0.06) * np.sin(
        np.linspace(0, rng.uniform(4, 14), steps) + rng.uniform(0, 6)
    )
    return path


def lanes(rng: np.random.Generator, count: int, apart: float) -> np.ndarray:
    """Places (count, 2) on a jittered grid, none within reach of another, around the middle."""
    side = int(np.ceil(np.sqrt(count)))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) - (side - 1) / 2
    return rng.permutation(grid)[:count] * apart + rng.uniform(-0.15, 0.15, (count, 2)) * apart
