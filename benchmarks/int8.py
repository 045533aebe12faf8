"""Whether 8-bit weights and activations pay: `python benchmarks/int8.py --data FOLDER`.

The convolutions of the exported step are quantized by ONNX Runtime (static, a scale a channel), calibrated on
a video of DAVIS 2016 that is not in the development split, and computed by ONNX Runtime or OpenVINO. Printed
are the CPU seconds of a step of one object, beside those of the same graph in float32, in turns; and J&F on
some sequences (the first and last frame left out), as `quality.py` has them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

sys.path.insert(0, str(Path(__file__).parent))

from quality import report, score, tracked

from fiftyone_hs2s.masks import list_label_maps, read_label_map
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.runtime import graph_engine
from fiftyone_hs2s.runtime.backends import SESSIONS
from fiftyone_hs2s.runtime.graph_engine import GraphEngine
from fiftyone_hs2s.runtime.graph_files import graph_files
from fiftyone_hs2s.tracking import Tracker, open_frames, track

SIZE = (256, 448)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--runtime", default="openvino", choices=list(SESSIONS))
    parser.add_argument("--sequences", default="dance-jump,bus")
    parser.add_argument("--calibration", default="bear", help="a video of DAVIS2016-train")
    parser.add_argument("--steps", type=int, default=12, help="of the calibration, and timed")
    args = parser.parse_args()
    network = load_network("hs2s-lite")
    folder = args.data / "DAVIS2016-train"
    start, step = graph_files(network, SIZE)
    inputs = steps_of(network, folder, args.calibration, args.steps)
    with tempfile.TemporaryDirectory() as temporary:
        small = Path(temporary) / "int8.onnx"
        quantize_static(
            str(step),
            str(small),
            _Recorded(inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
        )
        print(f"{step.stat().st_size / 1e6:.1f} MB, {small.stat().st_size / 1e6:.1f} MB in 8 bits")
        sessions = {
            "float32": SESSIONS[args.runtime](step, torch.float32),
            "int8": SESSIONS[args.runtime](small, torch.float32),
        }
        times: dict[str, list[float]] = {name: [] for name in sessions}
        for given in inputs:
            for name, session in sessions.items():
                begun = time.process_time()
                session(given)
                times[name].append(time.process_time() - begun)
        least = {name: min(found) for name, found in times.items()}
        print(
            f"{args.runtime}: {least} CPU s a step, ratio {least['int8'] / least['float32']:.2f}", flush=True
        )
        print("J, F, J&F, and more of quality.py")
        for name, file in (("float32", step), ("int8", small)):
            graph_engine.graph_files = lambda network, size, file=file: (start, file)
            tracker = Tracker(network, SIZE, "cpu", "float32", runtime=args.runtime)
            scores = {
                sequence: score(tracked(tracker, 0), folder, sequence, False, None)[0]
                for sequence in args.sequences.split(",")
            }
            report(name, scores, 0.0, each=True)


class _Recorded(CalibrationDataReader):
    def __init__(self, inputs: list[dict[str, torch.Tensor]]) -> None:
        self._left = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        given = next(self._left, None)
        return given and {name: tensor.contiguous().numpy() for name, tensor in given.items()}


def steps_of(network, folder: Path, sequence: str, count: int) -> list[dict[str, torch.Tensor]]:
    """What the graph of the step is given in a video."""
    recorded = []
    tracker = Tracker(network, SIZE, "cpu", "float32", runtime="onnxruntime")
    engine = tracker._engine
    assert isinstance(engine, GraphEngine)
    _, session = engine.ready(SIZE)._ready[SIZE]
    start = engine._ready[SIZE][0]
    engine._ready[SIZE] = start, lambda given: [recorded.append(given), session(given)][1]
    frames = open_frames(folder / "JPEGImages" / sequence)
    first = read_label_map(list_label_maps(folder / "Annotations" / sequence)[frames.name(0)])
    for index, _ in track(tracker, frames, {0: {1: first > 0}}):
        if index == count:
            break
    return recorded


if __name__ == "__main__":
    main()
