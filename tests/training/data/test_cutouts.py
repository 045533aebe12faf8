"""Cutting objects out and pasting them, against what plain indexing gives."""

from __future__ import annotations

import numpy as np
import pytest

from fiftyone_hs2s.training.data.augment import Pose
from fiftyone_hs2s.training.data.cutouts import Cutout, cut_out, paste

T, H, W = 4, 80, 120


@pytest.fixture
def scene() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Noise, on which a block of 24 x 30 pixels walks 5 pixels to the right and 2 down a frame."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (H, W, 3), dtype=np.uint8) for _ in range(T)]
    masks = [np.zeros((H, W), bool) for _ in range(T)]
    for t, mask in enumerate(masks):
        mask[20 + 2 * t : 44 + 2 * t, 10 + 5 * t : 40 + 5 * t] = True
    return frames, masks


def _canvas(labels: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return np.full((T, H, W, 3), 90, np.uint8), np.full((T, H, W), labels, np.uint8)


def _cut(scene: tuple[list[np.ndarray], list[np.ndarray]]) -> Cutout:
    cutout = cut_out(*scene)
    assert cutout is not None
    return cutout


@pytest.mark.parametrize("own_motion", [0, 1])
def test_a_pasted_object_has_its_pixels_and_its_mask(
    scene: tuple[list[np.ndarray], list[np.ndarray]], own_motion: int
) -> None:
    """In the middle of the frame; with its own motion, as far from there as it was from its first place."""
    frames, labels = _canvas()
    paste(frames, labels, _cut(scene), [Pose()] * T, 7, own_motion)
    for t in range(T):
        top, left = 28 + 2 * t * own_motion, 45 + 5 * t * own_motion
        expected = np.zeros((H, W), np.uint8)
        expected[top : top + 24, left : left + 30] = 7
        np.testing.assert_array_equal(labels[t], expected)
        inside = frames[t][top + 1 : top + 23, left + 1 : left + 29]  # but for the soft edge
        np.testing.assert_array_equal(inside, scene[0][t][scene[1][t]].reshape(24, 30, 3)[1:-1, 1:-1])
        edge = frames[t][expected == 0].astype(int)
        assert (np.abs(edge - 90).max(axis=1) > 0).sum() <= 2 * (26 + 32)


def test_what_has_a_label_stays_on_top_of_what_is_pasted_behind(
    scene: tuple[list[np.ndarray], list[np.ndarray]],
) -> None:
    for behind in (False, True):
        frames, labels = _canvas()
        labels[:, :, :60], labels[:, :10] = 1, 255
        frames[labels == 1] = 200
        paste(frames, labels, _cut(scene), [Pose()] * T, 2, behind=behind)
        assert (labels[:, 28:52, 60:75] == 2).all()
        assert (labels[:, 28:52, 45:60] == (1 if behind else 2)).all()
        assert (frames[:, 29:51, 46:59] == 200).all() == behind
        assert (labels[:, :10] == 255).all()


@pytest.mark.parametrize("scale", [0.3, 0.7, 1.8])
def test_scale_and_shift_are_those_of_the_pose(
    scene: tuple[list[np.ndarray], list[np.ndarray]], scale: float
) -> None:
    frames, labels = _canvas()
    paste(frames, labels, _cut(scene), [Pose(scale=scale, shift=(0.2, -0.1))] * T, 1)
    ys, xs = np.nonzero(labels[0])
    assert len(ys) == pytest.approx(24 * 30 * scale**2, rel=0.1)
    assert xs.mean() == pytest.approx(0.7 * W - 0.5, abs=1) and ys.mean() == pytest.approx(
        0.4 * H - 0.5, abs=1
    )


def test_nothing_is_pasted_outside_or_where_the_object_is_out_of_view(
    scene: tuple[list[np.ndarray], list[np.ndarray]],
) -> None:
    frames, labels = _canvas()
    paste(frames, labels, _cut(scene), [Pose(shift=(1.5, 0))] * T, 1)
    assert not labels.any() and (frames == 90).all()
    scene[1][2][:] = False
    paste(frames, labels, _cut(scene).brightened(0.5).tinted(np.random.default_rng(0)), [Pose()] * T, 1)
    assert [bool(label_map.any()) for label_map in labels] == [True, True, False, True]


def test_twins_are_mirrored_or_in_another_phase(scene: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    cutout = _cut(scene)
    mirrored = cutout.mirrored()
    np.testing.assert_array_equal(mirrored.images[1], cutout.images[1][:, ::-1])
    np.testing.assert_array_equal(mirrored.centers[3], (-15, 6))
    later = cutout.shifted(3)
    for image, source in zip(later.images, (3, 2, 1, 0), strict=True):  # it runs back from the end
        np.testing.assert_array_equal(image, cutout.images[source])
    np.testing.assert_array_equal(later.centers[2], (-10, -4))
    changed = [
        not np.array_equal(cutout.twin(np.random.default_rng(n)).images[0], cutout.images[0])
        for n in range(9)
    ]
    assert all(changed)


def test_objects_that_are_too_small_or_cut_off_are_not_cut_out(
    scene: tuple[list[np.ndarray], list[np.ndarray]],
) -> None:
    frames, masks = scene
    assert cut_out(frames, masks, whole=True) is not None
    masks[2][:, :20] = True  # the border cuts it on one frame
    assert cut_out(frames, masks, whole=True) is None and cut_out(frames, masks) is not None
    masks[0][20:40] = False
    assert cut_out(frames, masks) is None


def test_a_twin_is_not_changed_by_what_is_pasted_over_its_original(
    scene: tuple[list[np.ndarray], list[np.ndarray]],
) -> None:
    cutout = _cut(scene)
    before = [image.copy() for image in cutout.images]
    paste(np.stack(scene[0]), np.zeros((T, H, W), np.uint8), cutout, [Pose(shift=(-0.2, -0.1))] * T, 1)
    for frame in scene[0]:
        frame[:] = 0
    assert all(map(np.array_equal, cutout.images, before))
