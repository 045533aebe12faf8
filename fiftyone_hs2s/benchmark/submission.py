"""The zip file of a benchmark's masks for the evaluation server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from fiftyone_hs2s.benchmark.benchmark_data import BenchmarkData
from fiftyone_hs2s.benchmark.tracked_sequences import SequenceReport
from fiftyone_hs2s.errors import HS2SError, some
from fiftyone_hs2s.mask_files.server_zip import write_server_zip


def write_zip(
    data: BenchmarkData,
    out: Path,
    reports: Mapping[str, SequenceReport],
    failed: Mapping[str, str],
    notes: list[str],
) -> Path | None:
    """Writes the zip file for the server if there is one; why it was not written is added to the notes."""
    server = data.benchmark.server
    if server is None:
        return None
    file = out / f"{data.kind}-{Path(data.split).stem if data.split else 'all'}.zip"
    file.unlink(missing_ok=True)  # that of an earlier run
    try:
        if failed:
            raise HS2SError(f"{some(list(failed))} not tracked.")
        expected = {name: _expected(data, name, done) for name, done in reports.items()}
        write_server_zip(
            file, server, {name: _masks(out, name, done) for name, done in reports.items()}, expected
        )
    except HS2SError as error:
        notes.append(f"There is no zip file for the server: {error}")
        return None
    return file


def _expected(data: BenchmarkData, name: str, done: SequenceReport) -> dict[str, tuple[int, int]]:
    """The frames that the server scores: those in ``meta.json``, else all."""
    listed = {frame for frames in data.meta.frames.get(name, {}).values() for frame in frames}
    return {frame: tuple(done["size"]) for frame in done["frames"] if not listed or frame in listed}


def _masks(out: Path, name: str, done: SequenceReport) -> Iterator[tuple[str, np.ndarray | Path]]:
    """The masks of all frames; nothing is there before the first object."""
    for frame in done["frames"]:
        blank = frame not in done["confidence"]
        yield frame, np.zeros(done["size"], np.uint8) if blank else out / "masks" / name / f"{frame}.png"
