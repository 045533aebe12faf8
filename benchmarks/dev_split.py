"""Takes the development split from import to panel: ``python benchmarks/dev_split.py --data FOLDER [--name
DATASET]``.

The sequences of ``quality.py`` become a FiftyOne dataset, are tracked from their first masks, scored
(DAVIS-2017 rules) and searched for failures, and the paper's analyses are made of them, with a frame as a
step of time, since no sequence lasts for over 20 steps of 1/6 s. With ``--name`` the dataset stays, with its
saved views, to be opened in the App: ``fiftyone app launch DATASET``. Scores differ from those of
``quality.py`` by what the videos' compression changes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import fiftyone as fo
import numpy as np
from quality import DEVELOPMENT

from fiftyone_hs2s import (
    analyze,
    evaluate_propagation,
    find_failures,
    import_sequences,
    load_model,
    propagate,
)
from fiftyone_hs2s.dataset.diagnose.failure_report import FailureReport
from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults

TRUTH, TRACKED, KEY = "ground_truth", "hs2s", "dev_eval"
SOURCES = {"DAVIS2016-train": DEVELOPMENT, "DAVIS2017-schoolgirls": ("schoolgirls",)}


def import_split(data: Path, videos: Path | None, name: str | None) -> fo.Dataset:
    """All sequences in one dataset."""
    persistent = name is not None
    for folder, sequences in SOURCES.items():
        dataset = import_sequences(data / folder, sequences, name, videos=videos, persistent=persistent)
        name = dataset.name
    return dataset


def print_scores(results: PropagationResults, names: dict[str, str]) -> None:
    """J, F and J&F in percent of each sequence, and means over the objects of both parts."""
    parts = {sequence: [sequence] for sequence in names.values()}
    parts |= {"development": list(DEVELOPMENT), "all": list(names.values())}
    print(f"{'sequence':14s}" + "".join(f"{head:>9s}" for head in ("objects", "J", "F", "J&F", "J decay")))
    for title, sequences in parts.items():
        rows = [row for row in results.objects if names[row["sample_id"]] in sequences]
        means = (100 * np.mean([row[column] for row in rows]) for column in ("J", "F", "JF", "J_decay"))
        print(f"{title:14s}{len(rows):9d}" + "".join(f"{mean:9.1f}" for mean in means))


def print_events(report: FailureReport, names: dict[str, str]) -> None:
    """How many events of which kind there are in each sequence."""
    counts = Counter((names[row["sample_id"]], row["kind"]) for row in report.events)
    rows = {sequence: [counts[sequence, kind] for kind in report.counts] for sequence in names.values()}
    print(f"\n{'events':14s}" + "".join(f"{kind:>19s}" for kind in report.counts))
    for title, row in {**rows, "all": list(report.counts.values())}.items():
        print(f"{title:14s}" + "".join(f"{count or '-':>19}" for count in row))


def main() -> None:
    """Runs all of it and prints what is found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="holds " + " and ".join(SOURCES))
    parser.add_argument("--model", default="hs2s-lite")
    parser.add_argument("--weights", type=Path, help="of the model; the shipped ones by default")
    parser.add_argument("--name", help="of a dataset to keep; by default nothing is kept")
    parser.add_argument(
        "--track-back", action="store_true", help="also look for failures without the truth: slow"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hs2s-dev-") as folder:
        dataset = import_split(args.data, None if args.name else Path(folder), args.name)
        names = dict(zip(*dataset.values(["id", "sequence"]), strict=True))
        model = load_model(args.model, args.weights)
        print(
            propagate(
                dataset, model, prompt_field=TRUTH, label_field=TRACKED, overwrite=True, skip_failures=False
            )
        )
        print_scores(evaluate_propagation(dataset, TRACKED, TRUTH, KEY), names)
        print_events(find_failures(dataset, TRACKED, eval_key=KEY, save_views=True), names)
        print()
        analyze(dataset, eval_key=KEY, fps=6).print()
        print(
            "\nsaved views: "
            + ", ".join(f"{v} {len(dataset.load_saved_view(v))}" for v in dataset.list_saved_views())
        )
        if args.track_back:
            clone = dataset.clone()  # its events are those without truth
            print_events(find_failures(clone, TRACKED, track_back=model), names)
            columns = clone.values(["sequence", f"{KEY}_J", f"{TRACKED}_track_back_J"])
            for sequence, j, back in zip(*columns, strict=True):
                print(f"{sequence:14s} J {100 * j:5.1f}   J of the prompt, tracked back {100 * back:5.1f}")
            clone.delete()
        if not args.name:
            dataset.delete()


if __name__ == "__main__":
    main()
