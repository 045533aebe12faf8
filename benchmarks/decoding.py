"""Milliseconds to decode a frame of a video file: this package's reader beside OpenCV's capture.

    python benchmarks/decoding.py                 # two videos that it makes, H.264, 480x854 and 1080x1920
    python benchmarks/decoding.py --videos *.mp4

Both give RGB arrays of all frames. They take turns in one process, so that other work on the machine meets
both; the ratios are those of their best rounds, in time and in CPU time (over all threads). Backward reading
has no counterpart.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from fiftyone_hs2s.tracking.video import VideoSource
from fiftyone_hs2s.video_writer import write_video


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    print(
        f"{'video':16} {'frames':>6} {'OpenCV':>8} {'here':>8} {'ratio':>6} {'CPU ratio':>9} {'backward':>9}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for video in args.videos or make_videos(Path(folder)):
            compare(video, args.rounds)


def make_videos(folder: Path) -> Iterable[Path]:
    """A sharp picture that moves over a blurred one, with some noise."""
    rng = np.random.default_rng(0)
    for height, width, count in ((480, 854, 100), (1080, 1920, 40)):
        small = [rng.integers(0, 255, (height // n, width // n, 3), np.uint8) for n in (60, 8)]
        back, front = (
            cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC) for picture in small
        )
        noise = rng.integers(0, 8, (height + count, width, 3), np.uint8)

        def frame(t: int, back=back, front=front, noise=noise, size=(height, width)) -> np.ndarray:
            picture = back.copy()
            top, left = (int(side * (0.3 + 0.2 * np.sin(0.07 * t))) for side in size)
            picture[top : top + size[0] // 3, left : left + size[1] // 3] = front[
                : size[0] // 3, : size[1] // 3
            ]
            return cv2.add(picture, noise[t : t + size[0]])

        path = folder / f"{height}x{width}.mp4"
        write_video(path, map(frame, range(count)))
        yield path


def compare(video: Path, rounds: int) -> None:
    source = VideoSource(video)
    source.prepare_seeking()
    ways: dict[str, Callable[[], Iterable[np.ndarray]]] = {
        "OpenCV": lambda: read_with_opencv(video),
        "here": lambda: source.decode(0, None),
        "backward": lambda: source.decode_backward(0, source.count),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, read in ways.items():
            times[name].append(measure(read))
    wall, cpu = ({name: min(pair[i] for pair in pairs) for name, pairs in times.items()} for i in (0, 1))
    each = {name: f"{1000 * seconds / source.count:5.2f} ms" for name, seconds in wall.items()}
    ratios = f"{wall['here'] / wall['OpenCV']:6.2f} {cpu['here'] / cpu['OpenCV']:9.2f}"
    print(
        f"{video.name:16} {source.count:6} {each['OpenCV']} {each['here']} {ratios}  {each['backward']}",
        flush=True,
    )


def read_with_opencv(video: Path) -> Iterable[np.ndarray]:
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    while capture.grab():
        yield cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
    capture.release()


def measure(read: Callable[[], Iterable[np.ndarray]]) -> tuple[float, float]:
    start, cpu = time.perf_counter(), time.process_time()
    for _ in read():
        pass
    return time.perf_counter() - start, time.process_time() - cpu


if __name__ == "__main__":
    main()
