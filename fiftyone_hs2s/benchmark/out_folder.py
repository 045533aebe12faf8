"""The folder that holds a benchmark's results, and the settings that they were made with."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiftyone_hs2s.benchmark.benchmark_data import BenchmarkData
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import prepare_folder, read_text
from fiftyone_hs2s.tables import write_json

if TYPE_CHECKING:
    from fiftyone_hs2s.tracking import Tracker


def check_out(out: Path, data: BenchmarkData) -> None:
    """Keeps the data set's own files apart from the results."""
    real = Path(os.path.realpath(out))
    for part in (data.images, data.masks):
        inside = Path(os.path.realpath(part))
        if real in (inside, *inside.parents) or inside in real.parents:
            raise HS2SError(
                f"The results cannot go to {out}, which is part of the data set: give another folder."
            )
    if (
        out.is_dir()
        and {file.name for file in out.iterdir()} - {".lock"}
        and not (out / "settings.json").is_file()
    ):
        raise HS2SError(f"{out} holds other files: give an empty or a new folder for the results.")


def tracker_settings(tracker: Tracker, data: BenchmarkData, void: int | None, adapt: float) -> dict[str, Any]:
    """All that the masks depend on."""
    digest = hashlib.sha256()
    for key, value in tracker.network.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return {
        "frames": str(data.images),
        "masks": str(data.masks),
        "model": tracker.network.config.name,
        "weights_sha256": digest.hexdigest(),
        "reset_period": tracker.network.config.reset_period,
        "size": list(tracker.size),
        "device": tracker.device.type,
        "precision": str(tracker.precision).removeprefix("torch."),
        "runtime": tracker.runtime,
        "aggregation": tracker.aggregation,
        "average": tracker.average,
        "adapted_seconds": adapt,
        "void": void,
    }


def claim_folder(out: Path, settings: Mapping[str, Any], overwrite: bool) -> None:
    """Makes the folder that of these settings, or makes sure that it is."""
    file = out / "settings.json"
    if file.is_file():
        before = read_json(file)
        other = [key for key in settings if before.get(key) != settings[key]]
        if not other:
            return
        if not overwrite:
            raise HS2SError(
                f"{out} holds a benchmark with another {', '.join(other)}: give another folder, or"
                " overwrite it."
            )
        for report in (out / "sequences").glob("*.json"):
            report.unlink()
    for folder in (out / "sequences", out / "masks"):
        prepare_folder(folder)
    write_json(file, settings)


def read_json(file: Path) -> dict[str, Any]:
    """Reads a file that an earlier run wrote; an HS2SError says that it is damaged."""
    try:
        return json.loads(read_text(file))
    except ValueError as error:
        raise HS2SError(f"{file} is damaged ({error}): remove it, and run the benchmark again.") from error
