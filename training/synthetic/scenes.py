"""What happens in a clip: one function a kind, which puts actors on the stage and sets the camera.

The camera stands about at -y and looks along +y: x is across the picture and y is depth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fiftyone_hs2s.training.synthetic.camera import Camera, orbit, ramp, smoothed
from fiftyone_hs2s.training.synthetic.motion import arc, lanes, line, stroll
from fiftyone_hs2s.training.synthetic.stage import GROUND, Stage
from fiftyone_hs2s.training.synthetic.world import RATE

Scene = Callable[[Stage], Camera]


def fall(stage: Stage) -> Camera:
    """Objects fall, bounce, and come to rest."""
    rng, count = stage.rng, int(stage.rng.integers(5, 11))
    size = rng.uniform(0.5, 1.0)
    for number, look in enumerate(stage.looks(count, twins := int(rng.integers(1, 4)))):
        at = (*rng.uniform(-1.3, 1.3, 2), rng.uniform(0.4, 2.2))
        actor = stage.put(
            look, at, size if number < twins else rng.uniform(0.4, 1.2), rng.uniform(-3.1, 3.1, 3)
        )
        stage.throw(actor, rng.uniform((-1.8, -1.8, -1.3), (1.8, 1.8, 2.3)), rng.uniform(-7, 7, 3))
    stage.run(settle=int(rng.integers(0, 160)))
    return arc(stage, np.array([0, 0, 0.45]))


def roll(stage: Stage) -> Camera:
    """Objects roll and slide among one another."""
    rng, count = stage.rng, int(stage.rng.integers(4, 9))
    size = rng.uniform(0.4, 0.8)
    for number, look in enumerate(stage.looks(count, twins := int(rng.integers(1, 4)))):
        angle, radius = 2 * np.pi * (number + rng.uniform(0, 0.6)) / count, rng.uniform(0.9, 2.2)
        at = (radius * np.cos(angle), radius * np.sin(angle), GROUND)
        actor = stage.put(
            look, at, size if number < twins else rng.uniform(0.35, 0.9), rng.uniform(-3.1, 3.1, 3)
        )
        assert actor.body is not None
        stage.world.friction(actor.body, rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.7))
        way = rng.normal(0, 0.7, 2) - np.array(at[:2])
        way *= rng.uniform(0.8, 3.5) / np.linalg.norm(way)
        stage.throw(actor, np.array([*way, 0]), np.array([-way[1], way[0], rng.normal()]) * 2.5)
    stage.run(settle=int(rng.integers(0, 20)))
    return arc(stage, np.array([0, 0, 0.3]))


def collide(stage: Stage) -> Camera:
    """Two sides are thrown at each other."""
    rng, count = stage.rng, int(stage.rng.integers(4, 8))
    twins, size = int(rng.integers(2, 4)), rng.uniform(0.5, 1.0)
    for number, look in enumerate(stage.looks(count, twins)):
        side = 1 if number % 2 else -1
        at = (side * rng.uniform(1.2, 2.4), rng.uniform(-0.9, 0.9), rng.uniform(0.3, 1.0))
        actor = stage.put(
            look, at, size if number < twins else rng.uniform(0.4, 1.1), rng.uniform(-3.1, 3.1, 3)
        )
        stage.throw(
            actor,
            np.array([-side * rng.uniform(2, 5), rng.normal(0, 0.4), rng.uniform(0, 2)]),
            rng.normal(0, 4, 3),
        )
    stage.run()
    return arc(stage, np.array([0, 0, 0.4]))


def push(stage: Stage) -> Camera:
    """Something heavy drives through objects that stood still."""
    rng, count = stage.rng, int(stage.rng.integers(5, 10))
    twins, size = int(rng.integers(1, 4)), rng.uniform(0.4, 0.9)
    looks = stage.looks(count, twins)
    for number, look in enumerate(looks[:-1]):
        at = (*rng.uniform(-1.1, 1.1, 2), 0.3 + 0.5 * number)
        stage.put(look, at, size if number < twins else rng.uniform(0.35, 1.0), rng.uniform(-3.1, 3.1, 3))
    stage.world.settle(300)
    angle, reach = rng.uniform(-np.pi, np.pi), rng.uniform(2.2, 3.0)
    way = np.array([np.cos(angle), np.sin(angle)]) * reach
    path = line(stage.steps, -way, way * rng.uniform(-0.1, 0.9), rng.uniform(-1, 1))
    stage.put(looks[-1], (*path[0, :2], GROUND), rng.uniform(0.8, 1.4), path=path, mass=8.0)
    stage.run()
    return arc(stage, np.array([0, 0, 0.35]))


def turn(stage: Stage) -> Camera:
    """Objects stand and turn, each by itself, in front of a camera that is near."""
    rng, count = stage.rng, int(stage.rng.integers(2, 6))
    twins = int(rng.integers(1, 3))
    places = lanes(rng, count, 1.15)
    for number, look in enumerate(stage.looks(count, twins)):
        way = rng.normal(0, 0.35, 2)
        path = line(
            stage.steps, places[number], places[number] + way, rng.choice([-1, 1]) * rng.uniform(0.8, 6)
        )
        stage.put(look, (*places[number], GROUND), rng.uniform(0.8, 1.25), path=path, mass=2.0)
    stage.run()
    return arc(stage, np.array([0, 0.3, 0.4]), distance=(1.8, 3.2), tilt=(3, 25))


def hide(stage: Stage) -> Camera:
    """Objects pass behind boxes and behind one another, and come out again."""
    rng, count = stage.rng, int(stage.rng.integers(3, 6))
    twins = int(rng.integers(1, 4))
    for number, look in enumerate(stage.looks(count, twins)):
        depth, side = 0.2 + 0.75 * number + rng.uniform(-0.2, 0.2), rng.choice([-1, 1])
        reach = side * rng.uniform(0.6, 1.7)
        path = line(
            stage.steps, (-reach, depth), (reach * rng.uniform(0.2, 1), depth), rng.uniform(-2.5, 2.5)
        )
        if rng.random() < 0.4:  # and comes back
            path[:, 0] = (
                -reach + 2 * reach * np.sin(np.linspace(0, np.pi * rng.uniform(0.6, 1), stage.steps)) ** 2
            )
        stage.put(look, (*path[0, :2], GROUND), rng.uniform(0.6, 1.1), path=path, mass=2.0)
    for _ in range(int(rng.integers(1, 4))):
        half = (rng.uniform(0.12, 0.5), rng.uniform(0.05, 0.2), rng.uniform(0.35, 0.9))
        stage.box(half, (rng.uniform(-1.3, 1.3), rng.uniform(-0.9, -0.4)))
    stage.run()
    return arc(stage, np.array([0, 0.8, 0.4]), distance=(2.8, 4.2), tilt=(4, 18), pan=15)


def crowd(stage: Stage) -> Camera:
    """Look-alikes walk among one another and cross, in front and behind."""
    rng, count = stage.rng, int(stage.rng.integers(4, 8))
    twins, size = int(rng.integers(3, count + 1)), rng.uniform(0.6, 1.0)
    alike = rng.random() < 0.7  # the whole group heads the same way, as a group of people does
    heading = rng.uniform(-np.pi, np.pi)
    for number, look in enumerate(stage.looks(count, twins)):
        depth = 0.62 * size * (number - count / 2) + rng.uniform(-0.1, 0.1)
        path = line(
            stage.steps, (rng.uniform(-1.6, 1.6), depth), (rng.uniform(-1.6, 1.6), depth), rng.normal(0, 0.8)
        )
        path[:, 0] += rng.uniform(0, 0.5) * np.sin(
            np.linspace(0, rng.uniform(2, 9), stage.steps) + rng.uniform(0, 6)
        )
        euler = np.array([0, 0, heading + rng.normal(0, 0.2) if alike else rng.uniform(-np.pi, np.pi)])
        scale = size * rng.uniform(0.93, 1.07) if number < twins else rng.uniform(0.5, 1.1)
        stage.put(look, (*path[0, :2], GROUND), scale, euler, path, mass=1.0)
    stage.run()
    return arc(stage, np.array([0, 0, 0.4]), tilt=(5, 30))


def near(stage: Stage) -> Camera:
    """An object comes near, up to six times as large, and turns meanwhile; a look-alike may stand by."""
    rng, count = stage.rng, int(stage.rng.integers(3, 7))
    closest, zoom, spin = (
        rng.uniform(1.2, 1.9),
        rng.uniform(3.5, 6),
        rng.choice([-1, 1]) * rng.uniform(0.8, 5),
    )
    return _coming(stage, count, closest * zoom ** np.linspace(1, 0, stage.steps), spin)


def loop(stage: Stage) -> Camera:
    """An object comes near quickly, goes away and comes again, and turns on and on; a look-alike may stand
    by."""
    rng, count, shorter = stage.rng, int(stage.rng.integers(4, 8)), min(stage.steps / 600, 1)
    closest, zoom, spin = rng.uniform(1.2, 1.9), rng.uniform(4, 6), rng.choice([-1, 1]) * rng.uniform(6, 12)
    waves = np.cos(np.linspace(0, 2 * np.pi * max(rng.uniform(1.4, 2.4) * shorter, 0.5), stage.steps))
    return _coming(stage, count, closest * zoom ** (0.5 + 0.5 * waves), spin * shorter)


def _coming(stage: Stage, count: int, distance: np.ndarray, spin: float) -> Camera:
    """The first of some objects moves at distances (S,) from a camera, and turns by ``spin`` radians."""
    rng, closest = stage.rng, distance.min()
    eye = np.array([0, -closest, rng.uniform(0.5, 1.1)])
    side, end = rng.uniform(-0.4, 0.4) * distance[0] / closest, rng.uniform(-0.3, 0.3)
    across = end + (side - end) * (distance - closest) / (distance[0] - closest)
    path = np.column_stack([across, distance - closest, np.linspace(0, spin, stage.steps)])
    start = path[0, :2]
    looks = stage.looks(count, twins := int(rng.integers(1, 3)))
    size = rng.uniform(0.7, 1.1)
    stage.star = stage.put(looks[0], (*start, GROUND), size, path=path, mass=5.0)
    for number, look in enumerate(looks[1:], 1):
        side, depth = rng.choice([-1, 1]), rng.uniform(0.3, 1.2) * start[1]
        at = np.array([start[0] * depth / start[1] + side * rng.uniform(0.9, 2.2), depth])
        way = line(stage.steps, at, at + rng.normal(0, 0.8, 2), rng.normal(0, 1.5))
        stage.put(look, (*at, GROUND), size if number < twins else rng.uniform(0.6, 1.2), path=way)
    stage.run()
    aim = smoothed(stage.track(stage.star), lag=int(rng.integers(1, 25)))
    aim[:, 2] += rng.uniform(-0.1, 0.2)
    aim[:, 0] += 0.15 * (aim[:, 1] + closest) * rng.uniform(-1, 1)
    drift = np.linspace(0, 1, stage.steps)[:, None] * rng.normal(0, 0.25, 3) * [1, 0, 0.6]
    return Camera(eye + drift, aim, np.zeros(stage.steps), rng.uniform(42, 60))


def approach(stage: Stage) -> Camera:
    """The camera comes near objects and around them, or leaves them."""
    rng, count = stage.rng, int(stage.rng.integers(3, 8))
    looks = stage.looks(count, int(rng.integers(1, 4)))
    places = lanes(rng, count, 1.05)
    for number, look in enumerate(looks):
        path = line(stage.steps, places[number], places[number] + rng.normal(0, 0.2, 2), rng.normal(0, 1.5))
        actor = stage.put(look, (*places[number], GROUND), rng.uniform(0.6, 1.1), path=path)
        stage.star = stage.star or actor
    stage.run()
    assert stage.star is not None
    aim = smoothed(stage.track(stage.star), lag=20)
    aim[:, 2] += 0.1
    closest, zoom = rng.uniform(1.3, 1.9), rng.uniform(2.5, 6)
    distance = np.exp(ramp(np.log(closest * zoom), np.log(closest), stage.steps))
    yaw = ramp(0, rng.choice([-1, 1]) * rng.uniform(15, 110), stage.steps) + rng.uniform(-90, 90)
    low, high = rng.uniform(6, 35, 2)
    eye = orbit(aim, yaw, ramp(low, high, stage.steps), distance)
    if rng.random() < 0.25:
        eye, aim = eye[::-1], aim[::-1]
    return Camera(eye, aim, np.zeros(stage.steps), rng.uniform(38, 58))


def drift(stage: Stage) -> Camera:
    """Objects tumble through the air, without ground, in front of a photograph."""
    rng, count = stage.rng, int(stage.rng.integers(3, 8))
    stage.has_ground = False
    stage.world.weightless()
    twins, size = int(rng.integers(1, 4)), rng.uniform(0.5, 1.0)
    for number, look in enumerate(stage.looks(count, twins)):
        at = rng.uniform(-1, 1, 3) * [1.4, 1.2, 0.7]
        actor = stage.put(
            look, (*at,), size if number < twins else rng.uniform(0.4, 1.2), rng.uniform(-3.1, 3.1, 3)
        )
        seconds = stage.steps / RATE
        stage.throw(actor, (rng.uniform(-1, 1, 3) * [1.3, 1.2, 0.6] - at) / seconds, rng.normal(0, 2.5, 3))
    stage.run()
    return arc(stage, np.zeros(3), distance=(2.4, 4), tilt=(-15, 15))


def walk(stage: Stage) -> Camera:
    """People and animals, cut out of photographs, walk about; some are twins, and a few things lie around."""
    rng, count = stage.rng, int(stage.rng.integers(3, 7))
    tall = rng.uniform(0.9, 1.6)
    paths = [stroll(stage, depth) for depth in rng.permutation(np.linspace(-0.6, 2.2, count))]
    stage.figures(paths, [tall * rng.uniform(0.8, 1.2) for _ in paths], twins=int(rng.choice([1, 2, 3])))
    for _ in range(int(rng.integers(1, 4))):
        stage.put(
            stage.look(), (rng.uniform(-1.5, 1.5), rng.uniform(-0.6, 1.5), GROUND), rng.uniform(0.4, 0.9)
        )
    stage.run()
    return arc(stage, np.array([0, 0.6, 0.5 * tall]), distance=(2.2, 4), tilt=(2, 14), pan=12)


def gather(stage: Stage) -> Camera:
    """A group of people or animals, most of them alike, moves on together and changes places, close to the
    camera."""
    rng, count, tall = stage.rng, int(stage.rng.integers(3, 7)), stage.rng.uniform(0.9, 1.5)
    way, paths = rng.uniform(-1.2, 1.2), []
    for depth in rng.permutation(np.linspace(-0.4, 0.6, count)):
        path = stroll(stage, depth)
        own = rng.uniform(0.1, 0.5) * np.sin(
            np.linspace(0, rng.uniform(1, 6), stage.steps) + rng.uniform(0, 6)
        )
        path[:, 0] = rng.uniform(-0.9, 0.9) + np.linspace(0, way, stage.steps) + own
        paths.append(path)
    stage.figures(
        paths, [tall * rng.uniform(0.92, 1.08) for _ in paths], twins=int(rng.integers(2, count + 1))
    )
    stage.run()
    return arc(stage, np.array([0.5 * way, 0, 0.5 * tall]), distance=(1.9, 3.2), tilt=(2, 16), pan=20)


FIGURE_SCENES = (walk.__name__, gather.__name__)  # they need pictures with masks
SCENES: dict[str, Scene] = {
    scene.__name__: scene
    for scene in (fall, near, crowd, hide, walk, approach, collide, turn, gather, roll, push, drift, loop)
}
"""By name, in the order in which clips take them."""


def passers_by(stage: Stage) -> None:
    """In some clips, figures walk behind whatever happens."""
    rng = stage.rng
    if stage.has_ground and rng.random() < 0.3:
        paths = [stroll(stage, rng.uniform(1.5, 4)) for _ in range(int(rng.integers(1, 4)))]
        stage.figures(paths, [rng.uniform(0.9, 1.8) for _ in paths])
