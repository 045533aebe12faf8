"""The demo clip: exact masks, and everything that its story promises."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from fiftyone_hs2s.demo import assets
from fiftyone_hs2s.demo import demo_clip as clip

SCENERY_ONLY: list[clip.Layer] = []


@pytest.fixture(scope="module")
def short() -> list[tuple[np.ndarray, np.ndarray]]:
    return list(clip.render_clip(length=14))


@pytest.fixture(scope="module")
def scenery() -> np.ndarray:
    return assets.load_photo("scenery")


@pytest.fixture(scope="module")
def layers() -> list[clip.Layer]:
    return clip.make_layers()


def area(shares: np.ndarray, object_id: int) -> float:
    return float(shares[object_id].sum())


def test_frames_and_label_maps_are_of_the_promised_kind(short) -> None:
    for frame, label_map in short:
        assert frame.shape == (480, 854, 3) and frame.dtype == np.uint8
        assert label_map.shape == (480, 854) and label_map.dtype == np.uint8
        assert set(np.unique(label_map)) <= {0, *clip.OBJECTS}


def test_the_clip_is_the_same_every_time(short) -> None:
    again = next(islice(clip.render_clip(length=14), 3, None))
    assert all(np.array_equal(a, b) for a, b in zip(short[3], again, strict=True))


def test_a_frame_differs_from_the_scenery_only_where_a_layer_is(scenery, layers) -> None:
    background, _ = clip.expose(scenery, SCENERY_ONLY, 0.1)
    labeled = [layer for layer in layers if layer.id]
    image, shares = clip.expose(scenery, labeled, 0.1)
    assert np.array_equal(image[shares[0] == 1], background[shares[0] == 1])
    inside = shares[0] == 0
    # Here and there the colors agree.
    assert (np.abs(image - background)[inside].max(axis=1) > 0.02).mean() > 0.98


def test_shares_add_up_and_decide_the_label(scenery, layers) -> None:
    image, shares = clip.expose(scenery, layers, 0.45)
    assert shares.min() > -1e-6 and np.allclose(shares.sum(axis=0), 1, atol=1e-5)
    assert image.min() >= 0 and image.max() <= 1 + 1e-5


def test_an_opaque_layer_is_labeled_where_it_is_put(scenery) -> None:
    """Against a placement worked out by hand: the middle of the picture lands in the middle of the frame."""
    square = np.ones((20, 40, 4), np.float32)
    layer = clip.Layer(square, 1, lambda t: clip.camera_pose(t)._replace(scale=2 * clip.camera_pose(t).scale))
    image, shares = clip.expose(scenery, [layer], 0.0)
    expected = np.zeros((480, 854), bool)
    expected[240 - 20 : 240 + 20, 427 - 40 : 427 + 40] = True
    differing = (shares[1] > 0.5) != expected
    assert differing.sum() < 2 * (80 + 40 + 40)  # the border may be a pixel off
    assert np.allclose(image[shares[1] == 1], 1)


def test_the_column_hides_each_object_and_lets_go_of_it(scenery, layers) -> None:
    for object_id in clip.OBJECTS:
        times = [0.0, *np.linspace(0.5, 0.8, 26), 0.98]
        alone = [layer for layer in layers if layer.id == object_id]
        visible = [
            area(clip.expose(scenery, [*alone, layers[-1]], t)[1], object_id)
            / area(clip.expose(scenery, alone, t)[1], object_id)
            for t in times
        ]
        hidden = np.flatnonzero(np.array(visible) < 0.5)
        assert len(hidden) >= 3 and min(visible) < 0.35, "more than half of it, for some frames"
        assert visible[0] > 0.99 and visible[-1] > 0.99


def test_the_look_alike_passes_close_to_the_dahlia(scenery, layers) -> None:
    dahlia, other = layers[2], layers[1]
    assert (dahlia.id, other.id) == (1, 0)
    assert dahlia.picture.shape == other.picture.shape
    distance = [np.hypot(*np.subtract(dahlia.pose(t)[:2], other.pose(t)[:2])) for t in np.linspace(0, 1, 50)]
    # Pixels of scenery; a flower is 70 across.
    assert min(distance) < 100 and distance[0] > 200 and distance[-1] > 200
    meeting = np.linspace(0, 1, 50)[int(np.argmin(distance))]
    drawn = np.abs(clip.expose(scenery, [other], meeting)[0] - clip.expose(scenery, SCENERY_ONLY, meeting)[0])
    assert (drawn.max(axis=2) > 0.05).sum() > 5000, "it is in the picture, and not labeled"
    assert clip.expose(scenery, [other], meeting)[1][1:].max() == 0


def test_the_camera_moves(scenery) -> None:
    first, last = (clip.expose(scenery, SCENERY_ONLY, t)[0] for t in (0.0, 0.3))
    assert np.abs(first - last).mean() > 0.05


def test_every_object_is_there_in_the_beginning_and_in_the_end(short) -> None:
    for _, label_map in (short[0], short[-1]):
        assert all((label_map == i).sum() > 5000 for i in clip.OBJECTS)


def test_cut_outs_are_clean() -> None:
    for picture in (assets.dahlia(), assets.look_alike(), assets.cup(), assets.column()):
        color, alpha = picture[..., :3], picture[..., 3]
        assert picture.dtype == np.float32 and alpha.min() >= 0 and alpha.max() <= 1 + 1e-6
        assert (color <= alpha[..., None] + 1e-6).all(), "premultiplied"
        assert 0.5 < (alpha > 0.5).mean() < 1
