"""Where an object looks in its first frame: on itself, wherever it is now."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import HS2SConfig, build_network, load_network
from fiftyone_hs2s.network.config import MERGE_KINDS
from fiftyone_hs2s.tracking import Tracker

SIZE = (256, 448)


def scene(offset: int, hidden: bool = False) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Two disks of different looks that move right by ``offset``; hidden ones leave the plain ground."""
    frame = np.full((*SIZE, 3), (90, 110, 90), np.uint8)
    frame[::16] = 80
    masks = {}
    for i, (y, x, color) in enumerate(((70, 80, (230, 40, 40)), (180, 120, (40, 60, 230))), start=1):
        mask = np.zeros(SIZE, np.uint8)
        cv2.circle(mask, (x + offset, y), 40, 1, -1)
        masks[i] = mask.astype(bool)
        if not hidden:
            frame[masks[i]] = color
            cv2.circle(frame, (x + offset, y), 18, (250, 250, 200), -1)
    return frame, masks


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return Tracker(load_network("hs2s-lite"), SIZE, "cpu", "float32")


def share_inside(attention: np.ndarray, mask: np.ndarray) -> float:
    return float(attention[mask].sum() / attention.sum())


def test_each_object_looks_at_itself_also_after_it_was_hidden(tracker: Tracker) -> None:
    tracker.reset()
    frame, first = scene(0)
    tracker.add_objects(frame, first)
    for offset, hidden in ((20, False), (40, False), (60, True), (80, True), (100, False), (120, False)):
        tracker.step(scene(offset, hidden)[0])
        for i in (1, 2):
            attention = tracker.first_frame_attention(i)
            assert attention.shape == SIZE and attention.dtype == np.float32
            if hidden:
                assert not attention.any()
            else:
                assert attention.min() >= 0 and attention.max() == 1
                assert share_inside(attention, first[i]) > 0.5 > 2 * share_inside(attention, first[3 - i])


def test_where_the_network_runs_in_bfloat16(tracker: Tracker) -> None:
    half = Tracker(tracker.network, SIZE, "cpu", "bfloat16")
    for each in (tracker, half):
        each.reset()
        each.add_objects(*scene(0))
        each.step(scene(20)[0])
    attention = half.first_frame_attention(1)
    assert attention.dtype == np.float32
    assert np.corrcoef(attention.ravel(), tracker.first_frame_attention(1).ravel())[0, 1] > 0.95


def test_to_ask_changes_nothing(tracker: Tracker) -> None:
    frames = [scene(offset)[0] for offset in (0, 20, 40, 60)]
    found = []
    for ask in (False, True):
        tracker.reset()
        tracker.add_objects(frames[0], scene(0)[1])
        for frame in frames[1:]:
            tracked = tracker.step(frame)
            if ask:
                tracker.first_frame_attention(2)
        found.append((tracked.label_map, tracked.confidence))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


def test_it_is_what_the_merge_layer_reads(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The softmax of the step itself, caught where it is applied, averaged over the object's pixels."""
    import fiftyone_hs2s.network.merge as merge

    read, caught = merge._read, []
    monkeypatch.setattr(merge, "_read", lambda s, *rest: caught.append(s.softmax(2)) or read(s, *rest))
    tracker.reset()
    tracker.add_objects(scene(0)[0], scene(0)[1])
    for offset in (20, 40, 60, 80, 100, 120, 140):  # long enough that frames in between are read too
        caught.clear()
        tracked = tracker.step(scene(offset)[0])
    cells = (SIZE[0] // 16) * (SIZE[1] // 16)
    (weights,) = (x for x in caught if x.shape[2] == 4 * cells)  # of the first frame and three in between
    own = tracked.probabilities[1]
    own = cv2.resize(own * (own > 0.5), (SIZE[1] // 16, SIZE[0] // 16), interpolation=cv2.INTER_AREA).ravel()
    row = weights[0] if len(weights) == 1 else weights[tracker.ids.index(1)]
    expected = (own / own.sum() @ row.numpy())[:cells].reshape(SIZE[0] // 16, -1)
    small = tracker.first_frame_attention(1)[8::16, 8::16]
    assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("kind", "skip_width"), [(k, w) for k in MERGE_KINDS for w in (96, 0)] + [("attention", 96)]
)
def test_all_kinds_of_matching(kind: str, skip_width: int, precision: str) -> None:
    coarse = kind if kind in MERGE_KINDS else "cosine"
    config = dataclasses.replace(
        HS2SConfig.preset("hs2s-lite"), merge=coarse, skip_merge=kind, skip_width=skip_width, memory_frames=0
    )
    torch.manual_seed(0)
    tracker = Tracker(build_network(config), (64, 96), "cpu", precision)
    frame, masks = scene(0)
    tracker.add_objects(frame, masks)
    attention = tracker.first_frame_attention(1)
    assert (
        attention.dtype == np.float32
        and np.isfinite(attention).all()
        and attention.min() >= 0
        and attention.max() == 1
    )


def test_what_cannot_be_asked(tracker: Tracker) -> None:
    tracker.reset()
    tracker.add_objects(*scene(0))
    with pytest.raises(HS2SError, match=r"Object 3 is not being tracked, only 1, 2"):
        tracker.first_frame_attention(3)
    config = dataclasses.replace(HS2SConfig.preset("hs2s-lite"), references=("previous",), memory_frames=0)
    other = Tracker(build_network(config), (64, 96), "cpu", "float32")
    other.add_objects(*scene(0))
    with pytest.raises(HS2SError, match="does not read the first frame"):
        other.first_frame_attention(1)
