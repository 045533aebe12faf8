"""Commands end in one sentence: on errors, on what the system refuses, and on signals."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.command import Stopped, StopSignals, run_command
from fiftyone_hs2s.masks import write_label_map

REPO = Path(__file__).parents[1]
HS2S = [sys.executable, "-m", "fiftyone_hs2s.cli.main"]


@pytest.fixture
def handlers() -> object:
    """Puts back what a command that was stopped leaves: handlers that keep the process's end quiet."""
    before, hook = (
        [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)],
        sys.unraisablehook,
    )
    yield
    for number, handler in before:
        signal.signal(number, handler)
    sys.unraisablehook = hook


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Four sequences of true masks, large enough that scoring takes seconds, and predictions for them."""
    label_map = np.zeros((480, 854), np.uint8)
    label_map[50:300, 50:300] = 1
    write_label_map(tmp_path / "mask.png", label_map)
    for folder in [tmp_path / side / name for side in ("gt", "pred") for name in "abcd"]:
        folder.mkdir(parents=True)
        for frame in range(100):
            os.link(tmp_path / "mask.png", folder / f"{frame:05}.png")
    return tmp_path


def test_a_path_that_the_system_refuses_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    write_label_map(tmp_path / "mask.png", np.ones((4, 4), np.uint8))
    good, folder = str(tmp_path / "mask.png"), str(tmp_path)
    for bad in (
        tmp_path / "loop",
        tmp_path / "pipe",
        tmp_path / ("x" * 300),
        Path("/dev/zero"),
        Path(good) / "below",
    ):
        for arguments in (
            ["track", str(bad), "--mask", good, "--out", str(tmp_path / "out")],
            ["track", folder, "--mask", str(bad), "--out", str(tmp_path / "out")],
            ["track", folder, "--mask", good, "--out", str(bad)],
            ["track", folder, "--mask", good, "--out", str(tmp_path / "out"), "--weights", str(bad)],
            ["track", folder, "--mask", good, "--out", str(tmp_path / "out"), "--json", str(bad)],
            ["evaluate", "--gt", str(bad), "--pred", folder],
            ["evaluate", "--gt", folder, "--pred", str(bad)],
            ["evaluate", "--gt", folder, "--pred", folder, "--seen", str(bad)],
            ["evaluate", "--gt", folder, "--pred", folder, "--meta", str(bad)],
            ["evaluate", "--gt", folder, "--pred", folder, "--csv", str(bad)],
            ["weights", "info", str(bad)],
            ["weights", "convert", str(bad), str(tmp_path / "w.safetensors")],
            ["weights", "convert", str(bad), f"{bad}.safetensors"],
        ):
            assert main(arguments) == 2, arguments
            said = [
                line for line in capsys.readouterr().err.splitlines() if not line.startswith("Tracking with")
            ]
            assert len(said) == 1 and said[0].startswith("hs2s: "), (arguments, said)


def test_a_pipe_among_frames_and_masks_is_not_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_label_map(tmp_path / "mask.png", np.ones((4, 4), np.uint8))
    for name in ("gt", "pred"):
        (tmp_path / name).mkdir()
        os.mkfifo(tmp_path / name / "pipe.png")
    folder, mask, out = str(tmp_path / "gt"), str(tmp_path / "mask.png"), ["--out", str(tmp_path / "out")]
    for arguments in (
        ["track", folder, "--mask", mask, *out],
        ["track", str(tmp_path), "--mask", folder, *out],
        ["track", str(tmp_path), "--mask", mask, "--out", folder, "--overwrite"],
        ["evaluate", "--gt", folder, "--pred", str(tmp_path / "pred"), "--workers", "1"],
    ):
        assert main(arguments) == 2
        assert "hs2s: " in capsys.readouterr().err


def test_errors_of_the_system_name_the_path(capsys: pytest.CaptureFixture) -> None:
    def work(_: StopSignals) -> int:
        raise PermissionError(13, "Permission denied", "/some/where")

    assert run_command("x", work) == 2
    assert capsys.readouterr().err == "x: /some/where cannot be used (Permission denied)\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_does_not_disturb_what_cleans_up(
    number: int, handlers: None, capsys: pytest.CaptureFixture
) -> None:
    cleaned = []

    def work(_: StopSignals) -> int:
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            cleaned.append(True)
        raise AssertionError("the signal stopped nothing")

    assert run_command("x", work) == 128 + number
    assert cleaned and capsys.readouterr().err.count("\n") == 1


def test_a_signal_in_a_destructor_is_not_lost(handlers: None, capsys: pytest.CaptureFixture) -> None:
    class Noisy:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def work(_: StopSignals) -> int:
        noisy = [Noisy()]
        noisy.clear()
        gc.collect()
        for _ in range(1000):
            time.sleep(0.001)
        raise AssertionError("the signal was lost")

    assert run_command("x", work) == 130
    assert capsys.readouterr().err == "x: interrupted\n"


def test_who_asks_first_is_stopped_where_it_is_cheap(handlers: None) -> None:
    with StopSignals(ask=True) as signals:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped, match="terminated"):
            signals.check()
        signals.check()  # once


def test_who_asks_twice_is_stopped_at_once(handlers: None) -> None:
    with StopSignals(ask=True):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Stopped):
            signal.raise_signal(signal.SIGINT)


def test_what_was_there_before_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert run_command("x", lambda _: 0) == 0
    assert signal.getsignal(signal.SIGTERM) == before


def _command(arguments: list[str], folder: Path, **options: object) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(REPO), "TMPDIR": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*HS2S, *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def _is_gone(group: int) -> bool:
    """Whether no process of a group is left, soon."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def _twice(number: int) -> Callable[[int], None]:
    def send(pid: int) -> None:
        for _ in range(2):
            os.killpg(pid, number)
            time.sleep(0.05)

    return send


