"""How often a GPU would be waited for in a frame: counted on a CPU, where all that waits is called too."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from color_network import moving
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from fiftyone_hs2s.network import build_network
from fiftyone_hs2s.tracking import Tracker, conclusion
from fiftyone_hs2s.tracking.decision import decide_in_boxes, decide_whole

SIZE = (64, 96)
OPERATIONS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique")


class Waits(TorchFunctionMode):
    """Counts the calls that give the program values of a tensor, or read where those lie."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self._operations = _Operations(self.found)

    def __enter__(self) -> Waits:
        self._operations.__enter__()
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._operations.__exit__(*error)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name in ("cpu", "tolist"):  # on a CPU these need no operation
            self.found[name] += 1
        return function(*args, **(kwargs or {}))


class _Operations(TorchDispatchMode):
    def __init__(self, found: Counter[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        by_mask = name == "index" and any(x is not None and x.dtype == torch.bool for x in args[1])
        self._found.update([name] if by_mask or name in OPERATIONS else [])
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("objects", [1, 3])
def test_a_frame_waits_twice_at_most(monkeypatch, objects: int, precision: str) -> None:
    monkeypatch.setattr(conclusion, "decide_in_boxes", decide_whole)  # what a GPU does
    torch.manual_seed(0)
    tracker = Tracker(build_network("hs2s-lite"), SIZE, "cpu", precision)
    frames, truth = moving()
    masks = truth[3] | {3: np.roll(truth[3][1], 20, 0)}
    tracker.add_objects(frames[0], {i: masks[i] for i in range(1, objects + 1)})
    tracker.step(frames[1])
    with Waits() as waits:
        tracker.step(frames[2])
    assert 1 <= waits.found.total() <= 2, waits.found


def test_what_waits_is_counted() -> None:
    x = torch.ones(3)
    with Waits() as waits:
        bool(x.any()), x.cpu(), x.tolist(), x[0].item(), x[x > 0], torch.equal(x, x)
    assert waits.found.total() == 6, waits.found


@pytest.mark.parametrize("size", [(120, 214), (97, 131)])
def test_whole_margins_decide_as_boxes_do(size: tuple[int, int]) -> None:
    rng = torch.Generator().manual_seed(0)
    coarse = torch.randn(3, 1, 6, 9, generator=rng) - 1
    margins = torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic")[:, 0]
    margins[1] = -1
    for ids in ([1, 2, 3], [7, 300, 2]):
        boxes, whole = (decide(margins, ids, size) for decide in (decide_in_boxes, decide_whole))
        assert boxes.dtype == whole.dtype
        assert (boxes == whole).float().mean() > 0.999  # rounding, on edges
        assert set(whole.unique().tolist()) == {0, ids[0], ids[2]}
