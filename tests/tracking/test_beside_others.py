"""Several videos at once: their frames are one batch of the network, and each video's masks are its own."""

from __future__ import annotations

import logging
from threading import Barrier

import numpy as np
import pytest
import torch
from color_network import ColorNetwork, iou, moving
from joint_kit import wait_for_all

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.network import build_network, load_network
from fiftyone_hs2s.runtime import joint
from fiftyone_hs2s.threads import Threads
from fiftyone_hs2s.tracking import Tracker, open_frames, track

OPTIONS = {"size": (64, 96), "device": "cpu", "precision": "float32", "runtime": "torch"}


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Nobody is left behind."""
    wait_for_all(monkeypatch)


def videos():
    """One object; two, one of which is anchored again; one that leaves; a portrait."""
    frames, truth = moving()
    small, its = moving((60, 90), 5)
    tall = np.ascontiguousarray(frames.transpose(0, 2, 1, 3))
    return [
        (frames, {0: truth[0]}),
        (frames[::-1], {1: truth[6], 3: {2: truth[4][2]}}),
        (small, {0: its[0], 3: {2: its[3][2]}}),
        (tall, {3: {i: mask.T for i, mask in truth[3].items()}}),
    ]


def track_one(tracker, video):
    frames, masks = video
    return [
        (index, found.label_map, dict(found.probabilities))
        for index, found in track(tracker, open_frames(np.ascontiguousarray(frames)), masks)
    ]


def track_all(tracker, given):
    """What is found in each video, all tracked at once; or why it is not."""

    all_there = Barrier(len(given))

    def work(video, _):
        with tracker.beside_others() as own:
            all_there.wait()
            try:
                return track_one(own, video)
            except HS2SError as error:
                return error

    results = Threads(len(given)).results(work, given)
    return [result.value for result in sorted(results, key=lambda result: result.number)]


def batches(network, monkeypatch):
    """How many pictures are encoded at once."""
    sizes, encode = [], network.encode_image
    monkeypatch.setattr(network, "encode_image", lambda frame: [sizes.append(len(frame)), encode(frame)][1])
    return sizes


@pytest.mark.parametrize(
    ("model", "average"), [("hs2s-lite", "flip"), ("hs2s-lite-shared", "none"), ("s2s-lite", "none")]
)
def test_each_finds_what_it_finds_alone(model, average, monkeypatch):
    torch.manual_seed(0)
    network = load_network(model) if model == "hs2s-lite" else build_network(model)
    tracker = Tracker(network, average=average, **OPTIONS)
    alone = [track_one(tracker, video) for video in videos()]
    sizes = batches(network, monkeypatch)
    together = track_all(tracker, videos())
    assert max(sizes) >= 3
    for ours, theirs in zip(together, alone, strict=True):
        assert [index for index, *_ in ours] == [index for index, *_ in theirs]
        for (_, labels, probabilities), (_, expected, others) in zip(ours, theirs, strict=True):
            # Of weights that nobody trained, any pixel may be near the edge.
            assert (labels == expected).mean() > (0.999 if model == "hs2s-lite" else 0.99)
            for object_id, probability in probabilities.items():
                np.testing.assert_allclose(probability, others[object_id], atol=1e-3)


def test_few_objects_at_once(monkeypatch):
    network = ColorNetwork()
    expected = [track_one(Tracker(network, **OPTIONS), video) for video in videos()]
    sizes = batches(network, monkeypatch)
    for ours, theirs in zip(
        track_all(Tracker(network, chunk_size=2, **OPTIONS), videos()), expected, strict=True
    ):
        for (_, labels, _), (_, same, _) in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(labels, same)
    assert max(sizes) == 2


class Flawed(ColorNetwork):
    """Fails where a picture is nearly black, and has no memory for more than some objects."""

    most = 9

    def step(self, image, state):
        if len(state) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        if (image.joint.amax((1, 2, 3)) < 0.1).any():
            raise HS2SError("it is dark")
        return super().step(image, state)


def test_one_that_fails_leaves_the_others_alone():
    given = videos()[:3]
    expected = [track_one(Tracker(ColorNetwork(), **OPTIONS), video) for video in given]
    dark = moving()[0].copy()
    dark[2:] //= 20
    tracker = Tracker(Flawed(), **OPTIONS)
    *found, failed = track_all(tracker, [*given, (dark, {0: moving()[1][0]})])
    assert str(failed) == "it is dark"
    for ours, theirs in zip(found, expected, strict=True):
        assert len(ours) == len(theirs)
        for (_, labels, _), (_, same, _) in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(labels, same)


def test_fewer_objects_at_once_where_memory_does_not_suffice(caplog):
    network = Flawed()
    network.most = 1
    with caplog.at_level(logging.WARNING, "fiftyone_hs2s"):
        found = track_all(Tracker(network, **OPTIONS), [videos()[0]] * 3)
    assert [len(video) for video in found] == [8] * 3
    said = [message for message in caplog.messages if "memory" in message]
    assert said == [
        "The memory of cpu does not suffice: objects of all videos go through the network 1 at a time from"
        " now on"
    ]


class Narrow(ColorNetwork):
    """Not finite in a lower precision, for objects that are bright green."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 1)

    def step(self, image, state):
        logits, state = super().step(image, state)
        low = self.layer(logits).dtype != torch.float32
        green = state.memories[0][0][:, 1:2] > 0.9
        return torch.where(green & low, torch.inf, logits), state


def test_float32_for_the_video_that_needs_it(caplog):
    frames, truth = moving()
    given = [(frames, {0: truth[0]}), (frames[3:7], {0: {2: truth[3][2]}})]
    with caplog.at_level(logging.WARNING, "fiftyone_hs2s"):
        red, green = track_all(Tracker(Narrow(), **OPTIONS | {"precision": "bfloat16"}), given)
    for (_, labels, _), masks in zip(red, truth, strict=True):
        assert iou(labels == 1, masks[1]) > 0.6
    for (_, labels, _), masks in zip(green, truth[3:7], strict=True):
        assert iou(labels == 2, masks[2]) > 0.6
    assert caplog.messages == ["colors gave values that are not finite in bfloat16: float32"]


def test_a_tracker_that_is_away_is_waited_for_only_so_long(monkeypatch):
    monkeypatch.setattr(joint, "PATIENCE", 0.05)
    frames, truth = moving()
    tracker = Tracker(ColorNetwork(), **OPTIONS)
    with tracker.beside_others() as away, tracker.beside_others() as here:
        away.add_objects(frames[0], truth[0])
        here.add_objects(frames[0], truth[0])
        for frame in frames[1:]:
            here.step(frame)
        assert away.step(frames[1]).label_map.any()


def test_graphs_take_one_picture_at_a_time():
    pytest.importorskip("openvino", reason="needs the extra 'fast'")
    tracker = Tracker(build_network("hs2s-lite"), **OPTIONS | {"runtime": "openvino"})
    with pytest.raises(
        HS2SError, match=r'through OpenVINO as one batch: load the model with runtime="torch"'
    ):
        tracker.joint  # noqa: B018
