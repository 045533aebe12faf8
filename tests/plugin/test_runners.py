"""Several ``fiftyone delegated launch`` on one database: they split a dataset, and one may be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import fiftyone as fo
import fiftyone.core.odm as foo_odm
import fiftyone.operators as foo
import pytest
from fiftyone.operators.delegated import DelegatedOperationService
from fiftyone.operators.executor import ExecutionContext, ExecutionError
from fiftyone_kit import T, found, prompts

from fiftyone_hs2s.dataset.claims import any_claims

URI = "@hs2s/hs2s/propagate"
REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def samples(dataset, video, plugin):
    """Some videos, of which each takes a while."""
    dataset.persistent = True
    for _ in range(6):
        sample = fo.Sample(filepath=str(video))
        sample.frames[1]["gt"] = prompts(1)
        dataset.add_sample(sample)
    return dataset


def queue(dataset) -> str:
    operator = foo.get_operator(URI)
    return operator(dataset, "gt", "frames.pred", delegate=True).result["id"]


def claiming(dataset) -> set[int]:
    """The processes that have claimed a sample."""
    claims = foo_odm.get_db_conn()["hs2s.claims"].find({"_id": {"$regex": f"^{dataset._doc.id} "}})
    return {claim["process"]["pid"] for claim in claims}


def wait_for(condition, runners, seconds: float = 120):
    """What the condition gives, once that is true."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, [runner.poll() for runner in runners]
        time.sleep(0.05)
    return value


def launch() -> subprocess.Popen:
    """A runner that waits for operations."""
    variables = {"FIFTYONE_PLUGINS_DIR": fo.config.plugins_dir, "PYTHONPATH": str(REPO)}
    runner = subprocess.Popen(
        [Path(sys.executable).parent / "fiftyone", "delegated", "launch"],
        env={**os.environ, **variables, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    return runner


@pytest.mark.slow
def test_two_runners_share_a_dataset_and_one_is_killed(samples):
    runners = [launch() for _ in range(2)]
    service = DelegatedOperationService()
    try:
        for runner in runners:
            assert any("service running" in line for line in runner.stdout)
        operations = [queue(samples) for _ in runners]
        wait_for(lambda: claiming(samples) == {runner.pid for runner in runners}, runners)
        runners[0].kill()
        runners[0].wait()  # until then its number is in use
        wait_for(lambda: "completed" in {service.get(i).run_state for i in operations}, runners)
        # The other may have left the sample of the killed one while that one lived.
        again = queue(samples)
        wait_for(lambda: service.get(again).run_state == "completed", runners)
    finally:
        for runner in runners:
            runner.kill()
            runner.communicate()
    samples.reload()
    assert samples.values("pred_status") == ["complete"] * len(samples)
    for sample in samples:
        assert list(found(sample)) == list(range(1, T + 1))
        labels = [frame.pred.detections for frame in sample.frames.values()]
        assert len({d.propagation["run_id"] for detections in labels for d in detections}) == 1
    assert not any_claims(samples)


def test_tasks_of_a_distributed_operation_do_not_overwrite_one_another(samples, monkeypatch):
    monkeypatch.setattr(ExecutionContext, "num_distributed_tasks", 2)
    params = {"prompt_field": "frames.gt", "label_field": "frames.pred", "overwrite": True}
    with pytest.raises(ExecutionError, match="each of the distributed tasks would do all samples again"):
        foo.execute_operator(URI, {"dataset": samples}, params=params)
