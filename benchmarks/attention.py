"""Figure 1 of the paper: where in the first frame an object looks, before and after it was hidden.

``python benchmarks/attention.py`` takes the demo clip with a wider column, and writes the picture of the
README; ``--data FOLDER --sequence DAVIS2016-train/bus --object 1`` a real video, in which a board hides all
objects for ten frames as in ``quality.py --condition occluded``. Prints which share of the attention lies on
the object's first mask.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from hard_clip import hard_layers
from PIL import Image
from quality import CONDITIONS

from fiftyone_hs2s.demo.demo_clip import LENGTH, render_clip
from fiftyone_hs2s.masks import list_label_maps, read_label_map, split_label_map
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.overlay import contact_sheet, draw_attention, draw_overlay
from fiftyone_hs2s.tracking import Tracker, open_frames

WIDTH = 320  # of each picture

Video = tuple[list[np.ndarray], list[np.ndarray]]


def real_video(data: Path, sequence: str, length: int) -> Video:
    """A sequence, cut, with the board."""
    part, name = sequence.split("/")
    frames = list(open_frames(data / part / "JPEGImages" / name)[:length])
    files = list(list_label_maps(data / part / "Annotations" / name).values())
    return CONDITIONS["occluded"](frames, [read_label_map(file) for file in files[:length]])


def demo_video(wider: float) -> Video:
    frames, truths = zip(*render_clip(LENGTH, hard_layers(wider)), strict=True)
    return list(frames), list(truths)


def moments(truths: list[np.ndarray], object_id: int) -> list[int]:
    """Before the object is hidden for the first time, while it is, as soon as a tenth of it is back, and
    later."""
    areas = np.array([(truth == object_id).sum() for truth in truths])
    hidden = np.flatnonzero(areas == 0)
    if not len(hidden) or not areas[hidden[0] :].any():
        raise SystemExit("that object is never hidden, or does not come back: choose another one")
    end = hidden[0] + int(np.argmax(areas[hidden[0] :] > 0))
    back = end + int(np.argmax(areas[end:] > areas[0] / 10))
    return [int(t) for t in (hidden[0] // 2, (hidden[0] + end) // 2, back, min(back + 6, len(truths) - 1))]


def caption(picture: np.ndarray, text: str) -> np.ndarray:
    height = round(picture.shape[0] * WIDTH / picture.shape[1])
    picture = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
    for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(picture, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, thickness, cv2.LINE_AA)
    return picture


def figure(tracker: Tracker, video: Video, object_id: int) -> np.ndarray:
    """The frames above, and below each where in the first frame the object looks then."""
    frames, truths = video
    first = truths[0] == object_id
    tracker.add_objects(frames[0], split_label_map(truths[0]))
    seen = [caption(draw_overlay(frames[0], first.astype(np.uint8)), "t = 0, the mask that is given")]
    looked_at = [caption(frames[0], "the first frame")]
    shown = moments(truths, object_id)
    for t in range(1, shown[-1] + 1):
        found = tracker.step(frames[t]).label_map == object_id
        if t not in shown:
            continue
        attention = tracker.first_frame_attention(object_id)
        print(
            f"t = {t}: {found.sum()} pixels, {attention[first].sum() / max(attention.sum(), 1e-9):.2f} on the"
            " mask"
        )
        seen.append(caption(draw_overlay(frames[t], found.astype(np.uint8)), f"t = {t}"))
        looked_at.append(caption(draw_attention(frames[0], attention), f"where it looks at t = {t}"))
    return contact_sheet([*seen, *looked_at], columns=len(seen))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, help="folder with DAVIS-layout folders; the demo clip by default"
    )
    parser.add_argument("--sequence", default="DAVIS2016-train/bus", help="part and sequence in it")
    parser.add_argument("--length", type=int, default=60, help="of its frames; the board comes after a third")
    parser.add_argument("--object", type=int, default=2, help="id of the object")
    parser.add_argument("--wider", type=float, default=2.4, help="width of the demo clip's column")
    parser.add_argument("--out", type=Path, default=Path("docs/images/attention.png"), help="the picture")
    args = parser.parse_args()
    video = real_video(args.data, args.sequence, args.length) if args.data else demo_video(args.wider)
    picture = figure(Tracker(load_network("hs2s-lite")), video, args.object)
    Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE).save(args.out, optimize=True)
    print(f"{args.out}: {args.out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
