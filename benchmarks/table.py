"""The table of a weights file: ``python benchmarks/table.py --data FOLDER --rendered SETS --weights FILE
[FILE ...]``.

A row for each set and condition, a column for each weights file (J&F, percent) beside the first mask copied
and the mask warped along DIS optical flow; then seconds a frame, and GMAC of one object and of three. FOLDER
is that of ``quality.py`` with the set that ``crossing.py`` makes, SETS that of ``rendered.py``. With
``--adapt SECONDS`` and ``--average NAME`` each weights file has another column with these. ``--rows`` takes a
part of the rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from quality import DEVELOPMENT, Method, copy, flow, score, tracked

from fiftyone_hs2s.metrics import SequenceScores, summarize
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.network.cost import count_gmac
from fiftyone_hs2s.network.weights import read_config
from fiftyone_hs2s.tables import percent, text_table
from fiftyone_hs2s.tracking import Tracker


class Row(NamedTuple):
    """A set of sequences under one condition."""

    title: str
    sequences: list[tuple[Path, str]]
    condition: str | None = None
    back: bool = False
    late: bool = False
    """Whether J after the occlusion is shown too."""


def rows(data: Path, rendered: Path | None) -> Iterator[Row]:
    """All rows for which there are data."""
    six = [(data / "DAVIS2016-train", name) for name in DEVELOPMENT]
    yield Row("six", six)
    yield Row("schoolgirls", [(data / "DAVIS2017-schoolgirls", "schoolgirls")])
    yield Row("hidden", six, "occluded", late=True)
    if (data / "crossing").is_dir():
        yield Row("crossing", [(data / "crossing", name) for name in DEVELOPMENT])
    for folder in (rendered / "come-near", rendered / "look-alikes") if rendered else ():
        if folder.is_dir():
            yield Row(
                folder.name, [(folder, path.name) for path in sorted((folder / "Annotations").iterdir())]
            )
    yield from (Row(condition, six, condition) for condition in ("portrait", "dark", "compressed", "small"))
    yield Row("there and back", six, back=True)


def columns(args: argparse.Namespace) -> Iterator[tuple[str, Method]]:
    """The name and the method of each column."""
    yield "copied", copy
    yield "flow", flow
    for path in args.weights:
        network = load_network(read_config(path).name, path)
        name = path.stem if path.stem != "weights" else path.parent.name
        yield name, tracked(Tracker(network), 0)
        if args.adapt:
            yield f"{name}, adapted {args.adapt:g} s", tracked(Tracker(network), args.adapt)
        if args.average != "none":
            yield f"{name}, {args.average}", tracked(Tracker(network, average=args.average), 0)


def run(row: Row, method: Method) -> tuple[str, float]:
    """The cell of a row and a method, and seconds a frame."""
    scores: dict[str, SequenceScores] = {}
    seconds = []
    for folder, name in row.sequences:
        scores[name], speed = score(method, folder, name, row.back, row.condition)
        seconds.append(speed)
    evaluation = summarize(scores, "davis2017")
    cell = percent(evaluation.JF)
    if row.late:
        objects = [
            scores[key].objects[i] for key, found in evaluation.sequences.items() for i in found.objects
        ]
        cell += (
            f" (J after {percent(float(np.mean([np.mean(o.J[len(o.J) // 3 + 10 : -1]) for o in objects])))})"
        )
    return cell, float(np.mean(seconds))


def main() -> None:
    """Prints each cell when it is there, and the table at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rendered", type=Path)
    parser.add_argument("--weights", type=Path, nargs="+", required=True)
    parser.add_argument("--adapt", type=float, default=0)
    parser.add_argument("--average", default="none")
    parser.add_argument("--rows", help="titles, separated by commas; all by default")
    args = parser.parse_args()
    chosen = [
        row for row in rows(args.data, args.rendered) if not args.rows or row.title in args.rows.split(",")
    ]
    methods = dict(columns(args))
    lines = []
    speeds: dict[str, list[float]] = {name: [] for name in methods}
    for row in chosen:
        cells = []
        for name, method in methods.items():
            start = time.perf_counter()
            cell, speed = run(row, method)
            cells.append(cell)
            speeds[name].append(speed)
            print(f"{row.title}, {name}: {cell} in {time.perf_counter() - start:.0f} s", flush=True)
        lines.append((row.title, *cells))
    lines.append(("seconds a frame", *(f"{np.mean(values):.3f}" for values in speeds.values())))
    print("\n" + text_table([("J&F", *methods), *lines]))
    for path in args.weights:
        network = load_network(read_config(path).name, path)
        print(
            f"{path}: {count_gmac(network):.2f} GMAC a frame for one object, {count_gmac(network, 3):.2f} for"
            " three"
        )


if __name__ == "__main__":
    main()
