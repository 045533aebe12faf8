"""Files are written whole or not at all, and what is no file is not waited for."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fiftyone_hs2s.cli.output import write_csv, write_json
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import check_file, new_file, new_folder, prepare_folder, read_text, write_text
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.network import build_network, save_weights


@pytest.fixture
def full_disk() -> Iterator[None]:
    """A file of more than 4 kB cannot be written: the error differs from a full disk's in its number only."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_file_appears_when_the_block_is_left(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    with new_file(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
        assert part.parent == tmp_path and part.suffix == ".json" and part.name.startswith(".a.")
    assert target.read_text() == "new" and os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_the_file_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    write_text(tmp_path / "a.json", "old")
    with pytest.raises(error), new_file(tmp_path / "a.json") as part:
        part.write_text("new")
        raise error
    assert (tmp_path / "a.json").read_text() == "old" and os.listdir(tmp_path) == ["a.json"]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    with new_file(tmp_path / "a") as first, new_file(tmp_path / "a") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a").read_text() == "first" and os.listdir(tmp_path) == ["a"]  # the last to finish


def test_every_kind_of_file_is_whole_or_the_old_one_on_a_full_disk(tmp_path: Path, full_disk: None) -> None:
    noise = np.random.default_rng(0).integers(0, 250, (100, 100), np.uint8)
    writers = {
        "a.json": lambda file: write_json(file, {"a": ["long"] * 2000}),
        "a.csv": lambda file: write_csv(file, [{"a": "long"}] * 2000),
        "a.png": lambda file: write_label_map(file, noise),
        "a.safetensors": lambda file: save_weights(build_network("s2s-lite"), file),
    }
    for name, write in writers.items():
        (tmp_path / name).write_text("old")
        with pytest.raises(HS2SError, match=rf"{name} cannot be written \(File too large\)"):
            write(tmp_path / name)
        assert (tmp_path / name).read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == sorted(writers)


def test_a_link_stays_one_and_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "text"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "loop", "folder", "none/a", "x" * 300, "target/a"):
        with pytest.raises(HS2SError, match=f"{name} cannot be written"):
            write_text(tmp_path / name, "text")
        with pytest.raises(HS2SError, match=name):
            read_text(tmp_path / name)
    for name in ("pipe", "folder"):
        with pytest.raises(HS2SError, match=rf"The mask .*/{name} is .*: give a file"):
            check_file(tmp_path / name, "mask")
    with pytest.raises(HS2SError, match=r"The folder .*/pipe cannot be written to \(File exists\)"):
        prepare_folder(tmp_path / "pipe")


@pytest.mark.parametrize("mask", [0o022, 0o027])
def test_files_can_be_read_by_whom_the_umask_says(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_folder_takes_its_place_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "masks"
    with new_folder(target) as part:
        (part / "0.png").write_text("old")
        assert not target.exists()
    with pytest.raises(KeyError), new_folder(target) as part:
        (part / "1.png").write_text("new")
        raise KeyError
    assert [file.name for file in target.parent.rglob("*.png")] == ["0.png"]
    with new_folder(target) as part:
        (part / "1.png").write_text("new")
    assert [file.name for file in target.parent.rglob("*")] == ["masks", "1.png"]
    (tmp_path / "file").touch()
    with pytest.raises(HS2SError, match="cannot be written"), new_folder(tmp_path / "file" / "masks"):
        pass
