"""Whatever is given, the answer is a result or one sentence (HS2SError): configs, weights, arguments of the
shell.

Each test is bounded and draws the same examples in every run; HS2S_FUZZ multiplies their number.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.network import HS2S, HS2SConfig, available_models, load_network
from fiftyone_hs2s.training.run_config import CONFIGS, Stage, TrainingConfig

MORE = int(os.environ.get("HS2S_FUZZ", "1"))


def bounded(examples: int) -> Callable:
    """Settings of a test: so many examples, none of which may hang."""
    return settings(
        max_examples=examples * MORE,
        deadline=timedelta(seconds=30),
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def names(*classes: type) -> list[str]:
    return [field.name for cls in classes for field in dataclasses.fields(cls)]


NUMBERS = st.sampled_from(
    [0, 1, 2, 3, 5, 7, 64, -1, 10**9, 10**30, 0.5, -0.5, 1e300, float("inf"), float("nan")]
)
TEXTS = st.sampled_from(
    ["", "first", "cosine", "attention", "1e-4", "no", "bf16", "hs2s-lite", "\0", "\ud800", "x" * 9999]
)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS | st.text(max_size=3)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LEAVES, inner, max_size=2),
    max_leaves=6,
)


def refused_or(make: Callable[[], Any]) -> Any:
    """What is made, or None where it is refused; a refusal is one line that can be printed."""
    try:
        return make()
    except HS2SError as error:
        assert str(error) and "\n" not in str(error)
        str(error).encode(errors="backslashreplace")
        return None


@bounded(60)
@given(
    st.sampled_from(available_models()),
    st.dictionaries(st.sampled_from(names(HS2SConfig)), VALUES, max_size=3),
    VALUES,
)
def test_network_settings(base: str, changes: dict, anything: Any) -> None:
    refused_or(lambda: HS2SConfig.from_dict(anything))
    config = refused_or(lambda: HS2SConfig.from_dict({**HS2SConfig.preset(base).to_dict(), **changes}))
    if config is not None:
        assert HS2SConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
        with torch.device("meta"):  # what is taken can be built
            HS2S(config)


@bounded(60)
@given(
    st.dictionaries(st.sampled_from([*names(TrainingConfig), "base", "angle"]), VALUES, max_size=3),
    st.dictionaries(st.sampled_from([*names(Stage), "other"]), VALUES, max_size=3),
    st.lists(st.text("abls=.[]{}:0123456789-,!&*'\" \n", max_size=12), max_size=2),
)
def test_training_settings(changes: dict, stage: dict, overrides: list[str]) -> None:
    values = {"model": "hs2s-lite", "stages": [{"steps": 2, **stage}], **changes}
    refused_or(lambda: TrainingConfig.from_dict(values))
    texts = [f"{name}={value}" for name, value in changes.items()]
    refused_or(lambda: TrainingConfig.load("finetune", overrides + texts))


@bounded(60)
@given(
    st.sampled_from(["finetune", "hs2s-lite"]),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4)), min_size=1, max_size=3),
)
def test_training_config_files(tmp_path_factory, base: str, edits: list[tuple[int, bytes]]) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_bytes(edited((CONFIGS / f"{base}.yaml").read_bytes(), edits))
    refused_or(lambda: TrainingConfig.load(file))


def edited(data: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    """Data with bytes put in, and one taken out, at some places."""
    for place, new in edits:
        place %= len(data) + 1
        data = data[:place] + new + data[place + 1 :]
    return data


TENSORS = st.sampled_from(
    [
        torch.zeros(2),
        torch.zeros(2, dtype=torch.int64),
        torch.zeros(2, dtype=torch.complex64),
        torch.full((2,), torch.nan),
        torch.zeros(2, dtype=torch.float8_e4m3fn),
        torch.zeros(1).expand(10**6, 10**6),
        torch.eye(2).to_sparse(),
        torch.empty(2, device="meta"),
        torch.zeros(0),
    ]
)
KEYS = st.sampled_from(
    ["memory.conv.bias", "module.encoder.conv1.weight", "model", "", 0, 1.5, None, "\ud800"]
)
CONTENTS = st.recursive(
    TENSORS | LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=4,
)
EDITS = st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=4)), max_size=3)


@bounded(60)
@given(CONTENTS, EDITS)
def test_checkpoints(tmp_path_factory, content: Any, edits: list[tuple[int, bytes]]) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.pth"
    data = io.BytesIO()
    torch.save(content, data)
    file.write_bytes(edited(data.getvalue(), edits))
    assert refused_or(lambda: load_network("hs2s-resnet50", file)) is None


@bounded(60)
@given(VALUES, st.text(max_size=20), EDITS)
def test_weights(tmp_path_factory, config: Any, text: str, edits: list[tuple[int, bytes]]) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    tensors = {"a": torch.zeros(2), "b": torch.zeros(2, dtype=torch.int64)}
    for metadata in (None, {"config": text}, {"config": json.dumps(config, skipkeys=True)}):
        file.write_bytes(edited(save(tensors, metadata), edits))
        assert refused_or(lambda: load_network("hs2s-lite", file)) is None


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