@pytest.mark.parametrize(
    ("send", "status", "words"),
    [
        (_twice(signal.SIGINT), 130, "interrupted"),
        (lambda pid: os.kill(pid, signal.SIGTERM), 143, "terminated"),
    ],
)
@pytest.mark.parametrize("delay", [0.7, 2.5])
def test_evaluation_is_stopped_with_its_processes(
    folders: Path, send: Callable, status: int, words: str, delay: float
) -> None:
    """Ctrl-C twice goes to all processes of the group, a plain kill to the first."""
    (folders / "tmp").mkdir()
    arguments = ["evaluate", "--gt", str(folders / "gt"), "--pred", str(folders / "pred"), "--workers", "2"]
    run = _command(
        [*arguments, "--json", str(folders / "scores.json")], folders / "tmp", stdout=subprocess.DEVNULL
    )
    time.sleep(delay)
    send(run.pid)
    said = run.communicate(timeout=30)[1]
    assert (run.returncode, said) == (status, f"hs2s: {words}\n")
    assert not (folders / "scores.json").exists() and not os.listdir(folders / "tmp")
    assert _is_gone(run.pid)


def test_a_reader_that_goes_away_and_a_full_disk_behind_stdout(folders: Path) -> None:
    arguments = [
        "evaluate",
        "--gt",
        str(folders / "gt/a"),
        "--pred",
        str(folders / "pred/a"),
        "--workers",
        "1",
    ]
    (folders / "tmp").mkdir()
    with open("/dev/full", "w") as full:
        run = _command(arguments, folders / "tmp", stdout=full)
        assert run.communicate(timeout=60)[1] == "hs2s: No space left on device\n" and run.returncode == 2
    read, write = os.pipe()
    os.close(read)
    run = _command(arguments, folders / "tmp", stdout=write)
    os.close(write)
    assert run.communicate(timeout=60)[1] == "" and run.returncode == 128 + signal.SIGPIPE
