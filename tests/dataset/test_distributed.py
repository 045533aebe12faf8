"""A Ray cluster of this machine with two workers, one of which is killed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from deadly_network import darkening, deadly_model
from evaluation_kit import true_labels
from fiftyone_kit import T, color_model, found, picture, prompts, write_video

from fiftyone_hs2s import HS2SError, distributed, evaluate_propagation, find_failures, propagate
from fiftyone_hs2s.dataset.claims import any_claims

TESTS = Path(__file__).parents[1]
FIELDS = {"prompt_field": "start", "skip_failures": False}


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'fiftyone-hs2s[ray]'")
    variables = {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]), "OMP_NUM_THREADS": "1"}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # no token in the user's home
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80_000_000, _temp_dir=folder)
        yield distributed.Ray(runtime_env={"env_vars": variables})
        ray.shutdown()


@pytest.fixture
def samples(dataset, video, tmp_path):
    frames = darkening([picture(number + 1) for number in range(T)])
    dark = write_video(tmp_path / "dark.mp4", frames)
    for path in (video, dark, video, video):
        sample = fo.Sample(filepath=str(path))
        for number in range(1, T + 1):
            sample.frames[number]["gt"] = true_labels(number)
        sample.frames[1]["start"] = prompts(1)
        dataset.add_sample(sample)
    return dataset


def test_samples_are_tasks_of_a_cluster_that_loses_a_worker(cluster, samples, tmp_path):
    once = tmp_path / "killed"
    events = []
    report = distributed.propagate(
        samples, deadly_model(once), label_field="ray", engine=cluster, progress=events.append, **FIELDS
    )
    assert once.exists(), "a worker was killed"
    assert str(report) == "4 tracked"
    assert events[-1].complete and {event.iteration for event in events} == {0, 1, 2, 3, 4}
    assert samples.values("ray_status") == ["complete"] * 4
    assert not any_claims(samples)
    propagate(samples, color_model(), label_field="here", **FIELDS)
    for sample in samples:
        ours, theirs = found(sample, "here"), found(sample, "ray")
        assert ours.keys() == theirs.keys()
        for number, masks in ours.items():
            for index, mask in masks.items():
                np.testing.assert_array_equal(theirs[number][index], mask)

    theirs = distributed.evaluate_propagation(samples, "ray", "gt", "ray_eval", engine=cluster)
    ours = evaluate_propagation(samples, "here", "gt")
    assert [(row["sample_id"], row["JF"]) for row in theirs.objects] == [
        (row["sample_id"], row["JF"]) for row in ours.objects
    ]
    assert np.isfinite(samples.values("ray_eval_JF")).all()
    theirs = distributed.find_failures(samples, "ray", "gt", engine=cluster)
    assert theirs.events == find_failures(samples, "here", "gt").events


def test_a_database_of_ones_own_is_refused(samples, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setattr(fo.config, "database_uri", None)
    with pytest.raises(HS2SError, match="set FIFTYONE_DATABASE_URI to a MongoDB that all of them reach"):
        distributed.propagate(samples, color_model(), label_field="ray", **FIELDS)


def test_unknown_engine(samples):
    with pytest.raises(HS2SError, match="there is no engine 'dask': take \"ray\""):
        distributed.propagate(samples, color_model(), label_field="x", engine="dask", **FIELDS)
