"""Whatever arguments a command is given, the answer is a result or one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable

import numpy as np
import pytest
from fuzz_kit import bounded
from hypothesis import given
from hypothesis import strategies as st

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import write_label_map


@pytest.fixture(scope="module")
def given_paths(tmp_path_factory) -> dict[str, str]:
    """A folder of files, good and bad, by name."""
    folder = tmp_path_factory.mktemp("fuzz")
    write_label_map(folder / "mask.png", np.ones((8, 8), np.uint8))
    for name, data in {
        "bad.png": b"bad",
        "bad.json": b"{",
        "bad.safetensors": b"\xff" * 99,
        "bad.mp4": b"",
        "bad.pth": b"P",
    }.items():
        (folder / name).write_bytes(data)
    for name in ("gt/a", "pred/a", "empty"):
        (folder / name).mkdir(parents=True)
    for name in ("gt/a/0.png", "pred/a/0.png", "gt/a/1.png", "pred/a/1.png"):
        write_label_map(folder / name, np.ones((8, 8), np.uint8))
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    return {"FOLDER": str(folder)}


OPTIONS = {
    "track": [
        "--mask",
        "--out",
        "--overwrite",
        "--direction",
        "--prompt-frames",
        "--overlay",
        "--json",
        "--model",
        "--weights",
        "--size",
        "--reset-period",
        "--device",
        "--precision",
        "--aggregation",
    ],
    "evaluate": [
        "--gt",
        "--pred",
        "--workers",
        "--protocol",
        "--json",
        "--csv",
        "--frames-csv",
        "--meta",
        "--seen",
    ],
    "analyze": ["--gt", "--pred", "--workers", "--fps", "--protocol", "--json", "--csv"],
    "weights": ["convert", "info", "--model"],
    "": ["--version", "--help", "track", "other"],
}


USUAL = {
    "track": ["FOLDER/gt/a", "--mask", "FOLDER/mask.png", "--out", "FOLDER/out"],
    "evaluate": ["--gt", "FOLDER/gt", "--pred", "FOLDER/pred", "--workers", "1"],
    "analyze": ["--gt", "FOLDER/gt", "--pred", "FOLDER/pred", "--workers", "1"],
    "weights": [],
    "": [],
}


PATHS = [
    "mask.png",
    "bad.png",
    "bad.json",
    "bad.safetensors",
    "bad.mp4",
    "bad.pth",
    "gt",
    "gt/a",
    "pred",
    "empty",
    "pipe",
    "loop",
    "none",
    "none/none",
    "out",
    "mask.png/x",
    "x" * 300,
    "\udcff",
    "new.csv",
]


WORDS = [
    "",
    "0",
    "1",
    "-1",
    "1e309",
    "nan",
    "10" * 20,
    "64x96",
    "0x0",
    "99999999x32",
    "auto",
    "cpu",
    "cuda:99",
    "meta",
    "both",
    "all",
    "davis2016",
    "youtube-vos",
    "hs2s-lite",
    "hs2s-resnet50",
    "../x",
    "\0",
    "ä",
]


@st.composite
def command_lines(draw: Callable) -> list[str]:
    """A command with its usual arguments or without, and some more or other ones."""
    command = draw(st.sampled_from(list(OPTIONS)))
    value = st.sampled_from([f"FOLDER/{path}" for path in PATHS] + WORDS) | st.text(max_size=4)
    pair = st.tuples(st.sampled_from(OPTIONS[command]), value).map(list)
    more = draw(st.lists(pair | value.map(lambda text: [text]), max_size=3))
    usual = USUAL[command] if draw(st.booleans()) or draw(st.booleans()) else []
    return [*([command] if command else []), *usual, *(word for words in more for word in words)]


@bounded(80)
@given(command_lines())
def test_command_lines(given_paths: dict[str, str], arguments: list[str]) -> None:
    arguments = [word.replace("FOLDER", given_paths["FOLDER"]) for word in arguments]
    said = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(said),
    ):
        patch.setattr("fiftyone_hs2s.tracking.folders.track_to_folder", _no_time)
        patch.chdir(given_paths["FOLDER"])
        try:
            status = main(arguments)
        except SystemExit as exit:
            status = exit.code
    assert status in (0, 2), arguments
    said.flush()
    text = said.buffer.getvalue().decode()
    assert "Traceback" not in text
    if status:  # one sentence, after the usage if the parser says it
        assert re.match(r"hs2s( \w+)*: ", text.splitlines()[-1]), text


def _no_time(*_: object) -> None:
    raise HS2SError("all arguments were taken")
