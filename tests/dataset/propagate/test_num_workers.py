"""Several processes on one queue of samples: what one would have done, and one of them killed."""

from __future__ import annotations

import pickle

import fiftyone as fo
import numpy as np
import psutil
import pytest
from deadly_network import darkening, deadly_model
from fiftyone_kit import T, assert_right, color_model, found, picture, prompted_sample, prompts, write_video
from propagate_kit import run

from fiftyone_hs2s.dataset.claims import any_claims
from fiftyone_hs2s.dataset.propagate.in_place import find_in_place


@pytest.fixture(scope="module")
def dark_video(tmp_path_factory):
    frames = darkening([picture(number + 1) for number in range(T)])
    return write_video(tmp_path_factory.mktemp("dark") / "dark.mp4", frames)


@pytest.fixture
def samples(dataset, video, dark_video):
    """Two that can be tracked, one without a prompt, one that ends the process which tracks it."""
    good = [fo.Sample(filepath=str(video)) for _ in range(2)]
    deadly = fo.Sample(filepath=str(dark_video))
    for sample, number in ((good[0], 4), (good[1], 1), (deadly, 1)):
        sample.frames[number]["gt"] = prompts(number)
    dataset.add_samples([good[0], fo.Sample(filepath=str(video)), deadly, good[1]])
    return dataset


def test_two_processes_do_what_one_does_and_a_killed_one_loses_its_sample(samples):
    one = run(samples, color_model(), label_field="one", skip_failures=True)
    events = []
    two = run(
        samples, deadly_model(), label_field="two", skip_failures=True, num_workers=2, progress=events.append
    )
    killed = samples.skip(2).first()
    why = "its process was killed by signal 9, as a system does that runs out of memory"
    assert two.failed == one.failed | {f"sample {killed.id} (dark.mp4)": why}
    assert sorted(two.complete) == sorted(set(one.complete) - set(two.failed))
    assert str(two) == "2 tracked, 2 failed"
    assert two.frames >= one.frames - T
    assert killed["two_status"] == f"failed: {why}"
    assert not found(killed, "two")
    for sample in samples.match(fo.ViewField("two_status") == "complete"):
        ours, theirs = found(sample, "one"), found(sample, "two")
        assert ours.keys() == theirs.keys()
        for number, masks in ours.items():
            for index, mask in masks.items():
                np.testing.assert_array_equal(theirs[number][index], mask)
    labels = [frame["two"] for sample in samples for frame in sample.frames.values() if frame["two"]]
    runs = {detection.propagation["run_id"] for part in labels for detection in part.detections}
    assert len(runs) == 1, "one call is one run"
    assert max(len(event.beside) for event in events) <= 1
    assert events[-1].complete and events[-1].total == 4
    parts = [event.progress for event in events]
    assert parts == sorted(parts)
    assert not any_claims(samples)


def test_work_that_is_broken_off_is_done_again(dataset, video):
    dataset.add_samples([prompted_sample(video, "gt") for _ in range(4)])
    children = []

    def interrupt(event) -> None:
        if event.within and event.within.iteration == 5:
            children.extend(psutil.Process().children())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(dataset, color_model(), num_workers=2, batch_size=2, progress=interrupt)
    assert not any_claims(dataset)
    assert len(children) >= 2
    assert {"started"} <= set(dataset.values("pred_status")) <= {"started", "complete", None}
    report = run(dataset, color_model())
    assert len(report.complete) + len(report.skipped) == 4
    for sample in dataset:
        assert_right(found(sample), range(1, T + 1))


def test_what_is_sent_to_other_processes_works_there(dataset, sample):
    model = pickle.loads(pickle.dumps(color_model(direction="both")))
    assert (model.direction, model.tracker.size) == ("both", (64, 96))
    dataset.add_sample_field("other", fo.StringField)
    (sequence,) = find_in_place(dataset, "gt")
    again = pickle.loads(pickle.dumps(sequence))
    assert again.name == sequence.name
    assert again.tracks.keys() == sequence.tracks.keys()
