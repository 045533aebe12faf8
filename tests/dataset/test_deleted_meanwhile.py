"""What another process deletes while a run works on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import fiftyone as fo
import pytest
from fiftyone_kit import color_model, is_step, prompted_sample

from fiftyone_hs2s import HS2SError, propagate

FIELDS = {"prompt_field": "frames.gt", "label_field": "pred"}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model():
    return color_model()


@pytest.fixture
def two(dataset, sample, video):
    """A dataset of two videos."""
    dataset.add_sample(prompted_sample(video, "gt"))
    return dataset


def another(dataset: fo.Dataset) -> fo.Dataset:
    """The dataset as another process has it."""
    before, fo.config.singleton_cache = fo.config.singleton_cache, False
    try:
        return fo.load_dataset(dataset.name)
    finally:
        fo.config.singleton_cache = before


def at_step(step: int, action):
    return lambda event: action() if event.iteration == 0 and is_step(event, step) else None


def assert_readable(dataset: fo.Dataset) -> None:
    """A value of a field that is not declared would break this."""
    for sample in another(dataset).iter_samples():
        assert [number for number, _ in sample.frames.items()]


def test_sample(two, model, caplog):
    gone = two.first().id
    report = propagate(
        two, model, **FIELDS, batch_size=2, progress=at_step(5, lambda: another(two).delete_samples(gone))
    )
    (why,) = report.failed.values()
    assert why == f"sample {gone} of the dataset {two.name!r} was deleted in the meantime"
    assert len(report.complete) == 1
    assert "Traceback" not in caplog.text
    assert not two._frame_collection.count_documents({"_sample_id": gone})


@pytest.mark.parametrize("step", [1, 5, 9])
def test_label_field(two, model, step):
    def delete() -> None:
        other = another(two)
        other.add_frame_field("pred", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
        other.delete_frame_field("pred")

    if step == 1:
        propagate(two.limit(1), model, **FIELDS)
    with pytest.raises(
        HS2SError, match=r"the field 'frames.pred' .* was deleted in the meantime: if it is wanted, run"
    ):
        propagate(two, model, **FIELDS, batch_size=2, overwrite=True, progress=at_step(step, delete))
    assert_readable(two)
    two.reload()
    assert str(propagate(two, model, **FIELDS)) == "2 tracked"


def test_status_field(two, model):
    with pytest.raises(HS2SError, match=r"the field 'pred_status' .* was deleted in the meantime"):
        propagate(
            two, model, **FIELDS, progress=at_step(5, lambda: another(two).delete_sample_field("pred_status"))
        )
    assert_readable(two)


def test_dataset(video, model):
    dataset = fo.Dataset()
    dataset.add_samples([prompted_sample(video, "gt") for _ in range(2)])
    with pytest.raises(HS2SError, match=rf"the dataset '{dataset.name}' was deleted in the meantime"):
        propagate(
            dataset,
            model,
            **FIELDS,
            batch_size=2,
            progress=at_step(5, lambda: fo.delete_dataset(dataset.name)),
        )


@pytest.mark.slow
def test_database(video, tmp_path):
    """A server of its own, killed while the first of three videos is tracked."""
    mongod = Path(fo.__file__).parent / "db" / "bin" / "mongod"
    if not os.access(mongod, os.X_OK):
        pytest.skip("needs FiftyOne's own mongod, to have one that can be killed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "db").mkdir()
    command = [
        mongod,
        "--dbpath",
        tmp_path / "db",
        "--port",
        str(port),
        "--bind_ip",
        "127.0.0.1",
        "--nounixsocket",
    ]
    code = f"""
import os, signal, time
import fiftyone as fo
from fiftyone_kit import color_model, is_step, prompted_sample
from fiftyone_hs2s import HS2SError, propagate

dataset = fo.Dataset("gone")
dataset.add_samples([prompted_sample({str(video)!r}, "gt") for _ in range(3)])

def kill(event):
    if is_step(event, 5):
        global start
        os.kill(int(os.environ["MONGOD"]), signal.SIGKILL)
        start = time.monotonic()

try:
    propagate(dataset, color_model(), prompt_field="gt", label_field="pred", batch_size=2, progress=kill)
except HS2SError as error:
    print(error, "|", time.monotonic() - start)
os._exit(0)
"""
    with subprocess.Popen(
        [*command, "--quiet", "--logpath", tmp_path / "log"], stdout=subprocess.DEVNULL
    ) as server:
        uri = f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=3000"
        environment = {**os.environ, "FIFTYONE_DATABASE_URI": uri, "MONGOD": str(server.pid)}
        environment["PYTHONPATH"] = f"{ROOT}:{ROOT / 'tests'}"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        server.kill()
    assert done.returncode == 0, done.stderr
    sentence, seconds = done.stdout.strip().splitlines()[-1].split(" | ")
    assert sentence.startswith("FiftyOne's database no longer answers: start it again")
    assert float(seconds) < 20, "once, and not once a sample"
    assert "Traceback" not in done.stderr
