"""What one corrected frame gains, by how it is chosen: ``python benchmarks/next_frame.py --data FOLDER``.

Each sequence of ``quality.py`` is tracked from its first masks. Then one more frame gets its true masks: the
frames before it are tracked from both sides and blended, those after it from it, as ``repropagate()`` does.
The frame is the one of ``suggest_frames()``, with the track back and without; the one that looks worst, of
the lowest mean confidence; or the one in the middle. Figures are J&F (first and last frame left out, the
corrected one counted) and the points that it gains, mean over objects; frames are counted from 1. ``--every
N`` corrects every Nth frame instead, takes what lies between them as the straight line, and says which is the
best of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from quality import SETS

from fiftyone_hs2s.masks import list_label_maps, read_label_map, split_label_map
from fiftyone_hs2s.metrics import SequenceScorer, jaccard
from fiftyone_hs2s.metrics.next_frame import next_frame
from fiftyone_hs2s.metrics.scores import score_label_maps
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.tracking import Frames, Tracker, open_frames, track
from fiftyone_hs2s.tracking.between import track_between
from fiftyone_hs2s.tracking.result import TrackedFrame

Masks = dict[int, np.ndarray]


class Sequence:
    """An annotated sequence, tracked from its first masks.

    Args:
        folder: DAVIS-layout folder
        name: the sequence
        tracker: the tracker
    """

    def __init__(self, folder: Path, name: str, tracker: Tracker) -> None:
        paths = list_label_maps(folder / "Annotations" / name).values()
        self.truths = [read_label_map(path) for path in paths]
        self.frames: Frames = open_frames(np.stack(list(open_frames(folder / "JPEGImages" / name))))
        self.ids, self._tracker = sorted(split_label_map(self.truths[0])), tracker
        found = (tracked for _, tracked in track(tracker, self.frames, {0: self.given(0)}))
        self.tracked = [TrackedFrame(frame.label_map, frame.confidence, {}) for frame in found]

    def given(self, index: int) -> Masks:
        """The true masks of a frame."""
        masks = split_label_map(self.truths[index])
        return {i: masks[i] for i in self.ids if i in masks}

    def score(self, label_maps: Iterable[np.ndarray]) -> float:
        """J&F in percent."""
        rows = []
        for truth, label_map in list(zip(self.truths, label_maps, strict=True))[1:-1]:
            scores = score_label_maps(truth, label_map)
            rows.append([(scores[i].J + scores[i].F) / 2 if i in scores else 1.0 for i in self.ids])
        return 100 * float(np.mean(rows))

    def gain(self, index: int) -> float:
        """What the true masks of a frame add to J&F, in points."""
        maps = [frame.label_map for frame in self.tracked]
        before, given = self.score(maps), self.given(index)
        maps[index] = self.truths[index]
        if index > 1:
            for place, found in track_between(self._tracker, self.frames[: index + 1], self.given(0), given):
                maps[place] = found.label_map
        if given:
            for place, found in track_between(self._tracker, self.frames[index:], given, {}):
                maps[index + place] = found.label_map
        return self.score(maps) - before

    def suggested(self, back: bool) -> int:
        """The frame that ``suggest_frames()`` proposes; the first one after the prompt if it has no doubt."""
        scorer, agreement = SequenceScorer(), self._track_back() if back else {}
        for index, frame in enumerate(self.tracked):
            scorer.update(
                None,
                frame.label_map,
                confidence=frame.confidence,
                agreement=agreement.get(index),
                prompted=self.ids if index == 0 else (),
            )
        found = next_frame(scorer.finish())
        return found.frame if found else 1

    def _track_back(self) -> dict[int, dict[int, float]]:
        """J with a track from each object's last mask back to the first frame, by frame and object."""
        ends: dict[int, Masks] = {}
        for i in self.ids:
            there = [index for index, frame in enumerate(self.tracked) if (frame.label_map == i).any()]
            ends.setdefault(there[-1], {})[i] = self.tracked[there[-1]].label_map == i
        return {
            index: {
                i: jaccard(self.tracked[index].label_map == i, found.label_map == i) for i in found.confidence
            }
            for index, found in track(self._tracker, self.frames, ends, "backward")
        }

    def worst(self) -> int:
        """The frame of the lowest mean confidence."""
        return int(np.argmin([np.mean(list(frame.confidence.values())) for frame in self.tracked]))


def main() -> None:
    """Prints a row for each sequence, and the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="hs2s-lite")
    parser.add_argument("--sequences", help="only these, separated by commas")
    parser.add_argument("--every", type=int, default=0)
    args = parser.parse_args()
    tracker = Tracker(load_network(args.model))
    columns = ("suggested, back", "suggested", "worst", "middle", *(("best",) if args.every else ()))
    print(f"{'sequence':14s}{'J&F':>8s}" + "".join(f"{column:>20s}" for column in columns))
    rows = []
    for path in [*SETS["development"], *SETS["schoolgirls"]]:
        folder, _, name = path.rpartition("/")
        if args.sequences and name not in args.sequences.split(","):
            continue
        sequence = Sequence(args.data / folder, name, tracker)
        length = len(sequence.truths)
        chosen = [sequence.suggested(True), sequence.suggested(False), sequence.worst(), length // 2]
        tried = range(args.every, length, args.every) if args.every else dict.fromkeys(chosen)
        gains = {0: 0.0, **{index: sequence.gain(index) for index in tried}, length: 0.0}
        if args.every:
            chosen.append(max(tried, key=lambda index: gains[index]))
        found = [
            float(np.interp(index, sorted(gains), [gains[i] for i in sorted(gains)])) for index in chosen
        ]
        rows.append(found)
        score = sequence.score([frame.label_map for frame in sequence.tracked])
        cells = "".join(f"{gain:+12.1f} at {i + 1:4d}" for gain, i in zip(found, chosen, strict=True))
        print(f"{name:14s}{score:8.1f}{cells}", flush=True)
    print(f"{'mean':22s}" + "".join(f"{mean:+20.2f}" for mean in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
